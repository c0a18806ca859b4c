package search_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/search"
)

func TestFindReturnsMatchesInOrder(t *testing.T) {
	t.Parallel()
	index := newIndex(t, "w", "db-password", "API-key", "api-key-2", "Zebra", "token", "db-Key")
	fill(t, index, "other", "api-key-of-others")

	tests := []struct {
		name         string
		query, after string
		reverse      bool
		limit        int
		want         []string
	}{
		{"everything", "", "", false, 10, []string{"API-key", "Zebra", "api-key-2", "db-Key", "db-password", "token"}},
		{"everything backwards", "", "", true, 10, []string{"token", "db-password", "db-Key", "api-key-2", "Zebra", "API-key"}},
		{"a part in any case", "kEy", "", false, 10, []string{"API-key", "api-key-2", "db-Key"}},
		{"a part backwards", "key", "", true, 10, []string{"db-Key", "api-key-2", "API-key"}},
		{"a first page", "key", "", false, 2, []string{"API-key", "api-key-2"}},
		{"a second page", "key", "api-key-2", false, 2, []string{"db-Key"}},
		{"a second page backwards", "key", "api-key-2", true, 2, []string{"API-key"}},
		{"behind an id that is gone", "key", "b", false, 2, []string{"db-Key"}},
		{"behind an id that is gone, backwards", "key", "b", true, 2, []string{"api-key-2", "API-key"}},
		{"behind the last", "", "token", false, 2, nil},
		{"before the first", "", "API-key", true, 2, nil},
		{"no match", "nothing", "", false, 2, nil},
		{"no limit", "", "", false, 0, nil},
	}
	for _, tt := range tests {
		if got := index.Find("w", tt.query, tt.after, tt.reverse, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Find(%q after %q) = %q, want %q", tt.name, tt.query, tt.after, got, tt.want)
		}
	}
	if got := index.Find("nobody", "", "", false, 10); got != nil {
		t.Errorf("Find() in a workspace of nobody = %q, want nothing", got)
	}
}

func TestIndexAgreesWithTheStore(t *testing.T) {
	t.Parallel()
	index := newIndex(t, "w", "a", "b")
	set(t, index, "w", "a", false)
	set(t, index, "w", "never-there", false)
	set(t, index, "w", "b", true)
	if got := index.Find("w", "", "", false, 10); !slices.Equal(got, []string{"b"}) {
		t.Errorf("Find() = %q, want b", got)
	}
	set(t, index, "w", "b", false)
	if got := index.Find("w", "", "", false, 10); got != nil {
		t.Errorf("Find() in an emptied workspace = %q, want nothing", got)
	}
}

func TestFailedLookChangesNothing(t *testing.T) {
	t.Parallel()
	index := newIndex(t, "w", "a")
	failure := errors.New("store is gone")
	for _, id := range []string{"a", "b"} {
		if err := index.Set("w", id, func() (bool, error) { return id == "b", failure }); !errors.Is(err, failure) {
			t.Errorf("Set() = %v, want %v", err, failure)
		}
	}
	if got := index.Find("w", "", "", false, 10); !slices.Equal(got, []string{"a"}) {
		t.Errorf("Find() = %q, want a", got)
	}
}

// The last Set reads the store last, so the index ends up in the state of the store,
// in whatever order the changes arrive.
func TestIndexFollowsConcurrentChanges(t *testing.T) {
	t.Parallel()
	index := search.NewIndex()
	var mu sync.Mutex
	stored := map[string]bool{}
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := range 200 {
				id := fmt.Sprint(i % 7)
				mu.Lock()
				stored[id] = (i+worker)%2 == 0
				mu.Unlock()
				set := index.Set("w", id, func() (bool, error) {
					mu.Lock()
					defer mu.Unlock()
					return stored[id], nil
				})
				if set != nil {
					t.Errorf("Set() = %v", set)
				}
				index.Find("w", "", "", i%2 == 0, 3)
			}
		})
	}
	group.Wait()
	var want []string
	for id, there := range stored {
		if there {
			want = append(want, id)
		}
	}
	slices.Sort(want)
	if got := index.Find("w", "", "", false, 10); !slices.Equal(got, want) {
		t.Errorf("Find() = %q, want %q as the store", got, want)
	}
}

// A look at the store may have to wait until those who read it are done, and they
// search: a store that grows lets no view start before all have ended.
func TestSearchDoesNotWaitForALookAtTheStore(t *testing.T) {
	t.Parallel()
	index := newIndex(t, "w", "a")
	err := index.Set("w", "b", func() (bool, error) {
		found := make(chan []string, 1)
		go func() { found <- index.Find("w", "", "", false, 10) }()
		select {
		case got := <-found:
			if !slices.Equal(got, []string{"a"}) {
				t.Errorf("Find() during a look at the store = %q, want what was there before", got)
			}
		case <-time.After(30 * time.Second):
			t.Error("Find() waits for a look at the store")
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := index.Find("w", "", "", false, 10); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Find() = %q, want a and b", got)
	}
}

// The ids of a large workspace are searched in pieces.
func TestFindGoesThroughLargeWorkspaces(t *testing.T) {
	t.Parallel()
	const count = 25_000
	index := newLargeIndex(t, count)
	first, last := largeID(0), largeID(count-1)
	tests := []struct {
		name         string
		query, after string
		reverse      bool
		limit        int
		want         []string
	}{
		{"the last", "id-24999", "", false, 3, []string{last}},
		{"the first, backwards", "id-00000", "", true, 3, []string{first}},
		{"in several pieces", "-00-", "", false, 3, nil},
		{"in several pieces, from the middle", "9999", "", false, 3, []string{largeID(9999), largeID(19999)}},
		{"the same backwards", "9999", "", true, 3, []string{largeID(19999), largeID(9999)}},
		{"at the end of a piece", "", largeID(9998), false, 2, []string{largeID(9999), largeID(10000)}},
		{"behind", "id-24999", last, false, 3, nil},
	}
	for _, tt := range tests {
		if got := index.Find("w", tt.query, tt.after, tt.reverse, tt.limit); !slices.Equal(got, tt.want) {
			t.Errorf("%s: Find(%q) = %q, want %q", tt.name, tt.query, got, tt.want)
		}
	}
	if got := index.Find("w", "id", "", true, count+1); len(got) != count || got[0] != last {
		t.Errorf("Find() of all returns %d ids, want %d", len(got), count)
	}
}

// Not parallel: allocations are counted for the whole process.
func TestFindFoldsNoIDAnew(t *testing.T) {
	index := newLargeIndex(t, 1000)
	if n := testing.AllocsPerRun(10, func() { index.Find("w", "NOTHING", "", false, 1) }); n > 10 {
		t.Errorf("a search of 1,000 ids allocates %.0f times, want as often as one of none", n)
	}
}

func largeID(i int) string { return fmt.Sprintf("ID-%05d", i) }

func newLargeIndex(t testing.TB, count int) *search.Index {
	t.Helper()
	index := search.NewIndex()
	for i := range count {
		set(t, index, "w", largeID(i), true)
	}
	return index
}

func newIndex(t testing.TB, workspace string, ids ...string) *search.Index {
	t.Helper()
	index := search.NewIndex()
	fill(t, index, workspace, ids...)
	return index
}

func fill(t testing.TB, index *search.Index, workspace string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		set(t, index, workspace, id, true)
	}
}

func set(t testing.TB, index *search.Index, workspace, id string, exists bool) {
	t.Helper()
	if err := index.Set(workspace, id, func() (bool, error) { return exists, nil }); err != nil {
		t.Fatal(err)
	}
}
