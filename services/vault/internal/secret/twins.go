package secret

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/quota"
)

// # Equal values
//
// Storing the value of a KEY again under another name would circumvent its purpose. Secrets of a
// workspace with equal bytes therefore serve one purpose, once the purpose of one of them is
// sealed. A refusal reveals that the bytes are equal. Refusals are therefore logged, and after a
// few of them in an hour the workspace accepts no more keys for a while.

// refusals is the burst of refusals that a workspace may have. It regains one every 12 minutes.
const refusals = 5

// newRefusals returns the limiter of refusals, by workspace.
func newRefusals(s *Store) (*quota.Limiter, error) {
	return quota.New(quota.Limits{Rate: refusals / 3600.0, Burst: refusals}, s.now)
}

// maxTwins is the number of secrets with equal bytes that are compared. If there are more, none of
// them accepts a purpose anymore: copies must not hide the secret whose purpose is sealed.
const maxTwins = 256

// twins returns the other secrets of the workspace with equal bytes whose purpose is sealed.
func twins(r kv.Reader, sec Secret, prints []Print) ([]Secret, error) {
	var found []Secret
	for _, fingerprint := range prints {
		there, stale, err := sharers(r, sec.Name.Workspace, fingerprint, maxTwins+1)
		if err != nil {
			return nil, err
		}
		if len(there)+len(stale) > maxTwins {
			return nil, equalError{fault.New(fault.FailedPrecondition, KeyPurposeFixed,
				"the purpose cannot be checked, because too many secrets in the workspace have this value; use one that already has a purpose")}
		}
		for _, other := range there {
			if other.UID != sec.UID && other.Purpose != nil && !other.Purpose.Sealed.IsZero() {
				found = append(found, other)
			}
		}
	}
	return found, nil
}

// equalError marks the refusal of a value because of a secret with equal bytes.
type equalError struct{ error }

func (e equalError) Unwrap() error { return e.error }

// agreesWithTwins fails if a secret with equal bytes serves another purpose than chains.
func agreesWithTwins(r kv.Reader, sec Secret, prints []Print, chains []string) error {
	others, err := twins(r, sec, prints)
	if err != nil {
		return err
	}
	for _, other := range others {
		if !slices.Equal(other.Purpose.Chains, chains) {
			return equalError{other.Purpose.fixed(chains)}
		}
	}
	return nil
}

// versionsAgree is agreesWithTwins for all versions of a secret: a version that is not in use may be
// used again, and opens messages for some time after it was replaced. The version meant may have more
// fingerprints than are stored.
func versionsAgree(r kv.Reader, sec Secret, meant Version, chains []string) error {
	if err := agreesWithTwins(r, sec, meant.Prints, chains); err != nil {
		return err
	}
	for number := range sec.numbers(sec.Last) {
		if number == meant.Number {
			continue
		}
		v, err := loadVersion(r, sec, number)
		if err != nil {
			return err
		}
		err = agreesWithTwins(r, sec, v.Prints, chains)
		if _, equal := errors.AsType[equalError](err); equal {
			return equalError{fault.New(fault.FailedPrecondition, KeyPurposeFixed,
				"another version of the key has the value of a key that serves another purpose; destroy that version").
				With("version", strconv.FormatUint(uint64(number), 10))}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takesEqual fails if a secret with a sealed purpose would get a value that another secret
// already uses for another purpose.
func (s Secret) takesEqual(r kv.Reader, prints []Print) error {
	if s.Purpose == nil || s.Purpose.Sealed.IsZero() {
		return nil
	}
	err := agreesWithTwins(r, s, prints, s.Purpose.Chains)
	if _, equal := errors.AsType[equalError](err); equal {
		return equalError{fault.New(fault.FailedPrecondition, ValueInUse,
			"another secret in the workspace has this value and uses it for another purpose; use that secret, or ask the partner for another value")}
	}
	return err
}

// mayStore fails while a workspace is over the limit of refusals for equal bytes.
func (s *Store) mayStore(name Name, usage Usage) error {
	if usage != Key {
		return nil
	}
	return s.refusals.Probe(name.Workspace)
}

// noteEqual counts and logs a refusal for equal bytes, and returns err.
func (s *Store) noteEqual(ctx context.Context, call Call, name Name, err error) error {
	equal, ok := errors.AsType[equalError](err)
	if !ok {
		return err
	}
	if limited := s.refusals.Spend(name.Workspace); limited != nil {
		return limited
	}
	failed := s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, name)
		if err != nil {
			return err
		}
		return s.touch(tx, call, &sec, entry{action: RefusedEqual, at: s.timestamp()})
	})
	if failed != nil {
		return fmt.Errorf("log refusal: %w", failed)
	}
	return equal.error
}
