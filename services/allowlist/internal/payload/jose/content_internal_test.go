package jose

import (
	"bytes"
	"encoding/hex"
	"testing"
)

func TestContentCiphersMatchRFC7518(t *testing.T) {
	t.Parallel()
	// Appendix B. The tag covers the ciphertext.
	const plaintext = "A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience"
	const aad = "The second principle of Auguste Kerckhoffs"
	iv := unhex(t, "1af38c2dc2b96ffdd86694092341bc04")
	tests := []struct{ enc, first, tag string }{
		{"A128CBC-HS256", "c80edfa32ddf39d5ef00c0b468834279", "652c3fa36b0a7c5b3219fab3a30bc1c4"},
		{"A192CBC-HS384", "ea65da6b59e61edb419be62d19712ae5", "8490ac0e58949bfe51875d733f93ac2075168039ccc733d7"},
		{"A256CBC-HS512", "4affaaadb78c31c5da4b1b590d10ffbd", "4dd3b4c088a7f45c216839645b2012bf2e6269a8c56a816dbc1b267761955bc5"},
	}
	for _, tt := range tests {
		c, _ := contentOf(tt.enc)
		key := make([]byte, c.keyBytes)
		for i := range key {
			key[i] = byte(i)
		}
		aead, err := c.aead(key, len(iv))
		if err != nil {
			t.Fatal(err)
		}
		sealed := aead.Seal(nil, iv, []byte(plaintext), []byte(aad))
		if n := c.ciphertextLen(len(plaintext)); len(sealed) != n+c.tagBytes || !bytes.Equal(sealed[:16], unhex(t, tt.first)) || !bytes.Equal(sealed[n:], unhex(t, tt.tag)) {
			t.Errorf("%s: Seal = %x", tt.enc, sealed)
		}
		if got, err := aead.Open(sealed[:0], iv, sealed, []byte(aad)); err != nil || string(got) != plaintext {
			t.Errorf("%s: Open = %q, %v", tt.enc, got, err)
		}
	}
}

func TestConcatKDFMatchesRFC7518(t *testing.T) {
	t.Parallel()
	// Appendix C: Z of the two keys in its example.
	z := unhex(t, "9e56d91d817135d372834283bf84269cfb316ea3da806a48f6daa7798cfe90c4")
	got := concatKDF(z, "A128GCM", []byte("Alice"), []byte("Bob"), 16)
	if want := unhex(t, "56aa8deaf8236d205c2228cd71a7101a"); !bytes.Equal(got, want) {
		t.Errorf("concatKDF = %x, want %x", got, want)
	}
	long := concatKDF(z, "A256CBC-HS512", nil, nil, 64)
	if len(long) != 64 || bytes.Equal(long[:32], long[32:]) {
		t.Errorf("concatKDF of 64 bytes = %x", long)
	}
}

func TestEncodingInPlaceIsEncoding(t *testing.T) {
	t.Parallel()
	content := make([]byte, 10_000)
	for i := range content {
		content[i] = byte(i * i >> 3)
	}
	for n := 0; n < len(content); n += 1 + n/100 {
		text := make([]byte, encodedLen(n))
		copy(text[len(text)-n:], content)
		encodeInPlace(text, n)
		if want := encoding.AppendEncode(nil, content[:n]); !bytes.Equal(text, want) {
			t.Fatalf("%d bytes encode differently in place", n)
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
