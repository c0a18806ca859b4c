package secret_test

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// An unreadable store fails when the search index is filled, while failing is set, and counts that.
type unreadable struct {
	kv.Store
	failing  atomic.Bool
	failures atomic.Int32
}

func (u *unreadable) View(ctx context.Context, fn func(kv.Reader) error) error {
	names := false
	err := u.Store.View(ctx, func(r kv.Reader) error { return fn(spied{r, &names}) })
	if names && u.failing.Load() {
		u.failures.Add(1)
		return errBroken
	}
	return err
}

func TestTheFillingOfTheIndexIsRetried(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "there", "v")
	f.Close()
	store := &unreadable{Store: f.kv}
	store.failing.Store(true)
	f.kv = store
	f.Store = f.open(t)
	eventually(t, "the filling fails twice", func() bool { return store.failures.Load() >= 2 })
	if !f.Scans(secret.Query{Substring: "here"}) || f.searched(t, "here") != 1 {
		t.Error("a search does not examine the secrets while the index cannot be filled")
	}
	store.failing.Store(false)
	f.indexed(t)
	if f.searched(t, "here") != 1 {
		t.Error("a search by the index does not find the secret")
	}
}

// A gated store stops the filling of the search index after the first names have been read, and
// before they are added.
type gated struct {
	kv.Store
	read chan struct{} // is closed when the names have been read
	pass chan struct{} // lets the filling continue when it is closed
}

func (g *gated) View(ctx context.Context, fn func(kv.Reader) error) error {
	names := false
	err := g.Store.View(ctx, func(r kv.Reader) error { return fn(spied{r, &names}) })
	if names {
		close(g.read)
		<-g.pass
	}
	return err
}

// A spied reader records whether the names of all secrets are read from their beginning.
type spied struct {
	kv.Reader
	names *bool
}

func (s spied) Scan(in kv.Range) iter.Seq2[kv.Pair, error] {
	*s.names = *s.names || bytes.Equal(in.Start, kv.NewKey("s"))
	return s.Reader.Scan(in)
}

// gate opens the store of the fixture as after a start, with an index that is not complete until
// the returned function is called.
func (f *fixture) gate(t *testing.T) (complete func()) {
	t.Helper()
	f.Close()
	g := &gated{Store: f.kv, read: make(chan struct{}), pass: make(chan struct{})}
	f.kv = g
	pass := sync.OnceFunc(func() { close(g.pass) })
	f.Store = f.open(t)
	t.Cleanup(pass) // runs before the store is closed, which waits for the filling
	<-g.read
	return func() {
		pass()
		f.indexed(t)
	}
}

// indexed waits until searches use the index.
func (f *fixture) indexed(t testing.TB) {
	t.Helper()
	eventually(t, "the search index is complete", func() bool { return !f.Scans(secret.Query{Substring: "any"}) })
}

func (f *fixture) exists(t testing.TB, id string) bool {
	t.Helper()
	_, _, err := f.Get(t.Context(), name(id))
	return err == nil
}

func TestChangesDuringTheFillingOfTheIndexAreKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "deleted", "v")
	f.create(t, "replaced", "v")
	f.create(t, "untouched", "v")
	complete := f.gate(t)

	remove := func(id string) {
		if err := f.Delete(t.Context(), secret.Call{}, name(id), secret.Deletion{}); err != nil {
			t.Errorf("Delete(%q) = %v", id, err)
		}
	}
	create := func(id string) {
		draft := secret.Draft{Usage: secret.Key, Value: value(t, "another value")}
		if _, err := f.Create(t.Context(), secret.Call{}, name(id), draft); err != nil {
			t.Errorf("Create(%q) = %v", id, err)
		}
	}
	// All changes are committed before the names that were read earlier are added.
	var changes sync.WaitGroup
	changes.Go(func() { remove("deleted") })
	changes.Go(func() { create("created") })
	changes.Go(func() { remove("replaced") })
	eventually(t, "the changes are committed", func() bool {
		return !f.exists(t, "deleted") && f.exists(t, "created") && !f.exists(t, "replaced")
	})
	changes.Go(func() { create("replaced") })
	eventually(t, "the last change is committed", func() bool { return f.exists(t, "replaced") })

	if !f.Scans(secret.Query{Substring: "ed"}) || f.Scans(secret.Query{}) || f.Scans(secret.Query{Substring: "ed", ByUpdate: true}) {
		t.Error("Scans() is wrong while the index is not complete, want true only for a search by name")
	}
	for _, when := range []string{"before", "after"} {
		for substring, want := range map[string]int{"delet": 0, "creat": 1, "repl": 1, "unt": 1, "ed": 3, "other": 0} {
			if got := f.searched(t, substring); got != want {
				t.Errorf("%s the index is complete, a search for %q finds %d secrets, want %d", when, substring, got, want)
			}
		}
		complete()
		changes.Wait()
	}
}

// A page token of one way to search is valid for the other: before and after a start, and before
// and after the index is complete.
func TestAPageContinuesWithAnotherWayToSearch(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ids := []string{"Key-1", "key-2", "key-3", "key-4"}
	for _, id := range ids {
		f.create(t, id, "v")
	}
	f.create(t, "other", "v")
	f.indexed(t)
	query := secret.Query{Workspace: "acme", Substring: "KEY", Page: secret.Page{Limit: 1}}
	complete := func() {}
	for i, want := range ids {
		found, next, err := f.List(t.Context(), query)
		if err != nil || len(found) != 1 || found[0].Name.ID != want {
			t.Fatalf("page %d = %v, %v, want %s", i, found, err, want)
		}
		if query.Cursor = next; i == 0 {
			complete = f.gate(t)
		} else if i == 1 {
			complete()
		}
	}
}
