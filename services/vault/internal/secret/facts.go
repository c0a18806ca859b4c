package secret

import (
	"slices"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/publickey"
)

// Facts are what whoever binds a KEY is told of it, next to its public part: enough to
// refuse a configuration in which the key could not work. They are taken when the
// version is stored, the only time that the value passes by on its own account.
//
// Of a text nothing is told, not even its length: it may be a passphrase that a person
// thought of, and of such a one each fact makes the guessing shorter.
type Facts struct {
	// Bytes is the length of a value that is no text, if it is that of a usual key. 0:
	// it is not told.
	Bytes uint32 `json:"bytes,omitempty"`
	// Private is whether the asymmetric key of the version is a private one.
	Private bool `json:"private,omitempty"`
}

// lengths are those of usual symmetric keys in bytes: AES, two AES or MAC keys in one,
// HMAC. To tell one of them of random bytes tells whoever guesses nothing.
func lengths() []int { return []int{16, 24, 32, 48, 64} }

// facts returns what is told of the value, once it is there. Public is its public
// part, if it has one.
func (v Value) facts(plain sensitive.Bytes, public []byte) *Facts {
	switch {
	case public != nil:
		return &Facts{Private: publickey.HoldsPrivate(plain.Reveal())}
	case (v.binary || v.drawnAsBytes()) && slices.Contains(lengths(), plain.Len()):
		return &Facts{Bytes: uint32(plain.Len())}
	}
	return nil
}

// drawnAsBytes reports whether the value is random bytes that are yet to be drawn.
func (v Value) drawnAsBytes() bool { return v.kind >= AES128 && v.kind <= HMACSHA512 }
