package publickey

import (
	"crypto/x509"

	"github.com/keyward/keyward/pkg/keyform"
)

// Of returns the SubjectPublicKeyInfo of the key that a value holds: of the private key if there
// is one, or else of the first key or certificate. It returns nil if there is none, or it is not
// of a kind that the vault can generate. It keeps nothing of the value.
func Of(value []byte) (spki []byte) { return Shown(keyform.Look(value).Public) }

// Shown returns a SubjectPublicKeyInfo if it is of a kind that the vault can generate, or else
// nil.
func Shown(spki []byte) []byte {
	if spki == nil {
		return nil
	}
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil
	}
	if _, _, err := describe(public); err != nil {
		return nil
	}
	return spki
}
