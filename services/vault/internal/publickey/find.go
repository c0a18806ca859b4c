package publickey

import "github.com/keyward/keyward/pkg/keyform"

// Of returns the SubjectPublicKeyInfo of the key in a value: of the private key if there is one,
// otherwise of the first key or certificate. It returns nil if there is no key, or if the vault
// cannot generate its kind. It retains nothing of the value.
func Of(value []byte) (spki []byte) { return Shown(keyform.Look(value).Public) }

// Shown returns a SubjectPublicKeyInfo if the vault can generate its kind, and nil otherwise.
func Shown(spki []byte) []byte {
	if spki == nil {
		return nil
	}
	public, err := parse(spki)
	if err != nil {
		return nil
	}
	if _, _, err := describe(public); err != nil {
		return nil
	}
	return spki
}
