package endpoint

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

// # Rechecking proofs
//
// The proof that verified an endpoint is checked again for as long as the verification depends on
// it:
//
//	OK ──missing──▶ DEGRADED ──still missing after the grace period──▶ not verified, INACTIVE
//	▲                  │
//	└──────found───────┘
//
// A degraded endpoint stays in use, and is checked more often. Each arrow is a change like those
// that people make, with the system as its author. A check that confirms the previous state does
// not change the endpoint: the time of the check is stored separately.
//
// An index by time holds the due proofs. So the cost of a round depends only on the number of due
// proofs, and proofs that a crash interrupted stay due.

const (
	// looksAtOnce is the number of proofs that a round checks concurrently.
	looksAtOnce = 8
	// degradedShare is the factor by which the proof of a degraded endpoint is checked more often.
	degradedShare = 24
)

// A proof holds the times of the last and the next check of an endpoint's proof.
type proof struct {
	Checked time.Time
	Due     time.Time
}

// schedule records that the proof of an endpoint was checked now.
func (r *Registry) schedule(tx kv.Tx, e Endpoint) error {
	if err := unschedule(tx, e.Name); err != nil {
		return err
	}
	now := r.now().UTC()
	p := proof{Checked: now, Due: now.Add(jitter(r.recheck, e.UID))}
	if v := e.Verification; v.Degraded() {
		p.Due = now.Add(jitter(r.recheck/degradedShare, e.UID))
		if v.Grace.After(now) && v.Grace.Before(p.Due) {
			p.Due = v.Grace
		}
	}
	value, err := encode(p.record())
	if err != nil {
		return err
	}
	if err := tx.Put(proofKey(e.Name), value); err != nil {
		return fmt.Errorf("schedule proof: %w", err)
	}
	if err := tx.Put(dueKey(e.Name, p.Due), nil); err != nil {
		return fmt.Errorf("schedule proof: %w", err)
	}
	return nil
}

func unschedule(tx kv.Tx, name Name) error {
	p, err := readProof(tx, name)
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := tx.Delete(dueKey(name, p.Due)); err != nil {
		return fmt.Errorf("unschedule proof: %w", err)
	}
	if err := tx.Delete(proofKey(name)); err != nil {
		return fmt.Errorf("unschedule proof: %w", err)
	}
	return nil
}

// reschedule is the part of a commit that concerns the proof: a new verification, and each state
// change of a proof, immediately follows a check.
func (r *Registry) reschedule(tx kv.Tx, before, e Endpoint) error {
	switch {
	case before.Verification == e.Verification:
		return nil
	case e.Verification.Proven():
		return r.schedule(tx, e)
	default:
		return unschedule(tx, e.Name)
	}
}

func readProof(reader kv.Reader, name Name) (proof, error) {
	value, err := reader.Get(proofKey(name))
	if err != nil {
		return proof{}, fmt.Errorf("read proof: %w", err)
	}
	return decodeProof(value)
}

// addCheck adds to an endpoint the time of the last check of its proof.
func addCheck(reader kv.Reader, e *Endpoint) error {
	if !e.Verification.Proven() {
		return nil
	}
	p, err := readProof(reader, e.Name)
	e.Checked = p.Checked
	return err
}

// jitter returns a time within a tenth of d, different for each uid, so that endpoints that were
// verified together are not always checked together.
func jitter(d time.Duration, uid string) time.Duration {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(uid)) // never fails
	const steps = 1000
	return d*9/10 + d/5*time.Duration(hash.Sum32()%steps)/steps
}

func (r *Registry) runProofs(ctx context.Context, every Intervals) {
	for wait(ctx, every.Sweep, nil) {
		r.logFailure(ctx, "check proofs", r.CheckProofs(ctx))
	}
}

// CheckProofs checks the due proofs, and changes the state of each endpoint where needed.
func (r *Registry) CheckProofs(ctx context.Context) error {
	start, end := []byte(dueSpace()), []byte(dueUntil(r.now()))
	var failures []error
	for {
		names, last, err := r.due(ctx, start, end)
		if err != nil {
			return errors.Join(append(failures, err)...)
		}
		var looks errgroup.Group
		looks.SetLimit(looksAtOnce)
		for _, name := range names {
			looks.Go(func() error { return r.checkProof(ctx, name) })
		}
		// A check that fails for an internal reason does not prevent the others.
		if err := looks.Wait(); err != nil {
			failures = append(failures, err)
		}
		if len(names) < batch || ctx.Err() != nil {
			return errors.Join(failures...)
		}
		start = append(last, 0)
	}
}

// due returns the names of a batch of endpoints whose proofs are due.
func (r *Registry) due(ctx context.Context, start, end []byte) (names []Name, last []byte, err error) {
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		names = nil
		for pair, err := range reader.Scan(kv.Range{Start: start, End: end, Limit: batch}) {
			if err != nil {
				return fmt.Errorf("scan proofs: %w", err)
			}
			name, err := dueName(pair.Key)
			if err != nil {
				return err
			}
			names, last = append(names, name), pair.Key
		}
		return nil
	})
	return names, last, err
}

// checkProof checks the proof of one endpoint.
func (r *Registry) checkProof(ctx context.Context, name Name) error {
	seen, err := r.Get(ctx, name)
	if fault.Is(err, ReasonNotFound) || (err == nil && !seen.Verification.Proven()) {
		return nil // it changed a moment ago
	}
	if err != nil {
		return err
	}
	v := seen.Verification
	period, err := r.proofs.Check(ctx, verify.Method(v.Method), seen.subject(), v.Period)
	if err != nil && !fault.Is(err, verify.ReasonFailed) {
		return fmt.Errorf("check proof: %w", err)
	}
	return r.conclude(ctx, seen, period, err == nil)
}

// conclude applies the result of a check of the endpoint state that was seen. It does nothing if
// the endpoint was verified in another way in the meantime, because that included a newer check.
func (r *Registry) conclude(ctx context.Context, seen Endpoint, period verify.Period, found bool) error {
	defer r.announce(ctx, seen.Name)()
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		old, err := r.lookUp(tx, seen.Name)
		if err != nil || old == nil || old.UID != seen.UID || old.Verification != seen.Verification {
			return err
		}
		next, action, reason := r.consequence(*old, period, found)
		if action == "" {
			return r.schedule(tx, *old)
		}
		_, err = r.commit(tx, action, old, next, Call{Author: system(reason)})
		return err
	})
}

// consequence returns an endpoint after a check of its proof. An empty action means that nothing
// changes.
func (r *Registry) consequence(e Endpoint, period verify.Period, found bool) (next Endpoint, action, reason string) {
	v := &e.Verification
	switch {
	case found && v.Degraded():
		v.Grace, v.Period = time.Time{}, period
		return e, ActionRecovered, "the proof of verification is in place again"
	case found && v.Period != period:
		v.Period = period
		return e, ActionVerified, "the proof of verification was renewed"
	case found:
		return e, "", ""
	case !v.Degraded():
		v.Grace = r.now().UTC().Add(r.grace)
		return e, ActionDegraded, "the proof of verification was not found"
	case r.now().Before(v.Grace):
		return e, "", ""
	}
	*v = Verification{}
	e.State, e.StateReason = Inactive, "the proof of verification is missing; verify the endpoint again and activate it"
	return e, ActionDeactivated, "the proof of verification was not found for the whole grace period"
}
