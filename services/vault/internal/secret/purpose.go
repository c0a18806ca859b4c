package secret

import (
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// A Purpose is which of two things a KEY serves. One bars the other, for the whole life
// of the secret: a digest that was sent once may be the very key that something derives
// years later, when no binding tells of it any more.
type Purpose string

// The purposes.
const (
	// Digested keys go into digests that are sent.
	Digested Purpose = "DIGESTED"
	// Undigested keys go into anything else.
	Undigested Purpose = "UNDIGESTED"
)

// purpose is which one the use is of.
func (u Use) purpose() Purpose {
	if u.Digested {
		return Digested
	}
	return Undigested
}

// fixPurpose fixes the purpose of a KEY that has none yet, and fails with
// KEY_PURPOSE_FIXED if the use is of the other one.
func (u Use) fixPurpose(tx kv.Tx, sec Secret) error {
	if sec.Usage != Key {
		return nil
	}
	switch fixed, err := loadPurpose(tx, sec); {
	case err != nil:
		return err
	case fixed == u.purpose():
		return nil
	case fixed != "":
		return fault.New(fault.FailedPrecondition, KeyPurposeFixed,
			"a key whose digest is sent serves nothing else, and no other key is put into such a digest; store another secret")
	}
	if _, err := put(tx, purposeKey(sec.UID), u.purpose()); err != nil {
		return fmt.Errorf("write purpose: %w", err)
	}
	return nil
}

// loadPurpose returns what was fixed, or nothing: of a key that was bound before purposes
// were kept, the next binding decides.
func loadPurpose(r kv.Reader, sec Secret) (fixed Purpose, err error) {
	stored, err := r.Get(purposeKey(sec.UID))
	if errors.Is(err, kv.ErrNotFound) {
		return "", nil
	}
	if err == nil {
		err = decode(stored, &fixed)
	}
	if err != nil {
		return "", fmt.Errorf("read purpose: %w", err)
	}
	return fixed, nil
}
