package secret

import (
	"time"

	"github.com/keyward/keyward/pkg/fault"
)

// # Expiry
//
// An expired secret is neither resolved nor bound, and none of its versions encrypts: the versions
// that were current before, and those that a binding pins, expire with it. Nothing is destroyed. The
// clock of the vault decides. A later time, or none, makes the secret usable again.

// An Expiry is when a secret expires. The zero Expiry means never. At most one field is set.
type Expiry struct {
	At time.Time
	// After is the time from the request to the expiry.
	After time.Duration
}

// time returns when a secret expires whose request is from now.
func (e Expiry) time(now time.Time) time.Time {
	if e.After > 0 {
		return now.Add(e.After)
	}
	return e.At
}

const fieldExpireTime = "secret.expire_time"

// expire sets when the secret expires. It fails for another time than before that is not in the
// future.
func (s *Secret) expire(at, now time.Time) error {
	if !at.IsZero() && !at.Equal(s.Expires) && !at.After(now) {
		return fault.Field(fieldExpireTime, "must be in the future")
	}
	s.Expires = at
	return nil
}

// unexpired fails with SECRET_EXPIRED if the secret has expired.
func (s Secret) unexpired(now time.Time) error {
	if s.Expires.IsZero() || now.Before(s.Expires) {
		return nil
	}
	return fault.New(fault.FailedPrecondition, Expired, "the secret has expired; a super admin or an owner can set a later expire_time").
		With("expire_time", s.Expires.Format(time.RFC3339Nano))
}
