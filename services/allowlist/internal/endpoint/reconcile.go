package endpoint

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
)

// A grant is a binding as a comparison sees it.
type grant struct{ secret, uid, operation string }

// A Repair is the kind of a difference that a comparison found, and how it was repaired.
type Repair string

// The repairs.
const (
	// GivenUp is a binding that nothing needed.
	GivenUp Repair = "GIVEN_UP"
	// BoundAgain is a reference whose binding was missing.
	BoundAgain Repair = "BOUND_AGAIN"
	// SwitchedOff is an endpoint whose secret, or pinned version, no longer exists.
	SwitchedOff Repair = "SWITCHED_OFF"
	// StillLost is a reference of an endpoint that was switched off before and was not saved
	// since. Only people can repair it.
	StillLost Repair = "LOST"
)

// Repaired reports whether the comparison repaired the difference.
func (r Repair) Repaired() bool { return r != StillLost }

// Loss reports whether an endpoint is off because of the difference.
func (r Repair) Loss() bool { return r == SwitchedOff || r == StillLost }

// A Discrepancy is one difference between the endpoints and the bindings.
type Discrepancy struct {
	Repair Repair
	// Secret and Referrer are the names of the secret and of the resource that refers to it, or was
	// bound to it.
	Secret, Referrer string
}

// Reconcile compares the bindings of the vault with the endpoints, in both directions, and repairs
// differences: after a restored backup, or any other event that the steps of a save do not
// foresee.
//
//   - A binding that belongs to no endpoint, intent, or entry of the queue is
//     given up, if it is this allowlist's.
//   - An endpoint whose binding is missing is bound again under the same
//     operation. If the secret no longer exists, or the vault or the policy would
//     refuse the save today, the endpoint is switched off.
//   - An endpoint that pins a version that no longer exists is switched off; see
//     pins.go.
//
// The bindings are read before the registry's own store: a binding is created after its intent is
// written, so a binding that is still unknown then does not belong to a save in progress.
//
// While the vault holds changes after a restore, a complete comparison without errors ends that, as far
// as this allowlist is concerned.
//
// A failure for one secret or endpoint does not prevent the comparison of the others; only an
// unreachable vault ends it. Reconcile reports each difference once it is repaired, and each loss
// that remains; it logs their numbers. One comparison runs at a time.
func (r *Registry) Reconcile(ctx context.Context, report func(Discrepancy)) error {
	r.reconciling.Lock()
	defer r.reconciling.Unlock()
	losses := 0
	defer func() {
		if losses > 0 {
			r.logger.WarnContext(ctx, "endpoints are off because secrets or versions that they refer to no longer exist; store them again and call RebindEndpoints, or save the endpoints with others", slog.Int("losses", losses))
		}
	}()
	return r.reconcile(ctx, func(f Discrepancy) {
		if f.Repair.Loss() {
			losses++
		}
		report(f)
	})
}

// Repair is [Registry.Reconcile] for callers that need only the number of repaired differences.
func (r *Registry) Repair(ctx context.Context) (repairs int, err error) {
	err = r.Reconcile(ctx, func(f Discrepancy) {
		if f.Repair.Repaired() {
			repairs++
		}
	})
	return repairs, err
}

func (r *Registry) reconcile(ctx context.Context, report func(Discrepancy)) error {
	began, err := r.vault.Epoch(ctx)
	if err != nil {
		return err
	}
	seen := comparison{held: make(map[grant]bool), portless: make(map[grant]bool), unknown: make(map[string]bool)}
	err = r.reconcileBindings(ctx, seen, report)
	if ends(ctx, err) {
		return err
	}
	failpoint.Hit(failpoint.CompareBindings)
	if err := errors.Join(err, r.reconcileEndpoints(ctx, seen, report)); err != nil || !began.Pending {
		return err
	}
	failpoint.Hit(failpoint.CompareComplete)
	if err := r.vault.ReportReconciliation(ctx, began.ID); err != nil {
		return err
	}
	failpoint.Hit(failpoint.CompareReported)
	r.logger.InfoContext(ctx, "all that the endpoints need is bound in the restored vault, or reported as lost")
	return nil
}

// A comparison holds the results of the first half of a reconciliation for the second.
type comparison struct {
	held map[grant]bool
	// portless holds the grants of held that have no port.
	portless map[grant]bool
	// unknown holds the workspaces whose bindings could not be listed.
	unknown map[string]bool
}

// system returns the author of a change that the registry makes by itself, with its reason.
func system(reason string) changelog.Author {
	return changelog.Author{
		Actor:  changelog.Actor{Subject: "system", Authentication: "system"},
		Reason: reason,
	}
}
