package endpoint

import (
	"context"
	"errors"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
)

// pending returns a registry with one endpoint that can be activated.
func pending(t *testing.T) (*Registry, Name) {
	t.Helper()
	r := registryOf(t, 0, 1)
	u, err := ParseURL("https://api.partner.example/v1")
	check(t, err)
	name := Name{"acme", "orders"}
	_, err = r.Create(t.Context(), name, Settings{URL: u, Methods: []string{"POST"}}, Call{})
	check(t, err)
	_, err = r.Approve(t.Context(), name, "", Call{})
	check(t, err)
	return r, name
}

// describe changes an endpoint.
func describe(ctx context.Context, r *Registry, name Name, text string) error {
	_, err := r.Update(ctx, name, Change{Fields: []string{FieldDescription}, Settings: Settings{Description: text}}, Call{})
	return err
}

func TestTheStateThatGoesIntoUseIsTheOneThatWasProven(t *testing.T) {
	t.Parallel()
	r, name := pending(t)
	var proven []string
	e, err := r.Activate(t.Context(), name, "", Call{}, func(ctx context.Context, e Endpoint) error {
		proven = append(proven, e.Description)
		if len(proven) == 1 {
			return describe(ctx, r, name, "changed meanwhile") // a surrounding transaction would not allow this
		}
		return nil
	})
	if err != nil || e.State != Active || len(proven) != 2 || proven[1] != "changed meanwhile" {
		t.Errorf("Activate = %v, %v after %q", e.State, err, proven)
	}
	_, err = r.Activate(t.Context(), name, "", Call{}, func(context.Context, Endpoint) error { return errors.New("asked again") })
	if err != nil {
		t.Errorf("Activate of an active endpoint = %v", err)
	}
}

func TestAnEndpointThatIsNotProvenStaysOff(t *testing.T) {
	t.Parallel()
	wrong := errors.New("a key is wrong")
	for name, c := range map[string]struct {
		changes, fails int // of the first calls
		want           int // calls
		ok             bool
	}{
		"proven":                          {0, 0, 1, true},
		"not proven":                      {0, 9, 1, false},
		"not proven, and changed":         {1, 1, 2, true},
		"changed, and not proven":         {1, 9, 2, false},
		"changed again and again":         {9, 0, 3, false},
		"changed and failing all the way": {9, 9, 3, false},
	} {
		r, endpoint := pending(t)
		calls := 0
		_, err := r.Activate(t.Context(), endpoint, "", Call{}, func(ctx context.Context, _ Endpoint) error {
			calls++
			if calls <= c.changes {
				check(t, describe(ctx, r, endpoint, string(rune('a'+calls))))
			}
			if calls <= c.fails {
				return wrong
			}
			return nil
		})
		e, failed := r.Get(t.Context(), endpoint)
		check(t, failed)
		if (err == nil) != c.ok || (e.State == Active) != c.ok || calls != c.want {
			t.Errorf("%s: Activate = %v, the endpoint is %s after %d calls, want %d", name, err, e.State, calls, c.want)
		}
		if err != nil && !errors.Is(err, wrong) && !fault.Is(err, fault.Contention) {
			t.Errorf("%s: Activate = %v, want the violation, or CONTENTION", name, err)
		}
	}
}
