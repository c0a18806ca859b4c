package secret_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// timeRows counts the rows by update time.
func (f *fixture) timeRows(t testing.TB) (rows int) {
	t.Helper()
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		rows = 0
		for _, err := range r.Scan(kv.Prefix(kv.NewKey("lc"), 10000)) {
			if err != nil {
				return err
			}
			rows++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// byUpdate returns the IDs of a list in the order of update time.
func (f *fixture) byUpdate(t testing.TB, descending bool) (ids []string) {
	t.Helper()
	q := secret.Query{Workspace: "acme", ByUpdate: true, Descending: descending, Page: secret.Page{Limit: 2}}
	for {
		found, next, err := f.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, sec := range found {
			ids = append(ids, sec.Name.ID)
		}
		if q.Cursor = next; next == nil {
			return ids
		}
	}
}

func (f *fixture) describe(t testing.TB, id string, n int) {
	t.Helper()
	for i := range n {
		text := fmt.Sprint(i)
		if _, err := f.Update(t.Context(), secret.Call{}, name(id), secret.Change{Description: &text}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAListRemovesTheOutdatedRowsThatItMeets(t *testing.T) {
	t.Parallel()
	for _, descending := range []bool{false, true} {
		f := newFixture(t)
		for _, id := range []string{"a", "b", "c"} {
			f.create(t, id, "value of "+id)
		}
		f.describe(t, "b", 2*secret.ManyOutdated)
		want := []string{"a", "c", "b"}
		if descending {
			slices.Reverse(want)
		}
		if got := f.byUpdate(t, descending); !slices.Equal(got, want) {
			t.Errorf("List() by update time = %v, want %v", got, want)
		}
		// The first row of b is between the others, where a list meets it alone.
		eventually(t, "the outdated rows are removed", func() bool { return f.timeRows(t) <= 4 })
		if got := f.byUpdate(t, descending); !slices.Equal(got, want) {
			t.Errorf("List() by update time without outdated rows = %v, want %v", got, want)
		}
	}
}

func TestOutdatedRowsAreRemovedAfterManyChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, id := range []string{"deleted", "kept", "replaced"} {
		f.create(t, id, "value of "+id)
	}
	f.describe(t, "kept", 70) // more than one transaction removes
	for _, id := range []string{"deleted", "replaced"} {
		if err := f.Delete(t.Context(), secret.Call{}, name(id), secret.Deletion{}); err != nil {
			t.Fatal(err)
		}
	}
	f.create(t, "replaced", "another value")
	f.Close() // the rows remain
	f.Store = f.open(t)
	if got, want := f.byUpdate(t, false), []string{"replaced", "kept"}; !slices.Equal(got, want) {
		t.Errorf("List() by update time = %v, want %v", got, want)
	}
	f.describe(t, "kept", 1)
	eventually(t, "the outdated rows are removed", func() bool {
		f.RemoveOutdated()
		f.describe(t, "kept", 1) // writes nothing
		return f.timeRows(t) == 2
	})
	eventually(t, "the next time is stored", func() bool {
		return f.kv.View(t.Context(), func(r kv.Reader) error { _, err := r.Get(kv.NewKey("o")); return err }) == nil
	})
	if got, want := f.byUpdate(t, false), []string{"replaced", "kept"}; !slices.Equal(got, want) {
		t.Errorf("List() by update time = %v, want %v", got, want)
	}
	// The next time is only after many more changes, also after a start.
	f.Close()
	f.Store = f.open(t)
	f.describe(t, "kept", 4) // the first is its description already
	f.Close()
	if got := f.timeRows(t); got != 5 {
		t.Errorf("%d rows by update time, want 5", got)
	}
	f.Store = f.open(t)
}
