package endpoint

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// reserve is the time before the deadline of a call at which [Registry.Recover] begins no more saves.
const reserve = time.Second

// A Recovery selects the endpoints that [Registry.Recover] saves, and how. All fields except Secret
// and ValidateOnly are required.
type Recovery struct {
	// Workspace is the workspace, or [resource.Any] for all.
	Workspace string
	// Secret, if not empty, is a secret that the endpoints must refer to.
	Secret       string
	ValidateOnly bool
	// Limit is the maximum number of endpoints.
	Limit int
	// Draft returns the save that changes nothing, with the fields that refer to secrets: checked like
	// a request that contains them.
	Draft func(Endpoint) (Change, Call, error)
	// Prove tests the keys of an endpoint that becomes active, as in [Registry.Activate].
	Prove func(context.Context, Endpoint) error
}

// Recovered is the result for one endpoint.
type Recovered struct {
	Name Name
	// State is the state after the save, if Err is nil.
	State State
	// Err is why the endpoint stays as it is: SECRET_NOT_FOUND or VERSION_NOT_FOUND if it is still
	// lost.
	Err error
}

// Recover saves endpoints that are off because they lost a secret, so that their references are bound
// again. An endpoint that was active becomes active in the same save, after its keys were tested. The
// rules are those of [Registry.Update] and [Registry.Activate]; an endpoint for which one fails stays as
// it is. With ValidateOnly, Recover binds nothing, and so tests no keys.
//
// It returns the results by name, and whether there are more endpoints: beyond the limit, or because
// the deadline is near or the vault has become unreachable. It fails with VAULT_UNAVAILABLE if nothing
// could be done.
func (r *Registry) Recover(ctx context.Context, q Recovery) (results []Recovered, more bool, err error) {
	for _, name := range r.standings.lostIn(q.Workspace) {
		if end, bounded := ctx.Deadline(); bounded && time.Until(end) < reserve {
			return results, true, nil
		}
		e, err := r.Get(ctx, name)
		refers := func(ref Reference) bool { return ref.Secret == q.Secret }
		if fault.Is(err, ReasonNotFound) || err == nil && (!e.Lost || q.Secret != "" && !slices.ContainsFunc(e.References, refers)) {
			continue
		}
		if len(results) == q.Limit {
			return results, true, nil
		}
		if err == nil {
			e, err = r.recoverOne(ctx, e, q)
		}
		switch {
		case err == nil: // also if the deadline has passed by now
		case ends(ctx, err) && len(results) == 0:
			return nil, false, err
		case ends(ctx, err):
			return results, true, nil
		default:
			if _, told := fault.From(err); !told {
				r.logger.ErrorContext(ctx, "an endpoint could not be bound again", "error", err)
			}
		}
		results = append(results, Recovered{Name: name, State: e.State, Err: err})
	}
	return results, false, nil
}

// recoverOne saves one endpoint, and returns its next state.
func (r *Registry) recoverOne(ctx context.Context, lost Endpoint, q Recovery) (Endpoint, error) {
	change, call, err := q.Draft(lost)
	if err != nil {
		return Endpoint{}, fmt.Errorf("draft the save: %w", err)
	}
	edit := existing("", func(e Endpoint) (Endpoint, error) {
		if !e.sameState(lost) {
			return Endpoint{}, contention()
		}
		next := change.apply(e)
		if e.LostActive && e.State == Inactive && e.Verification.Done() {
			next.State, next.StateReason = Active, ""
		}
		return next, nil
	})
	s := saving{operation: newID(), name: lost.Name, action: ActionUpdated, call: call, change: edit, prove: q.Prove}
	if q.ValidateOnly {
		return r.rehearse(ctx, s, lost)
	}
	return r.run(ctx, s)
}

// rehearse returns the result of a save without its test of the keys, and changes nothing.
func (r *Registry) rehearse(ctx context.Context, s saving, old Endpoint) (Endpoint, error) {
	next, err := r.informed(permitted(s.call, s.change))(&old)
	if err != nil {
		return Endpoint{}, err
	}
	facts, err := r.probe(ctx, s, next.Settings, next.needs())
	if err == nil && next.Encryption.Check != nil {
		err = next.Encryption.Check(facts)
	}
	return next, err
}

// Gone reports whether an error means that a secret or a version does not exist.
func Gone(err error) bool {
	return fault.Is(err, vaultclient.ReasonSecretNotFound) || fault.Is(err, vaultclient.ReasonVersionNotFound)
}
