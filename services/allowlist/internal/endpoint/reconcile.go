package endpoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A grant is a binding as a comparison sees it.
type grant struct{ secret, uid, operation string }

// A Repair is what a comparison found and put right.
type Repair string

// The repairs.
const (
	// GivenUp is a binding that nothing needed.
	GivenUp Repair = "GIVEN_UP"
	// BoundAgain is a reference whose binding was missing.
	BoundAgain Repair = "BOUND_AGAIN"
	// SwitchedOff is an endpoint whose secret, or pinned version, is gone.
	SwitchedOff Repair = "SWITCHED_OFF"
	// StillLost is a reference of an endpoint that was switched off before and was not saved
	// since. Only people can repair it.
	StillLost Repair = "LOST"
)

// Repaired reports whether the comparison put the difference right.
func (r Repair) Repaired() bool { return r != StillLost }

// Loss reports whether an endpoint is off because of the difference.
func (r Repair) Loss() bool { return r == SwitchedOff || r == StillLost }

// A Discrepancy is one difference between the endpoints and the bindings.
type Discrepancy struct {
	Repair Repair
	// Secret and Referrer are the names of the secret and of what refers to it, or
	// was bound to it.
	Secret, Referrer string
}

// Reconcile compares the bindings that the vault holds with the endpoints, both
// ways, and repairs what differs: after a restored backup, or anything else that
// the steps of a save do not foresee.
//
//   - A binding that neither an endpoint nor an intent nor the queue knows is
//     given up, if it is this allowlist's.
//   - An endpoint whose binding is missing is bound again under the same
//     operation. If the secret is gone, or the vault or the policy would refuse
//     the save today, the endpoint is switched off.
//   - An endpoint that pins a version which is gone is switched off; see pins.go.
//
// The bindings are read before the own store is: a binding is made after its
// intent was written, so what is unknown by then is not a save under way.
//
// What fails for one secret or endpoint does not keep the others from being
// compared; only a vault out of reach ends the comparison. It tells each difference
// once that is put right, and each loss that is left; the log says how many these are. One
// comparison runs at a time.
func (r *Registry) Reconcile(ctx context.Context, report func(Discrepancy)) error {
	r.reconciling.Lock()
	defer r.reconciling.Unlock()
	losses := 0
	defer func() {
		if losses > 0 {
			r.logger.WarnContext(ctx, "endpoints are off because secrets or versions that they refer to are gone; save them again", slog.Int("losses", losses))
		}
	}()
	return r.reconcile(ctx, func(f Discrepancy) {
		if f.Repair.Loss() {
			losses++
		}
		report(f)
	})
}

// Repair is [Registry.Reconcile] for who wants to know only how many differences were put right.
func (r *Registry) Repair(ctx context.Context) (repairs int, err error) {
	err = r.Reconcile(ctx, func(f Discrepancy) {
		if f.Repair.Repaired() {
			repairs++
		}
	})
	return repairs, err
}

func (r *Registry) reconcile(ctx context.Context, report func(Discrepancy)) error {
	seen := comparison{held: make(map[grant]bool), portless: make(map[grant]bool), unknown: make(map[string]bool)}
	err := r.reconcileBindings(ctx, seen, report)
	if ends(ctx, err) {
		return err
	}
	return errors.Join(err, r.reconcileEndpoints(ctx, seen, report))
}

// A comparison is what the first half of a reconciliation found for the second.
type comparison struct {
	held map[grant]bool
	// portless are those of held that tell no port.
	portless map[grant]bool
	// unknown are the workspaces whose bindings could not be listed.
	unknown map[string]bool
}

// ends reports whether an error is one that everything after it would meet, too.
func ends(ctx context.Context, err error) bool {
	return ctx.Err() != nil || fault.Is(err, vaultclient.ReasonVaultUnavailable)
}

// reconcileBindings goes through the bindings of all workspaces, gives up those that
// nothing needs, and adds the others to held. It looks at what the vault holds, not at
// what the own store says was bound: a backup that was put back does not know it all.
func (r *Registry) reconcileBindings(ctx context.Context, found comparison, report func(Discrepancy)) error {
	workspaces, failed := r.workspaces(ctx)
	if ends(ctx, failed) {
		return failed
	}
	failures := []error{failed}
	kept := make(map[string]bool)
	for _, workspace := range workspaces {
		bindings, err := r.bindings(ctx, workspace)
		if ends(ctx, err) {
			return err
		}
		if err != nil {
			found.unknown[workspace] = true
			failures = append(failures, err)
		}
		for _, b := range bindings {
			needed, err := r.needed(ctx, b.Secret, b)
			switch {
			case err != nil:
				kept[b.Secret] = true
			case needed:
				at := grant{b.Secret, b.UID, b.Operation}
				kept[b.Secret], found.held[at], found.portless[at] = true, true, b.Port == 0
			default:
				if err = r.vault.Unbind(ctx, b.Secret, b.Operation); err == nil {
					report(Discrepancy{GivenUp, b.Secret, b.Referrer})
				}
			}
			if ends(ctx, err) {
				return err
			}
			failures = append(failures, err)
		}
	}
	return errors.Join(append(failures, r.forgetUnbound(ctx, found, kept))...)
}

// workspaces returns those of all endpoints, of all secrets that were ever bound, and those of
// the vault, as `workspaces/{workspace}`: a vault that was restored from a backup may know
// bindings of a workspace that is empty by now.
func (r *Registry) workspaces(ctx context.Context) ([]string, error) {
	seen := make(map[string]bool)
	theirs, err := r.vault.Workspaces(ctx)
	for _, workspace := range theirs {
		seen[workspace] = true
	}
	endpoints := r.eachKey(ctx, allEndpoints(), func(key []byte) error {
		name, err := endpointName(key)
		if err == nil {
			seen[name.Parent()] = true
		}
		return err
	})
	bound := r.eachKey(ctx, boundSpace(), func(key []byte) error {
		secret, err := lastText(boundSpace(), key)
		if err == nil {
			seen[workspaceOf(secret)] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(seen)), errors.Join(err, endpoints, bound)
}

// workspaceOf returns the workspace of a secret, as `workspaces/{workspace}`.
func workspaceOf(secret string) string {
	workspace, _, _ := strings.Cut(secret, "/secrets/")
	return workspace
}

// forgetUnbound takes secrets that nothing is bound to from the list of those that were
// bound.
func (r *Registry) forgetUnbound(ctx context.Context, found comparison, kept map[string]bool) error {
	return r.eachKey(ctx, boundSpace(), func(key []byte) error {
		secret, err := lastText(boundSpace(), key)
		if err != nil || kept[secret] || found.unknown[workspaceOf(secret)] {
			return err
		}
		return r.forget(ctx, secret)
	})
}

// needed reports whether an intent, the queue, or the referrer knows a binding.
func (r *Registry) needed(ctx context.Context, secret string, b vaultclient.Binding) (bool, error) {
	name, err := ParseName(b.Referrer)
	if err != nil {
		return false, nil //nolint:nilerr // what is not an endpoint needs nothing
	}
	needed := false
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		e, err := find(reader, name)
		if err != nil {
			return err
		}
		needed = e != nil && e.Operation == b.Operation && e.SecretUID(secret) == b.UID
		for _, key := range []kv.Key{intentKey(b.Operation), unbindKey(b.Operation)} {
			if _, err := reader.Get(key); err == nil {
				needed = true
			} else if !errors.Is(err, kv.ErrNotFound) {
				return fmt.Errorf("read binding's reason: %w", err)
			}
		}
		return nil
	})
	return needed, err
}

// forget takes a secret that nothing is bound to from the list to reconcile,
// unless an intent that may have come meanwhile is about to bind it.
func (r *Registry) forget(ctx context.Context, secret string) error {
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		seen := 0
		for pair, err := range tx.Scan(kv.Prefix(intentSpace(), batch)) {
			if err != nil {
				return fmt.Errorf("scan intents: %w", err)
			}
			var i intent
			if err := decode(pair.Value, &i); err != nil || slices.Contains(i.Secrets, secret) {
				return err
			}
			if seen++; seen == batch {
				return nil // a busy moment; the next comparison may forget it
			}
		}
		return tx.Delete(boundKey(secret))
	})
}

// reconcileEndpoints looks for endpoints that refer to what is not bound, reports what was not
// kept yet when they were saved, and counts keys that serve several purposes.
func (r *Registry) reconcileEndpoints(ctx context.Context, found comparison, report func(Discrepancy)) error {
	keys := make(census)
	defer func() { r.mixed.Set(float64(len(keys.mixed()))) }()
	return r.eachKey(ctx, allEndpoints(), func(key []byte) error {
		name, err := endpointName(key)
		if err != nil {
			return err
		}
		e, err := r.Get(ctx, name)
		if fault.Is(err, ReasonNotFound) {
			return nil
		}
		if err == nil && e.Lost {
			for _, secret := range e.lost(found.held) {
				report(Discrepancy{StillLost, secret, e.Name.String()})
			}
			return nil
		}
		if err == nil {
			e, err = r.report(ctx, e, found, report)
		}
		if err != nil || e.Lost {
			return err
		}
		keys.count(e)
		if off, err := r.restoreMissing(ctx, e, found, report); err != nil || off {
			return err
		}
		if found.unknown[e.Name.Parent()] {
			return nil
		}
		return r.reconcilePins(ctx, e, report)
	})
}

// restoreMissing restores the references of an endpoint that are not bound, and reports whether
// the endpoint is off now.
func (r *Registry) restoreMissing(ctx context.Context, e Endpoint, found comparison, report func(Discrepancy)) (off bool, err error) {
	for _, reference := range e.References {
		if found.unknown[workspaceOf(reference.Secret)] || found.held[grant{reference.Secret, reference.UID, e.Operation}] {
			continue
		}
		repair, err := r.restore(ctx, e, reference)
		if err != nil {
			return false, err
		}
		if repair != "" {
			found.held[grant{reference.Secret, reference.UID, e.Operation}] = true // for its other versions
			report(Discrepancy{repair, reference.Secret, e.Name.String()})
		}
		if repair == SwitchedOff {
			return true, nil
		}
	}
	return false, nil
}

// lost returns the secrets because of which an endpoint is off, each once.
func (e Endpoint) lost(held map[grant]bool) []string {
	because := func(lost func(Reference) bool) []string {
		var secrets []string
		for _, ref := range e.References {
			if lost(ref) && !slices.Contains(secrets, ref.Secret) {
				secrets = append(secrets, ref.Secret)
			}
		}
		return secrets
	}
	if marked := because(func(ref Reference) bool { return ref.Missing }); len(marked) > 0 {
		return marked
	}
	return because(func(ref Reference) bool { return !held[grant{ref.Secret, ref.UID, e.Operation}] })
}

// restore binds a reference again under the operation of its save, or switches
// the endpoint off if the secret it knew is gone or may no longer be used so. It
// returns which of the two, or nothing if the endpoint was saved again meanwhile.
func (r *Registry) restore(ctx context.Context, e Endpoint, reference Reference) (Repair, error) {
	err := r.kv.Update(ctx, func(tx kv.Tx) error { return tx.Put(boundKey(reference.Secret), nil) })
	if err != nil {
		return "", fmt.Errorf("remember secret: %w", err)
	}
	switch allowed, err := r.sendersAgree(ctx, e, reference); {
	case err != nil:
		return "", err
	case !allowed:
		return r.lose(ctx, e, reference)
	}
	b, err := r.bindAgain(ctx, reference.Need, e)
	switch {
	case fault.Is(err, vaultclient.ReasonSecretNotFound), fault.Is(err, vaultclient.ReasonUsageNotAllowed),
		fault.Is(err, vaultclient.ReasonHostNotAllowed), fault.Is(err, vaultclient.ReasonKeyPurposeFixed), fault.Is(err, vaultclient.ReasonKeyNotShared):
		// A usage and a purpose never change: a secret of another one is another life of
		// the name, or was taken for something else while nothing was bound.
		return r.lose(ctx, e, reference)
	case err != nil:
		return "", fmt.Errorf("bind again: %w", err)
	}
	// A save may have replaced the operation meanwhile, and a secret of the same
	// name may be another one: then this binding is not needed.
	needed, err := r.needed(ctx, reference.Secret, vaultclient.Binding{UID: b.UID, Referrer: e.Name.String(), Operation: e.Operation})
	if err != nil || needed {
		return BoundAgain, err
	}
	if err := r.vault.Unbind(ctx, reference.Secret, e.Operation); err != nil {
		return "", fmt.Errorf("unbind: %w", err)
	}
	if b.UID != reference.UID {
		return r.lose(ctx, e, reference)
	}
	return "", nil
}

// lose is [Registry.Lose] for a comparison, because of one reference.
func (r *Registry) lose(ctx context.Context, e Endpoint, because Reference) (Repair, error) {
	now, err := r.switchOff(ctx, e, secretLost, func(ref Reference) bool { return ref.Secret == because.Secret })
	if err != nil || !now.Lost {
		return "", err
	}
	return SwitchedOff, nil
}

// A loss is why an endpoint is switched off.
type loss struct {
	// state is for people who see the endpoint, reason for the change log.
	state, reason string
}

var (
	secretLost = loss{
		"a secret that the endpoint refers to is gone, or for another use; save what refers to it again",
		"a secret that the endpoint refers to is gone",
	}
	versionLost = loss{
		"a version that the endpoint pins is gone, or its number was given to another value, as after a restore of the vault; save the endpoint with a version that is there",
		"a version that the endpoint pins is gone",
	}
)

// Lose switches an endpoint off because a secret that it refers to is gone,
// unless it was saved with other references since e was read. It returns the
// endpoint as it is now.
func (r *Registry) Lose(ctx context.Context, e Endpoint) (Endpoint, error) {
	return r.switchOff(ctx, e, secretLost, func(Reference) bool { return false })
}

// switchOff is Lose for any loss. Gone reports which references are lost, if that is known.
func (r *Registry) switchOff(ctx context.Context, e Endpoint, why loss, missing func(Reference) bool) (Endpoint, error) {
	defer r.follow(ctx, e.Name)
	var now Endpoint
	err := r.kv.Update(ctx, func(tx kv.Tx) error {
		old, err := read(tx, e.Name)
		if err != nil {
			return err
		}
		now = old
		if old.UID != e.UID || old.Operation != e.Operation || old.Lost {
			return nil
		}
		next := old
		next.Lost, next.State, next.StateReason = true, Inactive, why.state
		next.References = slices.Clone(old.References)
		for i, ref := range next.References {
			next.References[i].Missing = missing(ref)
		}
		now, err = r.commit(tx, ActionDeactivated, &old, next, Call{Author: system(why.reason)})
		return err
	})
	return now, err
}

// system is the author of what the registry does by itself, and why.
func system(reason string) changelog.Author {
	return changelog.Author{
		Actor:  changelog.Actor{Subject: "system", Authentication: "system"},
		Reason: reason,
	}
}

// eachKey calls fn for each key of a space, outside any transaction. It goes on after
// an error, unless everything else would fail, too, and returns all.
func (r *Registry) eachKey(ctx context.Context, space kv.Key, fn func(key []byte) error) error {
	var failures []error
	start := []byte(space)
	for {
		var keys [][]byte
		err := r.kv.View(ctx, func(reader kv.Reader) error {
			keys = nil
			for pair, err := range reader.Scan(kv.Range{Start: start, End: kv.After(space), Limit: batch}) {
				if err != nil {
					return fmt.Errorf("scan: %w", err)
				}
				keys = append(keys, pair.Key)
			}
			return nil
		})
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		for _, key := range keys {
			err := fn(key)
			if ends(ctx, err) {
				return err
			}
			if err != nil {
				failures = append(failures, err)
			}
		}
		if len(keys) < batch {
			return errors.Join(failures...)
		}
		start = append(keys[len(keys)-1], 0)
	}
}
