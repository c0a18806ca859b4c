package message

import (
	"errors"

	"github.com/keyward/keyward/pkg/budget"
)

// Nonces takes values from the nonce budget of a key. It is called before the values are
// encrypted, with the key's use, with how many random bits tell two of its values apart
// (RandomBits), and with how many values there are. An error refuses the message.
type Nonces func(key UsedKey, bits, values int) error

// Uncounted is for keys that have no budget because they are made for one message, such as
// throw-away keys.
func Uncounted(UsedKey, int, int) error { return nil }

// errNonces is a mistake of the caller's program. Without a budget nothing is encrypted.
var errNonces = errors.New("payload: there is no budget of nonces to take from")

// Count takes values from the budget of the key that encrypts. A nil source has none.
func (m *Message) Count(s *Source, bits, values int) error {
	if s == nil || values == 0 {
		return nil
	}
	if m.Nonces == nil {
		return errNonces
	}
	return m.Nonces(UsedKey{Reference: m.Ring.at(s), Version: m.Ring.Newest(s).Key.Version}, bits, values)
}

// Counted returns the first of the sources if values under it have a budget, or nil.
func Counted(sources []*Source, bits int) *Source {
	if !budget.Limited(bits) || len(sources) == 0 {
		return nil
	}
	return sources[0]
}
