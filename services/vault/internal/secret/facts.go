package secret

import (
	"slices"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/sensitive"
)

// Facts is the metadata that a binder learns about a KEY in addition to its public part. It
// suffices to refuse a configuration in which the key could not work. The vault collects it when a
// version is stored, so that it need not decrypt the value for it later.
//
// Values stored as text have no facts, not even a length: the value may be a passphrase that a
// person chose, and every fact makes it easier to guess.
type Facts struct {
	// Bytes is the length of a binary value, if it is a usual length of keys; otherwise 0.
	Bytes uint32
	// Private is whether the asymmetric key of the version is a private key.
	Private bool
	Unknown []byte
}

// lengths returns the usual lengths of symmetric keys in bytes: AES, two AES or MAC keys in one,
// HMAC. Revealing such a length does not help to guess random bytes.
func lengths() []int { return keyform.UsualLengths() }

// facts returns the facts about a value, given its plaintext, its public part, if any, and
// whether it has a private part.
func (v Value) facts(plain sensitive.Bytes, public []byte, private bool) *Facts {
	switch {
	case public != nil:
		return &Facts{Private: private}
	case (v.binary || v.drawnAsBytes()) && slices.Contains(lengths(), plain.Len()):
		return &Facts{Bytes: uint32(plain.Len())}
	}
	return nil
}

// drawnAsBytes reports whether the value is random bytes that are yet to be generated.
func (v Value) drawnAsBytes() bool { return v.kind >= AES128 && v.kind <= HMACSHA512 }
