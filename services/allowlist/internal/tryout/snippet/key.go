package snippet

import (
	"encoding/base64"

	"github.com/keyward/keyward/pkg/keyform"
)

// A Key is a throwaway key, which replaces the secret of one reference.
type Key struct {
	// Field is the path of the reference, such as `request.cipher.shared_key.keys[0]`.
	Field string
	// Secret is the name of the replaced secret; empty for a key or an IV that comes from an
	// exchange and not from the vault.
	Secret string
	// Decoding is the decoding of the reference.
	Decoding keyform.Decoding
	// Stored is the value that an owner would store.
	Stored []byte
	// Bytes is the key itself if both sides share it.
	Bytes []byte
	// Private and Public are the DER of a key pair (PKCS #8 and SubjectPublicKeyInfo).
	Private, Public []byte
}

// Exchanged returns a key or an IV that comes from an exchange.
func Exchanged(field string, value []byte) Key {
	return Key{Field: field, Decoding: keyform.Base64, Stored: base64.StdEncoding.AppendEncode(nil, value), Bytes: value}
}
