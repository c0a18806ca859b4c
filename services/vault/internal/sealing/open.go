package sealing

import (
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
)

// Refused is the reason of all refusals; errors.proto documents it.
const Refused fault.Reason = "SEALED_VALUE_REFUSED"

// The limits of the time of a sealed value, before and after the vault's clock.
const (
	MaxAge   = time.Hour
	MaxAhead = 5 * time.Minute
)

// Field is the field of a request that contains a sealed value.
const Field = "secret.value.sealed"

// A Sealed is a value that only the vault can open.
type Sealed struct {
	// KeyID is the ID of the key to which the value is sealed.
	KeyID string
	// Time is when the value was sealed, in whole seconds.
	Time time.Time
	// Ciphertext is the encapsulated key followed by the ciphertext with its tag.
	Ciphertext []byte
	// Text is whether the value is text, not bytes.
	Text bool
}

// Info returns the HPKE info of the value, which binds it to the resource name of a secret and to
// the ID of a request.
func (v Sealed) Info(secret, requestID string) []byte {
	kind := "data"
	if v.Text {
		kind = "text"
	}
	return []byte(strings.Join([]string{
		"keyward sealed value v1", secret, requestID, strconv.FormatInt(v.Time.Unix(), 10), kind,
	}, "\n"))
}

// Open opens a value that was sealed for a secret and a request, regardless of its age. The caller
// owns the plaintext. The error is either that there is no such key, which is public, or that the
// value does not open, without the cause.
func (k *Keys) Open(v Sealed, secret, requestID string) (sensitive.Bytes, error) {
	key, found := k.find(v.KeyID)
	if !found {
		return sensitive.Bytes{}, Refuse(Field+".key_id", "must be a key of the vault; seal to the first key that GetSealing returns")
	}
	plain, err := key.Decrypt(v.Ciphertext, v.Info(secret, requestID))
	if err != nil {
		return sensitive.Bytes{}, Refuse(Field, "does not open: it was changed, or sealed for another secret, request, time, or kind of value")
	}
	return sensitive.New(plain), nil
}

// Fresh returns an error for a value that was sealed too long ago, or ahead of the vault's clock.
func (k *Keys) Fresh(v Sealed) error {
	now := k.now()
	if v.Time.Before(now.Add(-MaxAge)) || v.Time.After(now.Add(MaxAhead)) {
		return Refuse(Field+".seal_time", "must be at most 1 hour before and 5 minutes after the vault's time, which GetSealing returns")
	}
	return nil
}

// Refuse returns the error for a refused sealed value.
func Refuse(field, description string) error {
	return fault.New(fault.InvalidArgument, Refused, "the sealed value is refused; seal the value again").At(field, description)
}
