package keyform_test

import (
	"testing"

	"github.com/keyward/keyward/pkg/keyform"
)

func BenchmarkLook(b *testing.B) {
	for name, value := range map[string][]byte{
		"a passphrase": []byte("correct horse battery staple"), "hexadecimal": []byte("000102030405060708090a0b0c0d0e0f"),
		"RSA in PEM": fixture(b, "rsa.pem"), "RSA in one line": fixture(b, "rsa-one-line.txt"), "P-256 in PEM": fixture(b, "ec.pem"), "a certificate": fixture(b, "rsa-certificate.pem"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				keyform.Look(value)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for b.Loop() {
		if _, err := keyform.Decode(keyform.Hex, []byte("000102030405060708090a0b0c0d0e0f")); err != nil {
			b.Fatal(err)
		}
	}
}
