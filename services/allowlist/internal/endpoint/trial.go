package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
)

// # Quotas of trials
//
// A trial is a manual use of live keys: a live test or a diagnosis. Each subject of trials (the
// uid of a secret, a workspace) may have trialBurst of each action at once, and one more every
// trialEvery. The store keeps one time per subject: when its allowance is full again. The
// transaction that logs the trial writes it, so that neither a restart nor a concurrent call
// exceeds the allowance. The sweeper drops rows whose time has passed.

// A subject has trialBurst trials at once, and then one every trialEvery.
const (
	trialBurst = 10
	trialEvery = 6 * time.Minute
)

// A trial is the stored state of a subject's quota.
type trial struct {
	// Full is the time when the subject has its full allowance again.
	Full time.Time
}

// A Trial is a manual use of an endpoint's keys, which changes nothing.
type Trial struct {
	// Endpoint is the state that was read earlier.
	Endpoint Endpoint
	// Action is [ActionTested] or [ActionDiagnosed].
	Action string
	// Subjects are the IDs that have a quota, such as the uids of the KEYs that are used.
	Subjects []string
	Author   changelog.Author
}

// Try adds a trial to the change log and takes it from the quotas of all its subjects, or of none.
// It fails with RATE_LIMITED if a subject has no trial left, and with CONTENTION if the endpoint
// is in another state by now. No key may be used before Try returns.
func (r *Registry) Try(ctx context.Context, t Trial) error {
	defer r.announce(ctx, t.Endpoint.Name)()
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		e := t.Endpoint
		now, err := r.read(tx, e.Name)
		if err != nil {
			return err
		}
		if now.UID != e.UID || now.Revision != e.Revision {
			return contention()
		}
		if err := r.spendTrial(tx, t); err != nil {
			return err
		}
		note, err := entry(t.Action, now, now, t.Author)
		if err != nil {
			return err
		}
		note.Time = r.now()
		return r.write(tx, &now, &now, note)
	})
}

// spendTrial takes one trial from each subject.
func (r *Registry) spendTrial(tx kv.Tx, t Trial) error {
	now := r.now().UTC()
	var wait time.Duration
	var used string
	spent := make(map[string]trial, len(t.Subjects))
	for _, subject := range t.Subjects {
		kept, err := readTrial(tx, trialKey(t.Action, subject))
		if err != nil {
			return err
		}
		if kept.Full.Before(now) {
			kept.Full = now
		}
		kept.Full = kept.Full.Add(trialEvery)
		if until := kept.Full.Sub(now.Add(trialBurst * trialEvery)); until > wait {
			wait, used = until, subject
		}
		spent[subject] = kept
	}
	if wait > 0 {
		return tooManyTrials(t.Action, nameOf(t.Endpoint, used), wait)
	}
	for _, subject := range slices.Compact(slices.Sorted(slices.Values(t.Subjects))) {
		value, err := encode(&stored.Trial{Full: kv.Nanos(spent[subject].Full)})
		if err != nil {
			return err
		}
		if err := tx.Put(trialKey(t.Action, subject), value); err != nil {
			return fmt.Errorf("write trial: %w", err)
		}
	}
	return nil
}

// readTrial returns the trial under a key, or the zero trial if it does not exist.
func readTrial(reader kv.Reader, key kv.Key) (t trial, err error) {
	value, err := reader.Get(key)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return t, nil
	case err != nil:
		return t, fmt.Errorf("read trial: %w", err)
	}
	return decodeTrial(value)
}

// forgetTrials deletes the rows of subjects that have their full allowance again.
func (r *Registry) forgetTrials(ctx context.Context) error {
	return r.eachKey(ctx, trialSpace(), func(key []byte) error {
		return r.kv.Update(ctx, func(tx kv.Tx) error {
			kept, err := readTrial(tx, key)
			if err != nil || kept.Full.After(r.now()) {
				return err
			}
			return tx.Delete(key)
		})
	})
}

// nameOf returns the resource name of a subject. The caller may know it: only callers that may see
// the secrets of an endpoint may try its keys.
func nameOf(e Endpoint, subject string) string {
	for _, r := range e.References {
		if r.UID == subject {
			return r.Secret
		}
	}
	return subject // a workspace, or a secret, by name
}

func tooManyTrials(action, name string, wait time.Duration) error {
	trials, whose := "live tests", "KEY"
	if action == ActionDiagnosed {
		trials = "diagnoses"
	}
	if !strings.Contains(name, "/secrets/") {
		whose = "workspace"
	}
	return fault.Exhausted(name, "the "+whose+" has no "+trials+" left: 10 are allowed at once, and one more every 6 minutes", wait)
}
