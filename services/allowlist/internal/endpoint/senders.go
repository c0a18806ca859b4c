package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// differing holds the KEY secrets whose endpoints have different senders.
type differing struct {
	mu    sync.Mutex
	known map[string]bool
	gauge prometheus.Gauge
	kick  chan struct{} // holds one element while a comparison is due
}

func newDiffering() *differing {
	return &differing{kick: make(chan struct{}, 1), gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyward_differing_key_senders",
		Help: "KEY secrets that are not shared and whose endpoints have different senders, as of the last comparison.",
	})}
}

// set replaces the known secrets, and returns the new ones.
func (d *differing) set(found []string) (fresh []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	fresh = slices.DeleteFunc(slices.Clone(found), func(secret string) bool { return d.known[secret] })
	d.known = make(map[string]bool)
	for _, secret := range found {
		d.known[secret] = true
	}
	d.gauge.Set(float64(len(found)))
	return fresh
}

// changed makes a comparison due if the change of an endpoint may have repaired a difference.
func (d *differing) changed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) == 0 {
		return
	}
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// SendersChanged returns the channel that makes the registry compare senders: send to it, without
// blocking, when another policy is in force.
func (r *Registry) SendersChanged() chan<- struct{} { return r.differs.kick }

// runSenders compares senders whenever the policy has changed, and periodically, since the vault
// does not report when a KEY is shared.
func (r *Registry) runSenders(ctx context.Context, every Intervals) {
	failures := 0
	for {
		err := r.CompareSenders(ctx)
		r.logFailure(ctx, "compare senders", err)
		pause := cmp.Or(every.Reconcile, time.Hour)
		if failures++; err == nil {
			failures = 0
		} else {
			pause = min(pause, backOff(failures, every.Retry))
		}
		if !wait(ctx, pause, r.differs.kick) {
			return
		}
	}
}

// CompareSenders finds KEY secrets that are not shared and whose endpoints have different senders
// under the policy in force. It logs those that the previous comparison did not find, and sets the
// metric.
func (r *Registry) CompareSenders(ctx context.Context) error {
	found, err := r.differingSenders(ctx)
	if err != nil {
		return err
	}
	for _, secret := range r.differs.set(slices.Sorted(maps.Keys(found))) {
		r.logger.WarnContext(ctx, "endpoints that use one key have different senders, who can decrypt each other's messages; give them the same senders, store another key, or ask a super admin to share this one",
			slog.String("resource", secret), slog.Any("endpoints", found[secret]))
	}
	return nil
}

// differingSenders returns the KEY secrets that are not shared and whose endpoints have
// different senders, with the names of these endpoints.
func (r *Registry) differingSenders(ctx context.Context) (map[string][]string, error) {
	found := make(map[string][]string)
	if r.senders == nil {
		return found, nil
	}
	senders := make(map[Name][]string)
	of := func(name Name) []string {
		if _, known := senders[name]; !known {
			senders[name] = r.senders(name)
		}
		return senders[name]
	}
	for secret, names := range r.sharing.shared() {
		if !slices.ContainsFunc(names, func(name Name) bool { return !slices.Equal(of(name), of(names[0])) }) {
			continue
		}
		shared, _, err := r.isShared(ctx, secret, names)
		if err != nil {
			return nil, err
		}
		if shared {
			continue
		}
		for _, name := range names {
			found[secret] = append(found[secret], name.String())
		}
	}
	return found, nil
}

// isShared asks the vault whether a KEY that endpoints use may serve different senders. The vault
// says so when a binding is repeated. To repeat a missing binding would create it, so that is not
// done. A KEY that none of the endpoints is bound to is not shared.
func (r *Registry) isShared(ctx context.Context, secret string, names []Name) (shared, bound bool, err error) {
	bindings, err := r.vault.BindingsOf(ctx, secret)
	if fault.Is(err, vaultclient.ReasonSecretNotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("list bindings of key: %w", err)
	}
	held := make(map[grant]bool)
	for _, b := range bindings {
		held[grant{secret, b.UID, b.Operation}] = b.Holder == r.holder
	}
	for _, name := range names {
		e, err := r.Get(ctx, name)
		if fault.Is(err, ReasonNotFound) || err == nil && e.Lost {
			continue
		}
		if err != nil {
			return false, false, err
		}
		at := slices.IndexFunc(e.References, func(ref Reference) bool { return ref.key() && ref.Secret == secret })
		if at < 0 || !held[grant{secret, e.References[at].UID, e.Operation}] {
			continue
		}
		b, err := r.bindAgain(ctx, e.References[at].Need, e)
		if err == nil {
			return b.Shared, true, r.dropUnneeded(ctx, secret, b, e)
		}
		if _, refused := fault.From(err); !refused || ends(ctx, err) {
			return false, false, fmt.Errorf("repeat binding of key: %w", err)
		}
	}
	return false, false, nil
}

// bindAgain repeats the binding of an endpoint's use; that of a CREDENTIAL with the port of the
// endpoint. The state of a version that the use names does not matter.
func (r *Registry) bindAgain(ctx context.Context, need Need, e Endpoint) (vaultclient.Binding, error) {
	if need.credential() {
		need.Port = e.URL.Destination().Port
	}
	b, err := r.bind(ctx, need, e.Name, e.Operation)
	if fault.Is(err, vaultclient.ReasonVersionNotFound) || fault.Is(err, vaultclient.ReasonVersionDisabled) || fault.Is(err, vaultclient.ReasonVersionDestroyed) {
		need.Version = 0
		b, err = r.bind(ctx, need, e.Name, e.Operation)
	}
	return b, err
}

// dropUnneeded gives up a repeated binding if a save replaced its operation in the meantime.
func (r *Registry) dropUnneeded(ctx context.Context, secret string, b vaultclient.Binding, e Endpoint) error {
	needed, err := r.needed(ctx, secret, vaultclient.Binding{UID: b.UID, Referrer: e.Name.String(), Operation: e.Operation})
	if err != nil || needed {
		return err
	}
	if err := r.vault.Unbind(ctx, secret, e.Operation); err != nil {
		return fmt.Errorf("unbind: %w", err)
	}
	return errUnneeded
}

// errUnneeded means that an endpoint was saved while it was compared.
var errUnneeded = errors.New("the endpoint was saved in the meantime")
