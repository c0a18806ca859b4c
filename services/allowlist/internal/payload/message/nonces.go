package message

import (
	"errors"

	"github.com/keyward/keyward/pkg/budget"
)

// Nonces takes values from the nonce budget of a key. It is called before the values are
// encrypted, with the key's use, the number of random bits that distinguish two of its values
// (RandomBits), and the number of values. An error refuses the message.
type Nonces func(key UsedKey, bits, values int) error

// Uncounted is for keys that have no budget because they are generated for one message, such as
// throwaway keys.
func Uncounted(UsedKey, int, int) error { return nil }

// errNonces means a bug in the caller. Without a budget, nothing is encrypted.
var errNonces = errors.New("payload: no nonce budget is set")

// Count takes values from the budget of the encrypting key. A nil source has no budget.
func (m *Message) Count(s *Source, bits, values int) error {
	if s == nil || values == 0 {
		return nil
	}
	if m.Nonces == nil {
		return errNonces
	}
	return m.Nonces(UsedKey{Reference: m.Ring.at(s), Version: m.Ring.Newest(s).Key.Version}, bits, values)
}

// Counted returns the first source if values under it have a budget, or nil.
func Counted(sources []*Source, bits int) *Source {
	if !budget.Limited(bits) || len(sources) == 0 {
		return nil
	}
	return sources[0]
}
