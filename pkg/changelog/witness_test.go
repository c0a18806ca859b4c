package changelog_test

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A followed is a log of another program, and a witness of it.
type followed struct {
	*changelog.Log
	store kv.Store
}

func follows(t *testing.T, seed byte, origin string, entries int) followed {
	t.Helper()
	changes := newKey(t, [32]byte{seed}, origin)
	f := followed{changes, attach(t, t.TempDir()+"/log.db", changes)}
	f.grow(t, entries)
	return f
}

func (f followed) grow(t *testing.T, entries int) {
	t.Helper()
	for i := range entries {
		appendEntry(t, f.store, f.Log, entry("a", fmt.Sprint(i)))
	}
}

func (f followed) head(t *testing.T) changelog.Claim {
	t.Helper()
	return claim(t, f.store, f.Log)
}

// unproven is a claim without successions.
func unproven(head changelog.SignedHead) changelog.Claim { return changelog.Claim{SignedHead: head} }

func (f followed) proof(t *testing.T, from, to int) tlog.TreeProof {
	t.Helper()
	return prove(t, f.store, from, to)
}

// A follower is a program that keeps heads of another one.
type follower struct {
	changelog.Witness
	log   *changelog.Log
	store kv.Store
}

func newFollower(t *testing.T, pin string) follower {
	t.Helper()
	changes, store := newLog(t)
	return follower{changelog.NewWitness("other", pin), changes, store}
}

func (f follower) extend(t *testing.T, claim changelog.Claim, proof tlog.TreeProof) (seen changelog.Seen) {
	t.Helper()
	err := f.store.Update(t.Context(), func(tx kv.Tx) (err error) {
		seen, err = f.Extend(tx, claim, proof)
		return err
	})
	if err != nil {
		t.Fatalf("Extend() = %v", err)
	}
	return seen
}

func (f follower) mustExtend(t *testing.T, claim changelog.Claim, proof tlog.TreeProof) {
	t.Helper()
	if seen := f.extend(t, claim, proof); seen.Refused != nil || seen.Verified != claim.SignedHead {
		t.Fatalf("Extend(%q) = %+v, want it to be the verified head", claim.Checkpoint, seen)
	}
}

func TestWitnessFollowsAGrowingLog(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 7, 8} {
		f, w := follows(t, 1, "vault", size), newFollower(t, "")
		w.mustExtend(t, f.head(t), nil)
		w.mustExtend(t, f.head(t), nil) // repeated
		for _, more := range []int{1, 2, 13} {
			before := w.seen(t).Size()
			f.grow(t, more)
			w.mustExtend(t, f.head(t), f.proof(t, int(before), int(before)+more))
		}
	}
}

func TestWitnessRefusesALogThatDoesNotExtendItsHead(t *testing.T) {
	t.Parallel()
	const size = 5
	genuine := follows(t, 1, "vault", size)
	other := func(seed byte, origin string, entries int) func(*testing.T) (changelog.Claim, tlog.TreeProof) {
		return func(t *testing.T) (changelog.Claim, tlog.TreeProof) {
			f := follows(t, seed, origin, entries)
			return f.head(t), f.proof(t, min(size, entries), entries)
		}
	}
	for _, tt := range []struct {
		name  string
		claim func(*testing.T) (changelog.Claim, tlog.TreeProof)
	}{
		{"an empty log", other(1, "vault", 0)},
		{"a shorter log", other(1, "vault", size-1)},
		{"a fork of the same size", other(1, "vault", size)},
		{"a longer fork", other(1, "vault", size+4)},
		{"a log of another key", other(2, "vault", size+4)},
		{"a log of another name", other(1, "allowlist", size+4)},
		{"a head without a signature", func(t *testing.T) (changelog.Claim, tlog.TreeProof) {
			text, _, _ := bytes.Cut([]byte(genuine.head(t).Checkpoint), []byte("\n\n"))
			return unproven(changelog.SignedHead{Key: genuine.VerifierKey(), Checkpoint: string(text) + "\n"}), nil
		}},
		{"garbage", func(*testing.T) (changelog.Claim, tlog.TreeProof) { return changelog.Claim{}, nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newFollower(t, "")
			w.mustExtend(t, genuine.head(t), nil)
			claim, proof := tt.claim(t)
			for range 2 {
				seen := w.extend(t, claim, proof)
				if seen.Refused == nil || *seen.Refused != claim.SignedHead || seen.Verified != genuine.head(t).SignedHead {
					t.Fatalf("Extend() = %+v, want the claim to be refused", seen)
				}
				if stored := w.seen(t); stored.Refused == nil || *stored.Refused != claim.SignedHead {
					t.Fatalf("Seen() = %+v, want it to keep the refused claim", stored)
				}
			}
			w.mustExtend(t, genuine.head(t), nil) // the genuine log is back
		})
	}
}

func TestWitnessRefusesAWrongProofOfAGrowingLog(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 5), newFollower(t, "")
	w.mustExtend(t, f.head(t), nil)
	f.grow(t, 4)
	right := f.proof(t, 5, 9)
	wrong := append(tlog.TreeProof(nil), right...)
	wrong[0][0] ^= 1
	for name, proof := range map[string]tlog.TreeProof{
		"no proof": nil, "a changed hash": wrong, "a hash too few": right[1:], "a hash too many": append(right[:len(right):len(right)], right[0]),
	} {
		if seen := w.extend(t, f.head(t), proof); seen.Refused == nil || seen.Size() != 5 {
			t.Errorf("Extend() with %s = %+v, want a refusal", name, seen)
		}
	}
	w.mustExtend(t, f.head(t), right)
}

func TestAnOlderHeadThatArrivesLateChangesNothing(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 3), newFollower(t, "")
	early := f.head(t)
	f.grow(t, 4)
	w.mustExtend(t, f.head(t), nil)
	if seen := w.extend(t, early, f.proof(t, 3, 7)); seen.Refused != nil || seen.Verified != f.head(t).SignedHead {
		t.Errorf("Extend() with an older head = %+v, want no change", seen)
	}
}

func TestPinnedKeyDecidesTheFirstHead(t *testing.T) {
	t.Parallel()
	genuine, other := follows(t, 1, "vault", 2), follows(t, 2, "vault", 2)
	w := newFollower(t, genuine.VerifierKey())
	if seen := w.extend(t, other.head(t), nil); seen.Refused == nil || seen.Verified.Checkpoint != "" {
		t.Errorf("Extend() with another key = %+v, want a refusal", seen)
	}
	if _, _, err := w.accept(t, other.head(t)); err == nil {
		t.Error("Accept() accepts a head that the pinned key does not verify")
	}
	w.mustExtend(t, genuine.head(t), nil)
}

func TestAcceptedHeadIsLoggedAndContinues(t *testing.T) {
	t.Parallel()
	genuine, restored := follows(t, 1, "vault", 6), follows(t, 1, "vault", 3)
	w := newFollower(t, "")
	w.mustExtend(t, genuine.head(t), nil)
	w.extend(t, restored.head(t), nil)
	before, after, err := w.accept(t, restored.head(t))
	if err != nil || before.Verified != genuine.head(t).SignedHead || after.Verified != restored.head(t).SignedHead || after.Refused != nil {
		t.Fatalf("Accept() = %+v, %+v, %v", before, after, err)
	}
	w.accept(t, restored.head(t)) // changes nothing
	logged := list(t, w.store, changelog.Query{Resource: "other", Limit: 10})
	if len(logged) != 1 || logged[0].Action != changelog.AcceptedHead || logged[0].Reason != "restored" || logged[0].Actor.Subject != "ann" {
		t.Fatalf("the log has %+v, want one entry about the accepted head", logged)
	}
	for _, head := range []changelog.Claim{genuine.head(t), restored.head(t)} {
		if size := fmt.Sprintf("\n%d\n", map[bool]int{true: 6, false: 3}[head.SignedHead == genuine.head(t).SignedHead]); !bytes.Contains(logged[0].Detail, []byte(size)) {
			t.Errorf("the entry has %q, want both heads", logged[0].Detail)
		}
	}
	restored.grow(t, 2)
	w.mustExtend(t, restored.head(t), restored.proof(t, 3, 5))
	if seen := w.extend(t, genuine.head(t), nil); seen.Refused == nil {
		t.Error("the log from before the restore is accepted again")
	}
}

func TestWitnessedListsEachLog(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 1), newFollower(t, "")
	w.mustExtend(t, f.head(t), nil)
	second := follower{changelog.NewWitness("spiffe://b.example/x", ""), w.log, w.store}
	second.mustExtend(t, f.head(t), nil)
	err := w.store.View(t.Context(), func(r kv.Reader) error {
		all, err := changelog.Witnessed(r)
		if len(all) != 2 || all["other"].Verified != f.head(t).SignedHead || all["spiffe://b.example/x"].Verified != f.head(t).SignedHead {
			t.Errorf("Witnessed() = %+v", all)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f follower) seen(t *testing.T) (seen changelog.Seen) {
	t.Helper()
	err := f.store.View(t.Context(), func(r kv.Reader) (err error) {
		seen, err = f.Seen(r)
		return err
	})
	if err != nil {
		t.Fatalf("Seen() = %v", err)
	}
	return seen
}

func (f follower) accept(t *testing.T, claim changelog.Claim) (before, after changelog.Seen, err error) {
	t.Helper()
	author := changelog.Author{Actor: changelog.Actor{Subject: "ann"}, Reason: "restored"}
	err = f.store.Update(t.Context(), func(tx kv.Tx) (err error) {
		before, after, err = f.Accept(tx, f.log, claim, author)
		return err
	})
	return before, after, err
}
