package changelog_test

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// replaces replaces the key of the followed log, and appends an entry.
func (f followed) replaces(t *testing.T, now, next byte) {
	t.Helper()
	rotate(t, f.store, f.Log, now, next)
	f.grow(t, 1)
}

func TestWitnessFollowsAReplacedKey(t *testing.T) {
	t.Parallel()
	for name, pin := range map[string]byte{"no pin": 0, "the first key": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, w := follows(t, 1, "vault", 3), newFollower(t, "")
			if pin != 0 {
				w = newFollower(t, keyOf(t, pin))
			}
			w.mustExtend(t, f.head(t), nil)
			f.replaces(t, 1, 2)
			w.mustExtend(t, f.head(t), f.proof(t, 3, 4))
			f.grow(t, 2)
			w.mustExtend(t, f.head(t), f.proof(t, 4, 6))
			f.replaces(t, 2, 3) // twice while the witness does not look
			f.replaces(t, 3, 4)
			use(t, f.Log, 4)
			w.mustExtend(t, f.head(t), f.proof(t, 6, 8))
			w.mustExtend(t, f.head(t), nil)
		})
	}
}

func TestAHeadThatIsSignedAgainIsFollowed(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 3} {
		f, w := follows(t, 1, "vault", size), newFollower(t, "")
		early := f.head(t)
		w.mustExtend(t, early, nil)
		rotate(t, f.store, f.Log, 1, 2)
		w.mustExtend(t, f.head(t), nil)
		if seen := w.extend(t, early, nil); seen.Refused != nil || seen.Verified != f.head(t).SignedHead {
			t.Errorf("Extend() with the same head of the key before = %+v, want no change", seen)
		}
	}
}

func TestAPinMayBeAnyKeyOfTheSuccession(t *testing.T) {
	t.Parallel()
	f := follows(t, 1, "vault", 1)
	for next := byte(2); next < 5; next++ {
		f.replaces(t, next-1, next)
	}
	for pin := byte(1); pin < 5; pin++ {
		newFollower(t, keyOf(t, pin)).mustExtend(t, f.head(t), nil)
	}
	for name, pin := range map[string]string{"an unknown key": keyOf(t, 9), "the key of another log": newKey(t, [32]byte{4}, "allowlist").VerifierKey()} {
		if seen := newFollower(t, pin).extend(t, f.head(t), nil); seen.Refused == nil || seen.Verified.Checkpoint != "" {
			t.Errorf("Extend() with the pin %s = %+v, want a refusal", name, seen)
		}
	}
}

func TestANewPinIsUsedWithAFollowedLog(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 1), newFollower(t, "")
	w.mustExtend(t, f.head(t), nil)
	f.replaces(t, 1, 2)
	w.Witness = changelog.NewWitness("other", keyOf(t, 2))
	w.mustExtend(t, f.head(t), f.proof(t, 1, 2))
	f.replaces(t, 2, 3)
	w.mustExtend(t, f.head(t), f.proof(t, 2, 3))
	w.Witness = changelog.NewWitness("other", keyOf(t, 9))
	if seen := w.extend(t, f.head(t), nil); seen.Refused == nil {
		t.Error("Extend() accepts a key that the pinned one does not lead to")
	}
}

// A thief has the store of a log and one of its keys.
func thief(t *testing.T, key byte, entries int) followed {
	t.Helper()
	return follows(t, key, "vault", entries)
}

func TestWitnessRefusesSuccessionsThatDoNotLeadToTheClaimedKey(t *testing.T) {
	t.Parallel()
	f := follows(t, 1, "vault", 4)
	genuine := f.head(t)
	f.replaces(t, 1, 2)
	f.replaces(t, 2, 3)
	head, proof := f.head(t), f.proof(t, 4, 6)
	foreign := follows(t, 66, "vault", 6)
	rotate(t, foreign.store, foreign.Log, 66, 3)
	elsewhere := follows(t, 1, "other", 6)
	rotate(t, elsewhere.store, elsewhere.Log, 1, 3)
	one, two := head.Successions[0], head.Successions[1]
	for name, successions := range map[string][]string{
		"none":                          nil,
		"the first":                     {one},
		"the last":                      {two},
		"another order":                 {two, one},
		"one twice":                     {one, one, two},
		"one too many":                  {one, two, one},
		"one by another key":            foreign.head(t).Successions,
		"one of another log":            elsewhere.head(t).Successions,
		"one by another key in between": {one, foreign.head(t).Successions[0]},
		"something else":                {"x", one, "x", two},
		"a head instead":                {genuine.Checkpoint, one, head.Checkpoint},
		"a changed one":                 {one, two[:len(two)-3] + "A\n"},
		"one without an end of line":    {one, two[:len(two)-1]},
	} {
		w := newFollower(t, "")
		w.mustExtend(t, genuine, nil)
		claim := changelog.Claim{SignedHead: head.SignedHead, Successions: successions}
		if seen := w.extend(t, claim, proof); seen.Refused == nil || *seen.Refused != claim.SignedHead || seen.Verified != genuine.SignedHead {
			t.Errorf("Extend() with %s = %+v, want a refusal", name, seen)
		}
		w.mustExtend(t, head, proof)
	}
	w := newFollower(t, "")
	w.mustExtend(t, genuine, nil)
	skipped := changelog.Claim{SignedHead: head.SignedHead, Successions: append([]string{"x", two}, head.Successions...)}
	w.mustExtend(t, skipped, proof)
}

// TestAKeyThatWasReplacedCannotForkTheLog is about an attacker who has an old key, and a copy of the
// data file.
func TestAKeyThatWasReplacedCannotForkTheLog(t *testing.T) {
	t.Parallel()
	const size = 4
	type attack func(t *testing.T, f followed) (changelog.Claim, tlog.TreeProof)
	for name, claim := range map[string]attack{
		"a longer log that the old key signs": func(t *testing.T, _ followed) (changelog.Claim, tlog.TreeProof) {
			fork := thief(t, 1, size+5)
			return fork.head(t), fork.proof(t, size, size+5)
		},
		"the genuine log, extended with the old key": func(t *testing.T, f followed) (changelog.Claim, tlog.TreeProof) {
			return stolen(t, f, 1, 0)
		},
		"the genuine log, extended with a forged successor of the old key": func(t *testing.T, f followed) (changelog.Claim, tlog.TreeProof) {
			return stolen(t, f, 1, 9)
		},
		"another succession to the present key": func(t *testing.T, f followed) (changelog.Claim, tlog.TreeProof) {
			fork := thief(t, 1, size+5)
			rotate(t, fork.store, fork.Log, 1, 9)
			c := fork.head(t)
			c.Successions = append(f.head(t).Successions, c.Successions...)
			return c, fork.proof(t, size, size+5)
		},
		"a shorter fork that the old key signs": func(t *testing.T, _ followed) (changelog.Claim, tlog.TreeProof) {
			fork := thief(t, 1, size-1)
			return fork.head(t), nil
		},
		"a fork of the same size": func(t *testing.T, _ followed) (changelog.Claim, tlog.TreeProof) {
			return thief(t, 1, size+1).head(t), nil
		},
		"the empty log": func(t *testing.T, _ followed) (changelog.Claim, tlog.TreeProof) {
			return thief(t, 1, 0).head(t), nil
		},
	} {
		for pinned, pin := range map[string]string{"no pin": "", "the old key pinned": keyOf(t, 1), "the new key pinned": keyOf(t, 2)} {
			t.Run(name+", "+pinned, func(t *testing.T) {
				t.Parallel()
				f, w := follows(t, 1, "vault", size), newFollower(t, "")
				w.mustExtend(t, f.head(t), nil)
				f.replaces(t, 1, 2)
				w.mustExtend(t, f.head(t), f.proof(t, size, size+1))
				w.Witness = changelog.NewWitness("other", pin)
				c, proof := claim(t, f)
				if seen := w.extend(t, c, proof); seen.Refused == nil || seen.Verified != f.head(t).SignedHead {
					t.Errorf("Extend() = %+v, want a refusal", seen)
				}
				w.mustExtend(t, f.head(t), nil)
			})
		}
	}
}

// stolen returns a head that an old key of a copy of the log signs, or a successor of that key. The
// entries up to the witnessed head are genuine.
func stolen(t *testing.T, f followed, key, next byte) (changelog.Claim, tlog.TreeProof) {
	t.Helper()
	rows := dump(t, f.store)
	genuine := head(t, f.store, f.Log)
	changes := newKey(t, [32]byte{key}, "vault")
	copied := followed{changes, attach(t, filepath.Join(t.TempDir(), "store"), changes)}
	for _, row := range rows {
		if row.Key[1] != 'k' {
			put(t, copied.store, row.Key, row.Value)
		}
	}
	resign(t, copied.store, changes, key)
	if next != 0 {
		rotate(t, copied.store, changes, key, next)
	}
	copied.grow(t, 2)
	size := int(genuine.Size)
	return copied.head(t), copied.proof(t, size, size+2)
}

// resign signs the stored head with another key.
func resign(t *testing.T, store kv.Store, changes *changelog.Log, key byte) {
	t.Helper()
	row := kv.NewKey("lh")
	body, _, _ := bytes.Cut(get(t, store, row), []byte("keyward.dev/"))
	_, text, _ := bytes.Cut(get(t, store, row), body)
	text, _, _ = bytes.Cut(text, []byte("\n\n"))
	hash := strings.Split(changes.VerifierKey(), "+")[1]
	private := append([]byte{1, key}, make([]byte, 31)...) // Ed25519, and the seed
	signer, err := note.NewSigner("PRIVATE+KEY+keyward.dev/vault+" + hash + "+" + base64.StdEncoding.EncodeToString(private))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: string(text) + "\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	put(t, store, row, append(body, signed...))
}

func TestAHeadOfTheKeyBeforeThatArrivesLateChangesNothing(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 3), newFollower(t, "")
	early := f.head(t)
	w.mustExtend(t, early, nil)
	f.replaces(t, 1, 2)
	f.grow(t, 3)
	w.mustExtend(t, f.head(t), f.proof(t, 3, 7))
	if seen := w.extend(t, early, f.proof(t, 3, 7)); seen.Refused != nil || seen.Verified != f.head(t).SignedHead {
		t.Errorf("Extend() with an older head = %+v, want no change", seen)
	}
	if seen := w.extend(t, early, nil); seen.Refused == nil {
		t.Error("Extend() accepts an older head without a proof")
	}
	w.mustExtend(t, f.head(t), nil)
	unknown := follows(t, 9, "vault", 0)
	c := unknown.head(t)
	if seen := w.extend(t, c, f.proof(t, 3, 7)); seen.Refused == nil {
		t.Error("Extend() accepts a head of an unknown key")
	}
}

func TestAcceptedHeadMayHaveASuccessorOfThePinnedKey(t *testing.T) {
	t.Parallel()
	f := follows(t, 1, "vault", 2)
	f.replaces(t, 1, 2)
	restored := f.head(t)
	ahead := follows(t, 1, "vault", 9)
	rotate(t, ahead.store, ahead.Log, 1, 2)
	w := newFollower(t, keyOf(t, 1))
	w.mustExtend(t, ahead.head(t), nil)
	if seen := w.extend(t, restored, nil); seen.Refused == nil {
		t.Fatal("Extend() accepts another log")
	}
	if _, _, err := w.accept(t, unproven(restored.SignedHead)); err == nil {
		t.Error("Accept() accepts a key without the successions")
	}
	if _, after, err := w.accept(t, restored); err != nil || after.Verified != restored.SignedHead {
		t.Errorf("Accept() = %+v, %v", after, err)
	}
	f.grow(t, 1)
	w.mustExtend(t, f.head(t), f.proof(t, 3, 4))
}
