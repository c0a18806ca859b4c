package endpoint

import (
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

func TestADerivedValueFollowsTheStoreDuringAChangeAndNeedsItNoMoreAfterwards(t *testing.T) {
	t.Parallel()
	r := registryOf(t, 1, 1)
	store := kvtest.Faulty(r.kv)
	r.kv = store
	name := Name{"acme", "e000000"}
	derived, err := NewDerived(r, 1, func(e Endpoint) (string, error) { return e.Description, nil })
	check(t, err)
	want := func(what, want string) {
		t.Helper()
		if got, err := derived.Get(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: Get = %q, %v, want %q", what, got, err, want)
		}
	}
	describe := func(text string) {
		t.Helper()
		check(t, store.Update(t.Context(), func(tx kv.Tx) error {
			old, err := r.read(tx, name)
			if err != nil {
				return err
			}
			e := old
			e.Description = text
			note, err := entry(ActionUpdated, old, e, changelog.Author{})
			return errors.Join(err, r.write(tx, &old, &e, note))
		}))
	}
	failure := errors.New("the disk fails for a moment")

	want("at first", "")
	store.FailViews(failure)
	want("without a disk", "")
	store.FailViews(nil)
	end := r.announce(t.Context(), name)
	want("before the commit", "")
	describe("one")
	want("after the commit", "one")
	describe("two")
	want("after another commit", "two")
	store.FailViews(failure)
	if got, err := derived.Get(t.Context(), name); !errors.Is(err, failure) {
		t.Errorf("without a disk during a change: Get = %q, %v, want an error", got, err)
	}
	store.FailViews(nil)
	end()
	want("after the change", "two")
	store.FailViews(failure)
	want("after the change without a disk", "two")
	store.FailViews(nil)
}
