package changelog_test

import (
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// rootAt returns the root of a log at a size, from the hashes of its entries.
func (f followed) rootAt(t *testing.T, size uint64) (root tlog.Hash) {
	t.Helper()
	err := f.store.View(t.Context(), func(r kv.Reader) error {
		var replica changelog.Replica
		for hash, err := range changelog.Hashes(r) {
			if err != nil {
				return err
			}
			if replica.Size() == size {
				root = replica.Root()
			}
			if err := replica.Add(hash); err != nil {
				return err
			}
		}
		head, err := f.Head(r)
		if replica.Size() != head.Size || head.Size > 0 && replica.Root() != head.Root {
			t.Errorf("the hashes have %d entries with the root %v, want the head, %d with %v", replica.Size(), replica.Root(), head.Size, head.Root)
		}
		if replica.Size() == size {
			root = replica.Root()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestStandingOfALog(t *testing.T) {
	t.Parallel()
	f := follows(t, 1, "vault", 5)
	w := newFollower(t, "")
	seen := func() (seen changelog.Seen) {
		t.Helper()
		err := w.store.View(t.Context(), func(r kv.Reader) (err error) {
			seen, err = w.Seen(r)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return seen
	}
	standing := func(of followed) changelog.Standing {
		t.Helper()
		return seen().Standing(of.head(t), of.rootAt(t, seen().Size()))
	}
	if got := standing(f); got != changelog.Unwitnessed {
		t.Errorf("the standing before the first head is %d", got)
	}
	w.mustExtend(t, f.head(t), nil)
	for what, tt := range map[string]struct {
		log  followed
		want changelog.Standing
	}{
		"the same log":             {f, changelog.Extending},
		"a shorter log":            {follows(t, 1, "vault", 4), changelog.Shorter},
		"an empty log":             {follows(t, 1, "vault", 0), changelog.Shorter},
		"other entries, same size": {follows(t, 1, "vault", 5), changelog.Diverged}, // their salts differ
		"other entries, and more":  {follows(t, 1, "vault", 9), changelog.Diverged},
		"a log of an unknown key":  {follows(t, 3, "vault", 7), changelog.Diverged},
	} {
		if got := standing(tt.log); got != tt.want {
			t.Errorf("the standing of %s is %d, want %d", what, got, tt.want)
		}
	}
	f.grow(t, 3)
	if got := standing(f); got != changelog.Extending {
		t.Errorf("the standing of a log that grew is %d", got)
	}
	f.replaces(t, 1, 2)
	use(t, f.Log, 2)
	if got := standing(f); got != changelog.Extending {
		t.Errorf("the standing of a log whose key was replaced is %d", got)
	}
	head := f.head(t)
	head.Successions = nil
	if got := seen().Standing(head, f.rootAt(t, 5)); got != changelog.Diverged {
		t.Errorf("the standing without successions is %d", got)
	}
	head.Checkpoint += "x"
	if got := seen().Standing(head, f.rootAt(t, 5)); got != changelog.Diverged {
		t.Errorf("the standing with a head that does not verify is %d", got)
	}
}
