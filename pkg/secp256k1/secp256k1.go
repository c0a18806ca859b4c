// Package secp256k1 holds keys on the curve secp256k1 (SEC 2), as packages crypto/ecdsa and
// crypto/x509 hold those on the curves that they know. The arithmetic is that of a library.
package secp256k1

import (
	"crypto"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	cryptobyteasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Name is the name of keys on this curve, like `EC-P256`.
const Name = "EC-secp256k1"

// The lengths in bytes.
const (
	// ScalarBytes is the length of a private key, of a coordinate, and of each half of a signature.
	ScalarBytes = 32
	// SignatureBytes is the length of a signature: r followed by s.
	SignatureBytes = 2 * ScalarBytes
	// digestBytes is the length of what is signed.
	digestBytes = 32
)

// ErrKey means that bytes are not a key on this curve.
var ErrKey = errors.New("secp256k1: not a key on this curve")

// A PublicKey is a point of the curve.
type PublicKey struct{ point *secp256k1.PublicKey }

// A PrivateKey is a scalar, and its point.
type PrivateKey struct{ scalar *secp256k1.PrivateKey }

// GenerateKey generates a private key.
func GenerateKey(random io.Reader) (*PrivateKey, error) {
	scalar, err := secp256k1.GeneratePrivateKeyFromRand(random)
	if err != nil {
		return nil, fmt.Errorf("secp256k1: generate key: %w", err)
	}
	return &PrivateKey{scalar}, nil
}

// NewPrivateKey returns the private key with a scalar of [ScalarBytes] in big-endian order, which is
// between 1 and the order of the curve. It fails with [ErrKey].
func NewPrivateKey(scalar []byte) (*PrivateKey, error) {
	var k secp256k1.ModNScalar
	defer k.Zero()
	if len(scalar) != ScalarBytes || k.SetByteSlice(scalar) || k.IsZero() {
		return nil, ErrKey
	}
	return &PrivateKey{secp256k1.NewPrivateKey(&k)}, nil
}

// NewPublicKey returns the public key with a point, compressed or not (SEC 1 section 2.3.3). It fails
// with [ErrKey].
func NewPublicKey(point []byte) (*PublicKey, error) {
	key, err := secp256k1.ParsePubKey(point)
	if err != nil || point[0] != 2 && point[0] != 3 && point[0] != 4 {
		return nil, ErrKey
	}
	return &PublicKey{key}, nil
}

// Public returns the public key, a [*PublicKey].
func (k *PrivateKey) Public() crypto.PublicKey { return k.public() }

func (k *PrivateKey) public() *PublicKey { return &PublicKey{k.scalar.PubKey()} }

// Equal reports whether another key is the same.
func (k *PrivateKey) Equal(other crypto.PrivateKey) bool {
	o, ok := other.(*PrivateKey)
	if !ok {
		return false
	}
	a, b := k.scalar.Serialize(), o.scalar.Serialize()
	defer clear(a)
	defer clear(b)
	return subtle.ConstantTimeCompare(a, b) == 1
}

// Equal reports whether another key is the same.
func (k *PublicKey) Equal(other crypto.PublicKey) bool {
	o, ok := other.(*PublicKey)
	return ok && k.point.IsEqual(o.point)
}

// Bytes returns the uncompressed point: 4, and then x and y (SEC 1 section 2.3.3).
func (k *PublicKey) Bytes() []byte { return k.point.SerializeUncompressed() }

// Sign returns the signature of a SHA-256 digest: r followed by s, each of [ScalarBytes] in
// big-endian order (IEEE P1363, RFC 8812). s is in the lower half of its range.
//
// The library multiplies points and inverts scalars in a time that depends on them. So Sign splits
// the nonce into two random summands before the one, and multiplies it with a random factor before
// the other.
func Sign(random io.Reader, key *PrivateKey, digest [digestBytes]byte) ([]byte, error) {
	var hedge [ScalarBytes]byte
	defer clear(hedge[:])
	secret := key.scalar.Serialize()
	defer clear(secret)
	var e secp256k1.ModNScalar
	e.SetBytes(&digest) // modulo the order
	for attempt := uint32(0); ; attempt++ {
		if _, err := io.ReadFull(random, hedge[:]); err != nil {
			return nil, fmt.Errorf("secp256k1: sign: %w", err)
		}
		nonce := secp256k1.NonceRFC6979(secret, digest[:], hedge[:], nil, attempt)
		r, err := abscissa(random, nonce)
		if err != nil {
			return nil, err
		}
		s, err := inverse(random, nonce)
		if err != nil {
			return nil, err
		}
		nonce.Zero()
		s.Mul(new(secp256k1.ModNScalar).Mul2(r, &key.scalar.Key).Add(&e))
		if s.IsOverHalfOrder() {
			s.Negate()
		}
		if r.IsZero() || s.IsZero() {
			continue // in one of 2^256 signatures
		}
		out := make([]byte, SignatureBytes)
		r.PutBytesUnchecked(out[:ScalarBytes])
		s.PutBytesUnchecked(out[ScalarBytes:])
		return out, nil
	}
}

// abscissa returns the x coordinate of the point of a nonce, modulo the order.
func abscissa(random io.Reader, nonce *secp256k1.ModNScalar) (*secp256k1.ModNScalar, error) {
	mask, err := secp256k1.GeneratePrivateKeyFromRand(random)
	if err != nil {
		return nil, fmt.Errorf("secp256k1: sign: %w", err)
	}
	defer mask.Zero()
	var a, b, sum secp256k1.JacobianPoint
	secp256k1.ScalarBaseMultNonConst(&mask.Key, &a)
	rest := new(secp256k1.ModNScalar).NegateVal(&mask.Key).Add(nonce)
	defer rest.Zero()
	secp256k1.ScalarBaseMultNonConst(rest, &b)
	secp256k1.AddNonConst(&a, &b, &sum)
	sum.ToAffine()
	x := new(secp256k1.ModNScalar)
	x.SetBytes(sum.X.Bytes())
	return x, nil
}

// inverse returns the inverse of a nonce.
func inverse(random io.Reader, nonce *secp256k1.ModNScalar) (*secp256k1.ModNScalar, error) {
	mask, err := secp256k1.GeneratePrivateKeyFromRand(random)
	if err != nil {
		return nil, fmt.Errorf("secp256k1: sign: %w", err)
	}
	defer mask.Zero()
	masked := new(secp256k1.ModNScalar).Mul2(nonce, &mask.Key)
	defer masked.Zero()
	return new(secp256k1.ModNScalar).InverseValNonConst(masked).Mul(&mask.Key), nil
}

// Verify reports whether the signature of a digest was made with the private key of a public key. It
// accepts an s in either half of its range.
func Verify(key *PublicKey, digest [digestBytes]byte, signature []byte) bool {
	var r, s secp256k1.ModNScalar
	if len(signature) != SignatureBytes || r.SetByteSlice(signature[:ScalarBytes]) || s.SetByteSlice(signature[ScalarBytes:]) {
		return false
	}
	return ecdsa.NewSignature(&r, &s).Verify(digest[:], key.point)
}

// The object identifiers of elliptic curve keys (RFC 5480) and of the curve (SEC 2).
var (
	oidKey   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidCurve = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// The explicit tags of an ECPrivateKey (RFC 5915).
var (
	tagParameters = cryptobyteasn1.Tag(0).Constructed().ContextSpecific()
	tagPublic     = cryptobyteasn1.Tag(1).Constructed().ContextSpecific()
)

// ParsePKIXPublicKey parses a SubjectPublicKeyInfo in DER (RFC 5480). It fails with [ErrKey].
func ParsePKIXPublicKey(der []byte) (*PublicKey, error) {
	input := cryptobyte.String(der)
	var body cryptobyte.String
	var point []byte
	if !input.ReadASN1(&body, cryptobyteasn1.SEQUENCE) || !input.Empty() || !readAlgorithm(&body) ||
		!body.ReadASN1BitStringAsBytes(&point) || !body.Empty() {
		return nil, ErrKey
	}
	return NewPublicKey(point)
}

// ParsePKCS8PrivateKey parses an unencrypted PrivateKeyInfo in DER (RFC 5208). It fails with [ErrKey].
func ParsePKCS8PrivateKey(der []byte) (*PrivateKey, error) {
	input := cryptobyte.String(der)
	var body, key cryptobyte.String
	var version int
	if !input.ReadASN1(&body, cryptobyteasn1.SEQUENCE) || !input.Empty() || !body.ReadASN1Integer(&version) || version != 0 ||
		!readAlgorithm(&body) || !body.ReadASN1(&key, cryptobyteasn1.OCTET_STRING) {
		return nil, ErrKey
	}
	return parseEC(key, false)
}

// ParseECPrivateKey parses an ECPrivateKey in DER that names the curve (RFC 5915, SEC 1). It fails
// with [ErrKey].
func ParseECPrivateKey(der []byte) (*PrivateKey, error) { return parseEC(der, true) }

// parseEC parses an ECPrivateKey. Its public key must be that of its private key.
func parseEC(input cryptobyte.String, named bool) (*PrivateKey, error) {
	var body, scalar, parameters, public cryptobyte.String
	var version int
	var hasParameters, hasPublic bool
	if !input.ReadASN1(&body, cryptobyteasn1.SEQUENCE) || !input.Empty() || !body.ReadASN1Integer(&version) || version != 1 ||
		!body.ReadASN1(&scalar, cryptobyteasn1.OCTET_STRING) ||
		!body.ReadOptionalASN1(&parameters, &hasParameters, tagParameters) ||
		!body.ReadOptionalASN1(&public, &hasPublic, tagPublic) || !body.Empty() ||
		named && !hasParameters || hasParameters && !isCurve(&parameters) {
		return nil, ErrKey
	}
	key, err := NewPrivateKey(scalar)
	if err != nil || !hasPublic {
		return key, err
	}
	var point []byte
	if !public.ReadASN1BitStringAsBytes(&point) || !public.Empty() {
		return nil, ErrKey
	}
	if given, err := NewPublicKey(point); err != nil || !key.public().Equal(given) {
		return nil, ErrKey
	}
	return key, nil
}

// readAlgorithm reads the AlgorithmIdentifier of a key on this curve.
func readAlgorithm(input *cryptobyte.String) bool {
	var body cryptobyte.String
	var key asn1.ObjectIdentifier
	return input.ReadASN1(&body, cryptobyteasn1.SEQUENCE) && body.ReadASN1ObjectIdentifier(&key) && key.Equal(oidKey) && isCurve(&body)
}

// isCurve reports whether the rest of an input names the curve.
func isCurve(input *cryptobyte.String) bool {
	var curve asn1.ObjectIdentifier
	return input.ReadASN1ObjectIdentifier(&curve) && curve.Equal(oidCurve) && input.Empty()
}

// MarshalPKIXPublicKey returns the SubjectPublicKeyInfo in DER (RFC 5480).
func MarshalPKIXPublicKey(key *PublicKey) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		addAlgorithm(b)
		b.AddASN1BitString(key.Bytes())
	})
	return b.BytesOrPanic() // of parts that are never too long
}

// MarshalPKCS8PrivateKey returns the PrivateKeyInfo in DER (RFC 5208). The caller zeroes it.
func MarshalPKCS8PrivateKey(key *PrivateKey) []byte {
	scalar := key.scalar.Serialize()
	defer clear(scalar)
	b := cryptobyte.NewBuilder(make([]byte, 0, 256)) // does not grow, which would leave a copy
	b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(0)
		addAlgorithm(b)
		b.AddASN1(cryptobyteasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
			b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1Int64(1)
				b.AddASN1OctetString(scalar)
				b.AddASN1(tagPublic, func(b *cryptobyte.Builder) { b.AddASN1BitString(key.public().Bytes()) })
			})
		})
	})
	return b.BytesOrPanic()
}

func addAlgorithm(b *cryptobyte.Builder) {
	b.AddASN1(cryptobyteasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oidKey)
		b.AddASN1ObjectIdentifier(oidCurve)
	})
}
