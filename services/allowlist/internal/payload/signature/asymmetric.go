package signature

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"
	"slices"

	"github.com/keyward/keyward/pkg/memory"
)

// RSA is a signature with RSA (RFC 8017): RSASSA-PKCS1-v1_5, or RSASSA-PSS with a salt
// as long as the hash. Keys are [*rsa.PrivateKey] and [*rsa.PublicKey].
type RSA struct {
	Hash crypto.Hash
	PSS  bool
}

func (s RSA) sign(random io.Reader, key any, in *signed) ([]byte, error) {
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, ErrKey
	}
	digest := in.digest(s.Hash)
	signature, err := memory.Erased(func() ([]byte, error) {
		if s.PSS {
			return rsa.SignPSS(random, private, s.Hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(random, private, s.Hash, digest)
	})
	if err != nil {
		return nil, fmt.Errorf("sign with RSA: %w", err)
	}
	return signature, nil
}

func (RSA) verifies(key any) bool {
	_, ok := key.(*rsa.PublicKey)
	return ok
}

func (s RSA) verify(key any, in *signed, signatures [][]byte) bool {
	public, ok := key.(*rsa.PublicKey)
	return ok && slices.ContainsFunc(signatures, func(signature []byte) bool {
		if s.PSS {
			return rsa.VerifyPSS(public, s.Hash, in.digest(s.Hash), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(public, s.Hash, in.digest(s.Hash), signature) == nil
	})
}

// ECDSA is a signature with ECDSA (FIPS 186-5): with P-256 for SHA-256, P-384 for SHA-384, and
// P-521 for SHA-512. Keys are [*ecdsa.PrivateKey] and [*ecdsa.PublicKey].
type ECDSA struct {
	Hash crypto.Hash
	// P1363 writes r followed by s. Without it, the signature is in DER.
	P1363 bool
}

func (s ECDSA) curve() elliptic.Curve {
	switch s.Hash {
	case crypto.SHA384:
		return elliptic.P384()
	case crypto.SHA512:
		return elliptic.P521()
	default:
		return elliptic.P256()
	}
}

func (s ECDSA) sign(random io.Reader, key any, in *signed) ([]byte, error) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != s.curve() {
		return nil, ErrKey
	}
	digest := in.digest(s.Hash)
	if !s.P1363 {
		signature, err := memory.Erased(func() ([]byte, error) { return ecdsa.SignASN1(random, private, digest) })
		if err != nil {
			return nil, fmt.Errorf("sign with ECDSA: %w", err)
		}
		return signature, nil
	}
	var r, t *big.Int
	_, err := memory.Erased(func() (_ any, err error) {
		r, t, err = ecdsa.Sign(random, private, digest)
		return nil, err
	})
	if err != nil {
		return nil, fmt.Errorf("sign with ECDSA: %w", err)
	}
	size := s.scalarBytes()
	signature := make([]byte, 2*size)
	r.FillBytes(signature[:size])
	t.FillBytes(signature[size:])
	return signature, nil
}

// scalarBytes returns the length of r and of s.
func (s ECDSA) scalarBytes() int { return (s.curve().Params().BitSize + 7) / 8 }

func (s ECDSA) verifies(key any) bool {
	public, ok := key.(*ecdsa.PublicKey)
	return ok && public.Curve == s.curve()
}

func (s ECDSA) verify(key any, in *signed, signatures [][]byte) bool {
	public, ok := key.(*ecdsa.PublicKey)
	return ok && slices.ContainsFunc(signatures, func(signature []byte) bool {
		if !s.P1363 {
			return ecdsa.VerifyASN1(public, in.digest(s.Hash), signature)
		}
		size := s.scalarBytes()
		if len(signature) != 2*size {
			return false
		}
		r, t := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(public, in.digest(s.Hash), r, t)
	})
}

// Ed25519 is a signature with Ed25519 (RFC 8032). Keys are [ed25519.PrivateKey] and
// [ed25519.PublicKey].
type Ed25519 struct{}

func (Ed25519) sign(_ io.Reader, key any, in *signed) ([]byte, error) {
	private, ok := key.(ed25519.PrivateKey)
	if !ok || len(private) != ed25519.PrivateKeySize {
		return nil, ErrKey
	}
	return memory.Erased(func() ([]byte, error) { return ed25519.Sign(private, in.bytes()), nil })
}

func (Ed25519) verifies(key any) bool {
	public, ok := key.(ed25519.PublicKey)
	return ok && len(public) == ed25519.PublicKeySize
}

func (s Ed25519) verify(key any, in *signed, signatures [][]byte) bool {
	public, ok := key.(ed25519.PublicKey)
	return ok && slices.ContainsFunc(signatures, func(signature []byte) bool {
		return ed25519.Verify(public, in.bytes(), signature)
	})
}
