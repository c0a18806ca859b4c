package endpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// Earlier releases recorded no purposes, so the bindings of the endpoints they saved have none.
// The comparison with the vault, which also runs at the start, reports them: it binds each such
// reference again under its operation, with the purpose, and stores the purpose with the
// reference. Endpoints that were saved since need no report.

// informed is an edit whose result knows what its keys are for, also where the endpoint was
// saved before that was kept and the edit leaves its encryption alone.
func (r *Registry) informed(change edit) edit {
	return func(old *Endpoint) (Endpoint, error) {
		e, err := change(old)
		if err != nil || e.Operation != "" || !slices.ContainsFunc(e.Encryption.Uses, Use.unreported) {
			return e, err
		}
		e.Encryption.Uses, err = r.usesOf(e.Encryption.Stored)
		return e, err
	}
}

// report tells the vault what the keys of an endpoint are for, and returns the endpoint as it
// is then.
func (r *Registry) report(ctx context.Context, e Endpoint) (Endpoint, error) {
	if e.Lost || !slices.ContainsFunc(e.References, func(ref Reference) bool { return ref.unreported() }) {
		return e, nil
	}
	uses, err := r.usesOf(e.Encryption.Stored)
	if err != nil {
		return e, fmt.Errorf("read purposes of %s: %w", e.Name, err)
	}
	references := slices.Clone(e.References)
	for i, ref := range references {
		at := slices.IndexFunc(uses, func(u Use) bool { return u.key() && u.Secret == ref.Secret && u.Version == ref.Version })
		if at < 0 || !ref.unreported() {
			continue // nothing to say of it, such as of a key that is an exposed one by now
		}
		use := uses[at]
		use.Partner = e.URL.BareHost()
		if err := r.bindReported(ctx, e, use); err != nil {
			return e, err
		}
		references[i].Use = use
	}
	return r.keepReported(ctx, e, references)
}

// bindReported binds a use again under the endpoint's operation.
func (r *Registry) bindReported(ctx context.Context, e Endpoint, use Use) error {
	if _, err := r.bindAgain(ctx, use, e); err != nil {
		return fmt.Errorf("report purpose: %w", err)
	}
	return nil
}

// keepReported writes references with their purposes, unless the endpoint was saved meanwhile.
func (r *Registry) keepReported(ctx context.Context, e Endpoint, references []Reference) (Endpoint, error) {
	var now Endpoint
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		old, err := read(tx, e.Name)
		if err != nil {
			return err
		}
		now = old
		if old.UID != e.UID || old.Operation != e.Operation || slices.Equal(old.References, references) {
			return nil
		}
		now.References, now.Updated = references, after(r.now(), old.Updated)
		state, err := write(tx, &old, now)
		if err != nil {
			return err
		}
		change, err := entry(ActionReported, old, now, system("the purposes of keys are on record from now on"))
		if err != nil {
			return err
		}
		return r.log.Append(tx, change, state)
	})
	if fault.Is(err, ReasonNotFound) {
		return e, nil
	}
	return now, err
}

// A census counts what the keys of all endpoints are for.
type census map[string]map[string]bool // the purposes by secret

// count counts the keys of an endpoint.
func (c census) count(e Endpoint) {
	for _, ref := range e.References {
		if ref.Chains == "" {
			continue
		}
		if c[ref.Secret] == nil {
			c[ref.Secret] = make(map[string]bool)
		}
		c[ref.Secret][ref.Chains] = true
	}
}

// mixed returns the secrets that serve more than one purpose.
func (c census) mixed() []string {
	mixed := slices.Collect(maps.Keys(c))
	return slices.DeleteFunc(mixed, func(secret string) bool { return len(c[secret]) < 2 })
}

// newMixed returns the metric of KEY secrets that serve more than one purpose.
func newMixed() prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyward_mixed_key_purposes",
		Help: "KEY secrets that endpoints saved by earlier releases use for several purposes, as of the last comparison with the vault.",
	})
}
