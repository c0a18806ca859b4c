package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/secp256k1"
)

// maxSignature is the length of a dot and the longest signature.
const maxSignature = 1 + maxSmall

// A signatureMethod is a family of signature algorithms.
type signatureMethod int

const (
	macs signatureMethod = iota
	rsaPKCS1v15
	rsaPSS
	ecdsas
	koblitz // ECDSA on secp256k1
	eddsa
)

// A signing is a signature algorithm (RFC 7518 section 3, RFC 8037 section 3.1, RFC 8812 section 3.2).
type signing struct {
	method signatureMethod
	hash   crypto.Hash
}

// signingOf returns the algorithm of the name.
func signingOf(alg string) (signing, bool) {
	switch alg {
	case "EdDSA":
		return signing{method: eddsa}, true
	case "ES256K":
		return signing{koblitz, crypto.SHA256}, true
	}
	if len(alg) != len("RS256") {
		return signing{}, false
	}
	var hash crypto.Hash
	switch alg[2:] {
	case "256":
		hash = crypto.SHA256
	case "384":
		hash = crypto.SHA384
	case "512":
		hash = crypto.SHA512
	default:
		return signing{}, false
	}
	switch alg[:2] {
	case "HS":
		return signing{macs, hash}, true
	case "RS":
		return signing{rsaPKCS1v15, hash}, true
	case "PS":
		return signing{rsaPSS, hash}, true
	case "ES":
		return signing{ecdsas, hash}, true
	}
	return signing{}, false
}

// curve returns the ECDSA curve that belongs to the hash.
func (s signing) curve() elliptic.Curve {
	switch s.hash {
	case crypto.SHA384:
		return elliptic.P384()
	case crypto.SHA512:
		return elliptic.P521()
	default:
		return elliptic.P256()
	}
}

// scalarBytes returns the length of r and of s: that of the order of the curve in whole bytes.
func (s signing) scalarBytes() int { return (s.curve().Params().BitSize + 7) / 8 }

// digest returns the hash of the input, keyed where the algorithm is a MAC.
func (s signing) digest(key []byte, in input) []byte {
	h := s.hash.New()
	if s.method == macs {
		memory.Do(func() { h = hmac.New(s.hash.New, key) })
	}
	in.writeTo(h)
	return h.Sum(nil)
}

// sign signs the input.
func (s signing) sign(random io.Reader, key any, in input) ([]byte, error) {
	if k, shared := key.([]byte); shared {
		if s.method == macs && len(k) >= s.hash.Size() {
			return s.digest(k, in), nil
		}
		return nil, ErrKey
	}
	return memory.Erased(func() ([]byte, error) { return s.signPrivately(random, key, in) })
}

// signPrivately signs the input with a private key.
func (s signing) signPrivately(random io.Reader, key any, in input) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		switch s.method {
		case rsaPKCS1v15:
			return wrapped(rsa.SignPKCS1v15(random, k, s.hash, s.digest(nil, in)))
		case rsaPSS:
			return wrapped(rsa.SignPSS(random, k, s.hash, s.digest(nil, in), pss))
		}
	case *ecdsa.PrivateKey:
		if s.method == ecdsas && k.Curve == s.curve() {
			return s.signECDSA(random, k, in)
		}
	case *secp256k1.PrivateKey:
		if s.method == koblitz {
			return wrapped(secp256k1.Sign(random, k, [sha256.Size]byte(s.digest(nil, in))))
		}
	case ed25519.PrivateKey:
		if s.method == eddsa && len(k) == ed25519.PrivateKeySize {
			return ed25519.Sign(k, in.bytes()), nil
		}
	}
	return nil, ErrKey
}

// verify reports whether the signature of the input was made with the key.
func (s signing) verify(key any, in input, signature []byte) (bool, error) {
	switch k := key.(type) {
	case []byte:
		if s.method == macs && len(k) >= s.hash.Size() {
			return hmac.Equal(s.digest(k, in), signature), nil
		}
	case *rsa.PublicKey:
		switch s.method {
		case rsaPKCS1v15:
			return rsa.VerifyPKCS1v15(k, s.hash, s.digest(nil, in), signature) == nil, nil
		case rsaPSS:
			return rsa.VerifyPSS(k, s.hash, s.digest(nil, in), signature, pss) == nil, nil
		}
	case *ecdsa.PublicKey:
		if s.method == ecdsas && k.Curve == s.curve() {
			return s.verifyECDSA(k, in, signature), nil
		}
	case *secp256k1.PublicKey:
		if s.method == koblitz {
			return secp256k1.Verify(k, [sha256.Size]byte(s.digest(nil, in)), signature), nil
		}
	case ed25519.PublicKey:
		if s.method == eddsa && len(k) == ed25519.PublicKeySize {
			return ed25519.Verify(k, in.bytes(), signature), nil
		}
	}
	return false, ErrKey
}

// pss uses a salt as long as the hash, for signing and verifying (RFC 7518 section 3.5).
var pss = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}

// signECDSA returns r followed by s, each as long as the order of the curve (RFC 7518 section
// 3.4).
func (s signing) signECDSA(random io.Reader, key *ecdsa.PrivateKey, in input) ([]byte, error) {
	a, b, err := ecdsa.Sign(random, key, s.digest(nil, in))
	if err != nil {
		return wrapped(nil, err)
	}
	half := s.scalarBytes()
	signature := make([]byte, 2*half)
	a.FillBytes(signature[:half])
	b.FillBytes(signature[half:])
	return signature, nil
}

func (s signing) verifyECDSA(key *ecdsa.PublicKey, in input, signature []byte) bool {
	half := s.scalarBytes()
	if len(signature) != 2*half {
		return false
	}
	a, b := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	return ecdsa.Verify(key, s.digest(nil, in), a, b)
}

// bytes returns the input in one piece, for Ed25519, which reads it twice.
func (in input) bytes() []byte {
	if len(in.payload) == 0 {
		return in.head
	}
	var b bytes.Buffer
	b.Grow(len(in.head) + encodedLen(len(in.payload)))
	in.writeTo(&b)
	return b.Bytes()
}

func wrapped(signature []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}
