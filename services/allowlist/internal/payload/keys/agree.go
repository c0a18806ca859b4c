package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/memory"
)

// A Curve is an elliptic curve for key agreement (NIST SP 800-56A, RFC 7748).
type Curve int

const (
	// X25519 is the function of RFC 7748.
	X25519 Curve = iota + 1
	// P256 is the curve of FIPS 186-5.
	P256
	// P384 is the curve of FIPS 186-5.
	P384
)

// std returns the library's curve, or nil for an unknown one.
func (c Curve) std() ecdh.Curve {
	switch c {
	case X25519:
		return ecdh.X25519()
	case P256:
		return ecdh.P256()
	case P384:
		return ecdh.P384()
	default:
		return nil
	}
}

// EphemeralLen returns the length in bytes of an ephemeral public key: 32 for X25519, and the
// length of the uncompressed point (SEC 1 section 2.3.3) for the other curves. It is 0 for an
// unknown curve.
func (c Curve) EphemeralLen() int {
	switch c {
	case X25519:
		return 32
	case P256:
		return 65
	case P384:
		return 97
	default:
		return 0
	}
}

// spkiPrefix returns the beginning of a SubjectPublicKeyInfo in DER, which the bytes of the key
// follow. It is empty for an unknown curve.
func (c Curve) spkiPrefix() string {
	switch c {
	case X25519:
		return "\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00"
	case P256:
		return "\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00"
	case P384:
		return "\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00"
	default:
		return ""
	}
}

// SPKILen returns the length in bytes of a SubjectPublicKeyInfo.
func (c Curve) SPKILen() int { return len(c.spkiPrefix()) + c.EphemeralLen() }

// SPKI returns the SubjectPublicKeyInfo of an ephemeral public key (RFC 5280, RFC 5480, RFC 8410).
func (c Curve) SPKI(ephemeral []byte) []byte { return append([]byte(c.spkiPrefix()), ephemeral...) }

// FromSPKI returns the ephemeral public key in a SubjectPublicKeyInfo, whose parameters name the
// curve. It fails with [ErrUnwrap] for anything else.
func (c Curve) FromSPKI(spki []byte) ([]byte, error) {
	ephemeral, found := bytes.CutPrefix(spki, []byte(c.spkiPrefix()))
	if !found || len(ephemeral) != c.EphemeralLen() {
		return nil, ErrUnwrap
	}
	return ephemeral, nil
}

// Encapsulate generates an ephemeral key and agrees with the receiver's public key on a shared
// secret. The shared secret is not a key yet; a derivation must produce the key from it.
// Encapsulate fails with [ErrKey] if the public key belongs to another curve, or would produce a
// shared secret of zero.
func (c Curve) Encapsulate(random io.Reader, public crypto.PublicKey) (ephemeral, shared []byte, err error) {
	static, ok := c.public(public)
	if !ok {
		return nil, nil, ErrKey
	}
	own, err := static.Curve().GenerateKey(random)
	if err != nil {
		return nil, nil, fmt.Errorf("generate an ephemeral key: %w", err)
	}
	shared, err = own.ECDH(static)
	if err != nil {
		return nil, nil, ErrKey
	}
	return own.PublicKey().Bytes(), shared, nil
}

// Decapsulate returns the shared secret of the receiver's private key and an ephemeral public
// key. It fails with [ErrUnwrap] if the public key is not a point of the curve, or would produce
// a shared secret of zero, and with [ErrKey] if the private key belongs to another curve.
func (c Curve) Decapsulate(private crypto.PrivateKey, ephemeral []byte) ([]byte, error) {
	return memory.Erased(func() ([]byte, error) { return c.decapsulate(private, ephemeral) })
}

func (c Curve) decapsulate(private crypto.PrivateKey, ephemeral []byte) ([]byte, error) {
	static, ok := c.private(private)
	if !ok {
		return nil, ErrKey
	}
	theirs, err := static.Curve().NewPublicKey(ephemeral)
	if err != nil {
		return nil, ErrUnwrap
	}
	shared, err := static.ECDH(theirs)
	if err != nil {
		return nil, ErrUnwrap
	}
	return shared, nil
}

// public returns the key in the form that the library's key agreement takes. PEM does not say
// whether a key of a NIST curve is for agreement or for signatures; such keys are parsed as
// signature keys.
func (c Curve) public(key crypto.PublicKey) (*ecdh.PublicKey, bool) {
	if signing, ok := key.(*ecdsa.PublicKey); ok {
		converted, err := signing.ECDH()
		return converted, err == nil && converted.Curve() == c.std()
	}
	own, ok := key.(*ecdh.PublicKey)
	return own, ok && own.Curve() == c.std()
}

// private is like public, for private keys.
func (c Curve) private(key crypto.PrivateKey) (*ecdh.PrivateKey, bool) {
	if signing, ok := key.(*ecdsa.PrivateKey); ok {
		converted, err := signing.ECDH()
		return converted, err == nil && converted.Curve() == c.std()
	}
	own, ok := key.(*ecdh.PrivateKey)
	return own, ok && own.Curve() == c.std()
}
