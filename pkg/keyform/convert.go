package keyform

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/keyward/keyward/pkg/secp256k1"
)

// Convert converts a file in a form that cannot be used directly to the form that is stored. A
// PKCS #12 file becomes its private key as PKCS #8 in PEM, followed by its certificates. A JWK
// becomes its key as PKCS #8 or SubjectPublicKeyInfo in PEM, or the bytes of a symmetric key. from
// is the original form; it is empty for all other values, which are not converted. The result is a
// copy. Errors are of type [*Problem].
//
// The password is that of a PKCS #12 file.
func Convert(value []byte, password string) (converted []byte, from string, err error) {
	if isPKCS12(value) {
		return convertPKCS12(value, password)
	}
	t := textOf(value)
	defer t.erase()
	body := t.trimmed()
	if der, _ := bareDER(body); der != nil {
		defer clear(der)
		if isPKCS12(der) {
			return convertPKCS12(der, password)
		}
	}
	if !bytes.HasPrefix(body, []byte("{")) {
		return nil, "", nil
	}
	return convertJWK(body)
}

// IsPKCS12 reports whether a value is a PKCS #12 file, whose conversion may take seconds.
func IsPKCS12(value []byte) bool {
	if isPKCS12(value) {
		return true
	}
	t := textOf(value)
	defer t.erase()
	der, _ := bareDER(t.trimmed())
	defer clear(der)
	return isPKCS12(der)
}

func convertPKCS12(file []byte, password string) (converted []byte, from string, err error) {
	converted, problem := fromPKCS12(file, password)
	if problem != nil {
		return nil, "", problem
	}
	return converted, "PKCS #12", nil
}

func convertJWK(body []byte) (converted []byte, from string, err error) {
	one, key, problem := parseJWK(body)
	switch {
	case one.Type == "":
		return nil, "", nil
	case problem != nil:
		return nil, "", problem
	}
	if converted = fromJWK(key); converted == nil {
		return nil, "", one.unusable()
	}
	return converted, "JWK", nil
}

// fromJWK returns the stored form of the key of a JWK, or nil.
func fromJWK(key any) []byte {
	if symmetric, ok := key.([]byte); ok && len(symmetric) > 0 {
		return symmetric
	}
	if _, private := key.(interface{ Public() crypto.PublicKey }); private {
		der, err := MarshalPrivate(key)
		if err != nil {
			return nil
		}
		defer clear(der)
		return pemOf("PRIVATE KEY", der)
	}
	der, err := MarshalPublic(key)
	if err != nil {
		return nil
	}
	return pemOf("PUBLIC KEY", der)
}

// MarshalPublic returns the SubjectPublicKeyInfo in DER of a key of the types of [ParsePublic].
func MarshalPublic(key crypto.PublicKey) ([]byte, error) {
	if key, ok := key.(*secp256k1.PublicKey); ok {
		return secp256k1.MarshalPKIXPublicKey(key), nil
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return der, nil
}

// MarshalPrivate returns the PrivateKeyInfo of PKCS #8 in DER of a key of the types of
// [ParsePrivate]. The caller zeroes it.
func MarshalPrivate(key crypto.PrivateKey) ([]byte, error) {
	if key, ok := key.(*secp256k1.PrivateKey); ok {
		return secp256k1.MarshalPKCS8PrivateKey(key), nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return der, nil
}
