package keys_test

import (
	"crypto"
	"encoding/hex"
	"testing"
)

// private is the interface of all private keys of the standard library.
type private interface {
	Public() crypto.PublicKey
	Equal(key crypto.PrivateKey) bool
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
