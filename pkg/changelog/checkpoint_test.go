package changelog_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// TestCheckpointsAndProofsVerifyWithoutThisPackage verifies with golang.org/x/mod/sumdb only, as an
// auditor would.
func TestCheckpointsAndProofsVerifyWithoutThisPackage(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	verifier, err := note.NewVerifier(changes.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	var roots []tlog.Hash
	const entries = 21
	for size := range entries + 1 {
		if size > 0 {
			appendEntry(t, store, changes, entry("a", fmt.Sprint(size)))
		}
		opened, err := note.Open([]byte(checkpoint(t, store, changes)), note.VerifierList(verifier))
		if err != nil {
			t.Fatalf("note.Open of the checkpoint of size %d = %v", size, err)
		}
		lines := strings.Split(opened.Text, "\n")
		if len(lines) != 4 || lines[0] != "keyward.dev/vault" || lines[1] != fmt.Sprint(size) || lines[3] != "" {
			t.Fatalf("the text of the checkpoint is %q, want origin, size, and root, each in a line", opened.Text)
		}
		root, err := base64.StdEncoding.DecodeString(lines[2])
		if err != nil {
			t.Fatal(err)
		}
		roots = append(roots, tlog.Hash(root))
	}
	const nothing = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" // SHA-256 of no bytes
	if roots[0].String() != nothing {
		t.Errorf("the root of the empty log is %v, want %s", roots[0], nothing)
	}
	for to := range entries + 1 {
		for from := 1; from <= to; from++ {
			p := prove(t, store, from, to)
			if err := tlog.CheckTree(p, int64(to), roots[to], int64(from), roots[from]); err != nil {
				t.Errorf("CheckTree from %d to %d = %v", from, to, err)
			}
			if len(p) > changelog.MaxProof {
				t.Errorf("the proof from %d to %d has %d hashes, want at most %d", from, to, len(p), changelog.MaxProof)
			}
		}
	}
}

func TestACheckpointStatesTheEpoch(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "1"))
	verifier, err := note.NewVerifier(changes.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	var claim changelog.Claim
	if err := store.View(t.Context(), func(r kv.Reader) error {
		claim, err = changes.CheckpointIn(r, "the epoch")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	opened, err := note.Open([]byte(claim.Checkpoint), note.VerifierList(verifier))
	if err != nil {
		t.Fatal(err)
	}
	plain := checkpoint(t, store, changes)
	text, _, _ := strings.Cut(plain, "\n\n")
	if want := text + "\nkeyward.dev/epoch the epoch\n"; opened.Text != want {
		t.Errorf("the text of the checkpoint is %q, want %q", opened.Text, want)
	}
	for head, epoch := range map[string]string{claim.Checkpoint: "the epoch", plain: ""} {
		if read, err := changelog.OpenCheckpoint(head, changes.VerifierKey()); err != nil || read.Epoch != epoch || read.Size != 1 {
			t.Errorf("OpenCheckpoint = %+v, %v, want the epoch %q", read, err, epoch)
		}
	}
	// A program that did not state epochs before is followed.
	w := newFollower(t, changes.VerifierKey())
	w.mustExtend(t, unproven(changelog.SignedHead{Key: changes.VerifierKey(), Checkpoint: plain}), nil)
	w.mustExtend(t, unproven(claim.SignedHead), nil)
}

func TestProofsHaveBounds(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "s"))
	for _, tt := range []struct {
		name     string
		from, to uint64
		want     fault.Reason
	}{
		{"from nothing", 0, 1, ""},
		{"from nothing to nothing", 0, 0, ""},
		{"behind the log", 1, 2, changelog.ReasonTooShort},
		{"far behind the log", 1, 1<<64 - 1, changelog.ReasonTooShort},
		{"backward", 2, 1, fault.InvalidField},
	} {
		err := store.View(t.Context(), func(r kv.Reader) error {
			_, err := changelog.Prove(r, tt.from, tt.to)
			return err
		})
		if tt.want == "" && err != nil || tt.want != "" && !fault.Is(err, tt.want) {
			t.Errorf("%s: Prove(%d, %d) = %v, want %q", tt.name, tt.from, tt.to, err, tt.want)
		}
	}
}

func FuzzOpenCheckpoint(f *testing.F) {
	changes, store := newLog(f)
	f.Add(checkpoint(f, store, changes), changes.VerifierKey())
	f.Add("keyward.dev/vault\n01\nAAAA\n\n— a b\n", "a+b+c")
	f.Fuzz(func(t *testing.T, text, key string) {
		c, err := changelog.OpenCheckpoint(text, key)
		if err == nil && !strings.HasPrefix(text, fmt.Sprintf("%s\n%d\n%v\n", c.Origin, c.Size, c.Root)) {
			t.Errorf("OpenCheckpoint(%q) = %+v", text, c)
		}
	})
}

func checkpoint(t testing.TB, store kv.Store, changes *changelog.Log) string {
	t.Helper()
	return claim(t, store, changes).Checkpoint
}

func claim(t testing.TB, store kv.Store, changes *changelog.Log) (claim changelog.Claim) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		claim, err = changes.Checkpoint(r)
		return err
	})
	if err != nil {
		t.Fatalf("Checkpoint() = %v", err)
	}
	return claim
}

func prove(t testing.TB, store kv.Store, from, to int) (p tlog.TreeProof) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) (err error) {
		p, err = changelog.Prove(r, uint64(from), uint64(to))
		return err
	})
	if err != nil {
		t.Fatalf("Prove(%d, %d) = %v", from, to, err)
	}
	return p
}
