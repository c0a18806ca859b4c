package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// Earlier releases recorded no purposes and no ports, so the bindings of the endpoints they saved
// have none. The comparison with the vault, which also runs at the start, reports them: it binds
// each such reference again under its operation, with the purpose or the port, and stores that
// with the reference. Endpoints that were saved since need no report.
//
// Until a port is reported, its endpoint continues to work. A report that is repeated after a
// crash changes nothing. If a vault is restored from before the report, the report is repeated.

// informed returns an edit whose result has the purposes of its keys, even if the endpoint was
// saved before purposes were recorded and the edit does not change its encryption.
func (r *Registry) informed(change edit) edit {
	return func(old *Endpoint) (Endpoint, error) {
		e, err := change(old)
		if err != nil || e.Operation != "" || !slices.ContainsFunc(e.Encryption.Needs, Need.unreported) {
			return e, err
		}
		e.Encryption.Needs, err = r.needsOf(e.Encryption.Stored)
		return e, err
	}
}

// report sends the vault the missing purposes and ports of an endpoint's references, and returns
// the resulting endpoint.
func (r *Registry) report(ctx context.Context, e Endpoint, found comparison, report func(Discrepancy)) (Endpoint, error) {
	references := slices.Clone(e.References)
	purposes := r.reportPurposes(ctx, e, references)
	if ends(ctx, purposes) {
		return e, purposes
	}
	refused, ports := r.reportPorts(ctx, e, references, found)
	if refused != "" {
		repair, err := r.lose(ctx, e, Reference{Need: Need{Secret: refused}}, "")
		if repair != "" {
			report(Discrepancy{repair, refused, e.Name.String()})
		}
		e.Lost = err == nil
		return e, errors.Join(purposes, err)
	}
	if !slices.Equal(references, e.References) {
		var err error
		if e, err = r.keepReported(ctx, e, references, "the purposes of keys and the ports of credentials were recorded"); err != nil {
			return e, err
		}
	}
	return e, errors.Join(purposes, ports)
}

// reportPorts reports the ports of references whose bindings have none, and writes them into the
// references. It returns the secret of a reference that may no longer be sent there, because its
// hosts were changed before the report.
func (r *Registry) reportPorts(ctx context.Context, e Endpoint, references []Reference, found comparison) (refused string, err error) {
	for i, ref := range references {
		at := grant{ref.Secret, ref.UID, e.Operation}
		if !ref.credential() || !found.held[at] || ref.Port != 0 && !found.portless[at] {
			continue // an unbound reference is bound again with its port
		}
		b, err := r.bindReported(ctx, e, ref.Need)
		if fault.Is(err, vaultclient.ReasonHostNotAllowed) {
			return ref.Secret, nil
		}
		if err != nil {
			return "", err
		}
		if b.Port != 0 { // a vault of an earlier release records no port
			references[i].Port = b.Port
		}
	}
	return "", nil
}

// reportPurposes reports the purposes of keys whose bindings have none, and writes them into the
// references.
func (r *Registry) reportPurposes(ctx context.Context, e Endpoint, references []Reference) error {
	if !slices.ContainsFunc(references, func(ref Reference) bool { return ref.unreported() }) {
		return nil
	}
	needs, err := r.needsOf(e.Encryption.Stored)
	if err != nil {
		return fmt.Errorf("read purposes of %s: %w", e.Name, err)
	}
	for i, ref := range references {
		at := slices.IndexFunc(needs, func(n Need) bool { return n.key() && n.Secret == ref.Secret && n.Version == ref.Version })
		if at < 0 || !ref.unreported() {
			continue // nothing to report, such as for a key that is now exposed
		}
		need := needs[at]
		need.Partner = e.URL.Destination().Host
		if _, err := r.bindReported(ctx, e, need); err != nil {
			return err
		}
		references[i].Need = need
	}
	return nil
}

// bindReported binds a use again under the endpoint's operation.
func (r *Registry) bindReported(ctx context.Context, e Endpoint, need Need) (vaultclient.Binding, error) {
	b, err := r.bindAgain(ctx, need, e)
	if err != nil {
		return vaultclient.Binding{}, fmt.Errorf("report purpose or port: %w", err)
	}
	return b, nil
}

// keepReported writes the references with the reported data, unless the endpoint was saved in the
// meantime.
func (r *Registry) keepReported(ctx context.Context, e Endpoint, references []Reference, reason string) (Endpoint, error) {
	defer r.announce(ctx, e.Name)()
	var now Endpoint
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		old, err := r.read(tx, e.Name)
		if err != nil {
			return err
		}
		now = old
		if old.UID != e.UID || old.Operation != e.Operation || slices.Equal(old.References, references) {
			return nil
		}
		now.References, now.Updated = references, after(r.now(), old.Updated)
		change, err := entry(ActionReported, old, now, system(reason))
		if err != nil {
			return err
		}
		return r.write(tx, &old, &now, change)
	})
	if fault.Is(err, ReasonNotFound) {
		return e, nil
	}
	return now, err
}

// A census holds the purposes of the keys of all endpoints.
type census map[string]map[string]bool // the purposes by secret

// count adds the keys of an endpoint.
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
