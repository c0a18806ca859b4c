package snippet

import "github.com/keyward/keyward/pkg/keyform"

// A Key is a throw-away key: it stands for the secret of one reference.
type Key struct {
	// Field is where the reference stands, such as `request.cipher.shared_key.keys[0]`.
	Field string
	// Secret is the name of the secret that it stands for; empty for a key or an IV that
	// comes with an exchange and not of the vault.
	Secret string
	// Decoding is the one of the reference.
	Decoding keyform.Decoding
	// Stored is what one would store.
	Stored []byte
	// Bytes is the key itself where both sides share it.
	Bytes []byte
	// Private and Public are the DER of a pair (PKCS #8 and SubjectPublicKeyInfo).
	Private, Public []byte
}
