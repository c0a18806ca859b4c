package endpoint

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keyward/keyward/pkg/changelog"
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

// system is the author of what the registry does by itself, and why.
func system(reason string) changelog.Author {
	return changelog.Author{
		Actor:  changelog.Actor{Subject: "system", Authentication: "system"},
		Reason: reason,
	}
}
