package endpoint

import (
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// The changes below reach the store but not the matcher, as in the moment after a commit, when the
// change is still announced.
func TestAMatchInMemoryCountsOnlyIfTheStoreAgrees(t *testing.T) {
	t.Parallel()
	r := registryOf(t, 2, 1)
	name := Name{"acme", "e000001"}
	defer r.matches.announce(name)()
	change := func(edit func(*Endpoint)) error {
		return r.kv.Update(t.Context(), func(tx kv.Tx) error {
			e, err := r.read(tx, name)
			if err != nil {
				return err
			}
			old := e
			edit(&e)
			note, err := entry(ActionUpdated, old, e, changelog.Author{})
			return errors.Join(err, r.write(tx, &old, &e, note))
		})
	}
	for _, tt := range []struct {
		name   string
		change func() error
		want   Verdict
	}{
		{"unchanged", func() error { return nil }, Allowed},
		{"described", func() error { return change(func(e *Endpoint) { e.Description = "orders" }) }, Allowed},
		{"switched off", func() error { return change(func(e *Endpoint) { e.State = Inactive }) }, NotActive},
		{"switched on", func() error { return change(func(e *Endpoint) { e.State = Active }) }, Allowed},
		{"with other methods", func() error { return change(func(e *Endpoint) { e.Methods = []string{"GET"} }) }, MethodNotAllowed},
		{"deleted", func() error {
			return r.kv.Update(t.Context(), func(tx kv.Tx) error { return tx.Delete(endpointKey(name)) })
		}, NoEndpoint},
	} {
		check(t, tt.change())
		a, err := r.Check(t.Context(), Question{Workspace: "acme", Method: "POST", URL: urlOf(1)})
		if err != nil || a.Verdict != tt.want {
			t.Errorf("%s: Check = %s, %v, want %s", tt.name, a.Verdict, err, tt.want)
		}
	}
}

// A change that is not announced would not be seen by checks.
func TestAChangeThatIsNotAnnouncedIsNotWritten(t *testing.T) {
	t.Parallel()
	r := registryOf(t, 1, 1)
	name := Name{"acme", "e000000"}
	for what, write := range map[string]func(kv.Tx, Endpoint) error{
		"a change":   func(tx kv.Tx, e Endpoint) error { return r.write(tx, &e, &e, changelog.Entry{}) },
		"a deletion": func(tx kv.Tx, e Endpoint) error { return r.remove(tx, e, Call{}) },
	} {
		err := r.kv.Update(t.Context(), func(tx kv.Tx) error {
			e, err := r.read(tx, name)
			if err != nil {
				return err
			}
			return write(tx, e)
		})
		if !errors.Is(err, errUnannounced) {
			t.Errorf("%s: %v, want %v", what, err, errUnannounced)
		}
	}
}
