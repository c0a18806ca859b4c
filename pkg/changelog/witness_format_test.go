package changelog_test

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// The row in the file has a verified head of 8 entries and a refused one of 0.
const witnessedFile = "witnessed.txt"

func TestWitnessedHeadsHaveTheDocumentedForm(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	restore(t, store, filepath.Join("testdata", "format1.txt"))
	w := newFollower(t, changes.VerifierKey())
	verified := changelog.SignedHead{Key: changes.VerifierKey(), Checkpoint: checkpoint(t, store, changes)}
	empty, none := newLog(t)
	refused := changelog.SignedHead{Key: changes.VerifierKey(), Checkpoint: checkpoint(t, none, empty)}
	w.mustExtend(t, unproven(verified), nil)
	w.extend(t, unproven(refused), nil)

	key := kv.NewKey("witness").Text("other")
	golden, err := os.ReadFile(filepath.Join("testdata", witnessedFile))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(key) + " " + hex.EncodeToString(get(t, w.store, key)); got != strings.TrimSpace(string(golden)) {
		t.Errorf("the stored row is\n%s\nwant that of the file:\n%s", got, golden)
	}
	read := newFollower(t, "")
	restore(t, read.store, filepath.Join("testdata", witnessedFile))
	if seen := read.seen(t); seen.Verified != verified || seen.Refused == nil || *seen.Refused != refused {
		t.Errorf("Seen() = %+v, want the heads of the file", seen)
	}
}

func TestAWitnessKeepsFieldsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 1), newFollower(t, "")
	w.mustExtend(t, f.head(t), nil)
	key := kv.NewKey("witness").Text("other")
	unknown := protowire.AppendString(protowire.AppendTag(nil, 1000, protowire.BytesType), "of a later release")
	err := w.store.Update(t.Context(), func(tx kv.Tx) error {
		value, err := tx.Get(key)
		if err != nil {
			return err
		}
		return tx.Put(key, append(value, unknown...))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.grow(t, 1)
	w.mustExtend(t, f.head(t), f.proof(t, 1, 2))
	if !bytes.Contains(get(t, w.store, key), unknown) {
		t.Error("the field is gone after another head")
	}
}

// TestAnEarlierRowOfAWitnessStillFollowsTheLog puts back what an attacker with write access to the
// witness's own store can: an earlier row.
func TestAnEarlierRowOfAWitnessStillFollowsTheLog(t *testing.T) {
	t.Parallel()
	f, w := follows(t, 1, "vault", 3), newFollower(t, "")
	w.mustExtend(t, f.head(t), nil)
	key := kv.NewKey("witness").Text("other")
	earlier := get(t, w.store, key)
	f.grow(t, 2)
	w.mustExtend(t, f.head(t), f.proof(t, 3, 5))
	err := w.store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, earlier) })
	if err != nil {
		t.Fatal(err)
	}
	fork := follows(t, 1, "vault", 6)
	if seen := w.extend(t, fork.head(t), fork.proof(t, 3, 6)); seen.Refused == nil {
		t.Error("Extend() accepts a fork after an earlier row was put back")
	}
	f.grow(t, 1)
	w.mustExtend(t, f.head(t), f.proof(t, 3, 6))
}
