package changelog_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

func follow(t testing.TB, store kv.Store, scope string, from uint64, limit int) (sequences []uint64, next uint64) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) error {
		entries, on, err := changelog.Follow(r, scope, from, limit)
		sequences, next = nil, on
		for _, e := range entries {
			sequences = append(sequences, e.Sequence)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sequences, next
}

func TestFollowShowsTheOldestFirstAndWhereToGoOn(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	if sequences, next := follow(t, store, "", 0, 9); sequences != nil || next != 0 {
		t.Errorf("Follow() of an empty log = %v, %d", sequences, next)
	}
	for _, scope := range []string{"a", "b", "a", "ab", "a"} {
		appendEntry(t, store, changes, entry(scope, "s"))
	}
	for _, tt := range []struct {
		name  string
		scope string
		from  uint64
		limit int
		want  []uint64
		next  uint64
	}{
		{"all", "", 0, 9, []uint64{0, 1, 2, 3, 4}, 5},
		{"all, a part", "", 1, 2, []uint64{1, 2}, 3},
		{"all, as many as there are", "", 0, 5, []uint64{0, 1, 2, 3, 4}, 5},
		{"all, from the end", "", 5, 9, nil, 5},
		{"all, from beyond the end", "", 7, 9, nil, 7},
		{"of a scope", "workspaces/a", 0, 9, []uint64{0, 2, 4}, 5},
		{"of a scope, a part", "workspaces/a", 1, 1, []uint64{2}, 3},
		{"of a scope that ends early", "workspaces/b", 0, 9, []uint64{1}, 5},
		{"of nobody", "workspaces/c", 0, 9, nil, 5},
	} {
		if sequences, next := follow(t, store, tt.scope, tt.from, tt.limit); !slices.Equal(sequences, tt.want) || next != tt.next {
			t.Errorf("%s: Follow() = %v, %d, want %v, %d", tt.name, sequences, next, tt.want, tt.next)
		}
	}
}

func TestFollowerReadsEachEntryOnce(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for range 23 {
		appendEntry(t, store, changes, entry("a", "s"))
	}
	var seen []uint64
	for next := uint64(0); next < 23; {
		var sequences []uint64
		sequences, next = follow(t, store, "", next, 5)
		seen = append(seen, sequences...)
	}
	for i, sequence := range seen {
		if sequence != uint64(i) {
			t.Fatalf("entry %d has sequence %d", i, sequence)
		}
	}
	if len(seen) != 23 {
		t.Errorf("a follower reads %d entries, want 23", len(seen))
	}
}

func TestForgedIndexDoesNotShowFollowersOtherTenants(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	appendEntry(t, store, changes, entry("a", "s"))
	put(t, store, scopeKey("workspaces/b").Uint(0), nil)
	err := store.View(t.Context(), func(r kv.Reader) error {
		_, _, err := changelog.Follow(r, "workspaces/b", 0, 1)
		return err
	})
	if !errors.Is(err, changelog.ErrTampered) {
		t.Errorf("Follow() = %v, want ErrTampered", err)
	}
}

func TestSizeIsTheNextSequence(t *testing.T) {
	t.Parallel()
	changes, store := newLog(t)
	for want := range uint64(4) {
		var size uint64
		err := store.View(t.Context(), func(r kv.Reader) (err error) {
			size, err = changelog.Size(r)
			return err
		})
		if err != nil || size != want {
			t.Errorf("Size() = %d, %v, want %d", size, err, want)
		}
		appendEntry(t, store, changes, entry("a", "s"))
	}
}
