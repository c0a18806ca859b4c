// Package publickey finds the public part of a stored asymmetric key and writes it in the forms
// that partners request.
//
// [Of] examines a value that is being stored, in any form that package keyform reads, and returns
// the DER of the SubjectPublicKeyInfo, which the vault stores. [Parse] converts it, at any later
// time, to the forms that people see: PEM, JWK, and fingerprint. Neither contains anything of the
// private part.
//
// Only common kinds are shown: RSA of 2,048, 3,072, and 4,096 bits, the curves P-256, P-384,
// P-521, and secp256k1, Ed25519, and X25519. To the vault, all other values, including encrypted
// keys, have no public part. That is not an error.
package publickey

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/secp256k1"
)

// A Key is the public part of an asymmetric key, as shown to people.
type Key struct {
	// Algorithm is the kind and size, such as `RSA-2048`.
	Algorithm string
	// PEM is the SubjectPublicKeyInfo in PEM.
	PEM string
	// JWK is the key as JSON (RFC 7517), with its thumbprint (RFC 7638) as the kid.
	JWK string
	// Fingerprint is the SHA-256 of the SubjectPublicKeyInfo in hexadecimal.
	Fingerprint string
}

// typePublic is the type of a PEM block with a SubjectPublicKeyInfo.
const typePublic = "PUBLIC KEY"

// errKind is the error for a key of a kind that is not shown.
var errKind = errors.New("the key is not of a kind that is shown")

// Parse returns the key of a SubjectPublicKeyInfo in DER.
func Parse(spki []byte) (Key, error) {
	public, err := parse(spki)
	if err != nil {
		return Key{}, err
	}
	algorithm, members, err := describe(public)
	if err != nil {
		return Key{}, fmt.Errorf("parse public key: %w", err)
	}
	jwk, err := encodeJWK(members)
	if err != nil {
		return Key{}, err
	}
	digest := sha256.Sum256(spki)
	return Key{
		Algorithm:   algorithm,
		PEM:         string(pem.EncodeToMemory(&pem.Block{Type: typePublic, Bytes: spki})),
		JWK:         jwk,
		Fingerprint: hex.EncodeToString(digest[:]),
	}, nil
}

// parse returns the key of a SubjectPublicKeyInfo in DER.
func parse(spki []byte) (crypto.PublicKey, error) {
	if key, err := secp256k1.ParsePKIXPublicKey(spki); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, fmt.Errorf("parse public key: %w", err)
	}
	return key, nil
}

// describe returns the algorithm of a key and the members of its JWK from which the thumbprint is
// computed (RFC 7518 section 6, RFC 8037 section 2, RFC 8812 section 3.1).
func describe(public any) (algorithm string, members map[string]string, err error) {
	text := base64.RawURLEncoding.EncodeToString
	switch key := public.(type) {
	case *rsa.PublicKey:
		switch bits := key.N.BitLen(); bits {
		case 2048, 3072, 4096:
			exponent := binary.BigEndian.AppendUint64(nil, uint64(key.E))
			for len(exponent) > 1 && exponent[0] == 0 {
				exponent = exponent[1:]
			}
			return fmt.Sprintf("RSA-%d", bits), map[string]string{"kty": "RSA", "n": text(key.N.Bytes()), "e": text(exponent)}, nil
		}
	case *ecdsa.PublicKey:
		if key.Curve != elliptic.P256() && key.Curve != elliptic.P384() && key.Curve != elliptic.P521() {
			break
		}
		point, err := key.Bytes() // 4, then x and y at full length
		if err != nil {
			return "", nil, fmt.Errorf("encode point: %w", err)
		}
		name := key.Params().Name
		return "EC-P" + name[len("P-"):], onCurve(name, point), nil
	case *secp256k1.PublicKey:
		return secp256k1.Name, onCurve("secp256k1", key.Bytes()), nil
	case ed25519.PublicKey:
		return "Ed25519", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": text(key)}, nil
	case *ecdh.PublicKey:
		if key.Curve() == ecdh.X25519() {
			return "X25519", map[string]string{"kty": "OKP", "crv": "X25519", "x": text(key.Bytes())}, nil
		}
	}
	return "", nil, errKind
}

// onCurve returns the members of the JWK of an uncompressed point on a curve.
func onCurve(name string, point []byte) map[string]string {
	text := base64.RawURLEncoding.EncodeToString
	size := len(point) / 2
	return map[string]string{"kty": "EC", "crv": name, "x": text(point[1 : 1+size]), "y": text(point[1+size:])}
}

// encodeJWK returns a JWK of the members, with its thumbprint as the kid.
func encodeJWK(members map[string]string) (string, error) {
	// Maps are encoded in the order of their keys and without white space, which is the form from
	// which the thumbprint is computed.
	canonical, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("encode JWK: %w", err)
	}
	thumbprint := sha256.Sum256(canonical)
	members["kid"] = base64.RawURLEncoding.EncodeToString(thumbprint[:])
	jwk, err := json.Marshal(members)
	if err != nil {
		return "", fmt.Errorf("encode JWK: %w", err)
	}
	return string(jwk), nil
}
