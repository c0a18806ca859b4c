// Package keyformtest generates keys for tests, and writes them as tools do.
package keyformtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
)

// RSA generates an RSA key.
func RSA(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// EC generates a key on a curve.
func EC(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Block returns a PEM block. It takes what the functions that encode DER return, and
// panics on their error.
func Block(typ string, der []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})
}

// PKCS8 returns a private key in PEM.
func PKCS8(key any) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	return Block("PRIVATE KEY", der, err)
}

// SPKI returns a public key in PEM.
func SPKI(key any) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	return Block("PUBLIC KEY", der, err)
}

// Certificate returns a self-signed certificate in PEM that expired long ago.
func Certificate(key crypto.Signer) []byte {
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "partner"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return Block("CERTIFICATE", der, err)
}
