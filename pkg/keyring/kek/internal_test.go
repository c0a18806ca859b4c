package kek

import (
	"bytes"
	"encoding/base64"
	"testing"
)

func FuzzParseKey(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(make([]byte, keySize))
	for _, seed := range []string{"", key, key + "\n", key + "\r\n", "\n" + key, key[:43], key + key, key[:10] + "\n" + key[11:]} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := parseKey(text)
		if err != nil {
			return
		}
		if len(key) != keySize || !bytes.HasPrefix(text, []byte(base64.StdEncoding.EncodeToString(key))) {
			t.Errorf("parseKey(%q) = %x, want the 32 bytes that it is the base64 of", text, key)
		}
	})
}
