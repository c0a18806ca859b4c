package earlier

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"testing"
)

func FuzzCanonicalFormIsTheSameForAllEncodings(f *testing.F) {
	for _, seed := range []string{"", " ", "a passphrase", "00ff", "AAAA", "\x00\xff", "sixteen bytes...", " =_-+/ "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		want := bytes.TrimSpace(key)
		before := bytes.Clone(key)
		canonical(key) // must accept any bytes
		if !bytes.Equal(key, before) {
			t.Fatal("canonical changes its input")
		}
		for name, text := range map[string]string{
			"hexadecimal": hex.EncodeToString(key) + "\n", "base64": base64.StdEncoding.EncodeToString(key), "base64url": base64.RawURLEncoding.EncodeToString(key),
		} {
			if _, err := hex.DecodeString(text); err == nil && name != "hexadecimal" {
				continue // base64 that is also hexadecimal counts as hexadecimal
			}
			if got := canonical([]byte(text)); !bytes.Equal(got, want) {
				t.Errorf("the canonical form of %q in %s is %x, want %x", key, name, got, want)
			}
		}
	})
}
