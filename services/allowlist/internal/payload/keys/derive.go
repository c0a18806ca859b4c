package keys

import (
	"bytes"
	"crypto"
	"crypto/hkdf"
	_ "crypto/md5"  //nolint:gosec // G501: for derivations that partners fixed long ago
	_ "crypto/sha1" //nolint:gosec // G505: for the same, and unbroken in OAEP and HMAC
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/scrypt"
)

// A Function is a way to derive a key.
type Function int

const (
	// Digest is a plain digest of the secret, in an encoding, whole or its beginning.
	Digest Function = iota + 1
	// EVPBytesToKey is OpenSSL's derivation, as in `openssl enc` and CryptoJS.
	EVPBytesToKey
	// PBKDF2 is PBKDF2 with HMAC (RFC 8018 section 5.2).
	PBKDF2
	// Scrypt is scrypt (RFC 7914).
	Scrypt
	// HKDF is HKDF (RFC 5869), extract and expand.
	HKDF
)

// An Encoding says how a digest becomes characters, whose bytes are the key.
type Encoding int

const (
	// EncodeRaw leaves the bytes as they are.
	EncodeRaw Encoding = iota
	// EncodeHex writes lower-case hexadecimal.
	EncodeHex
	// EncodeHexUpper writes upper-case hexadecimal.
	EncodeHexUpper
	// EncodeBase64 writes base64 with padding.
	EncodeBase64
	// EncodeBase64URL writes base64url without padding.
	EncodeBase64URL
)

// A Derivation makes a key of another secret value. Fields that its function does not
// name are not looked at.
type Derivation struct {
	Function Function
	// Hash is that of Digest, EVPBytesToKey, PBKDF2 and HKDF.
	Hash crypto.Hash
	// Iterations is how often EVPBytesToKey and PBKDF2 hash.
	Iterations int
	// N, R and P are the cost, block size and parallelisation of Scrypt.
	N, R, P int
	// Info is that of HKDF.
	Info string
	// Encoding and Take are those of Digest: how many bytes, or characters, of its
	// beginning are the key; 0 means all.
	Encoding Encoding
	Take     int
}

// Piece is how many iterations of a hash are done without a pause, about 10 ms.
const Piece = 50_000

// Derive returns n bytes derived from the secret: the key, and behind it the IV of those
// who derive that too. A Digest takes no salt; the others may have an empty one. It
// fails with [ErrParameters] where Check has a finding.
func (d Derivation) Derive(secret, salt []byte, n int) ([]byte, error) {
	return d.DeriveInPieces(secret, salt, n, func() error { return nil })
}

// DeriveInPieces is Derive, which calls pause between two pieces of [Piece] iterations,
// and ends with the error that it returns. Scrypt has no pauses.
func (d Derivation) DeriveInPieces(secret, salt []byte, n int, pause func() error) ([]byte, error) {
	p := pace{pause: pause}
	if _, finding := d.Check(n); finding != "" {
		return nil, ErrParameters
	}
	var key []byte
	var err error
	switch d.Function {
	case Digest:
		key = d.digest(secret)
	case EVPBytesToKey:
		key, err = d.evpBytesToKey(secret, salt, n, &p)
	case PBKDF2:
		key, err = d.pbkdf2(secret, salt, n, &p)
	case Scrypt:
		key, err = scrypt.Key(secret, salt, d.N, d.R, d.P, n)
	case HKDF:
		key, err = hkdf.Key(d.Hash.New, secret, salt, d.Info, n)
	}
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return key, nil
}

// digest returns the beginning of the encoded digest. Check has compared the lengths.
func (d Derivation) digest(secret []byte) []byte {
	h := d.Hash.New()
	h.Write(secret)
	sum := h.Sum(nil)
	defer clear(sum)
	encoded := d.Encoding.encode(sum)
	if d.Take > 0 {
		clear(encoded[d.Take:])
		encoded = encoded[:d.Take]
	}
	return encoded
}

// evpBytesToKey hashes the digest before, the secret and the salt until there are enough
// bytes; each digest is itself hashed until it has been so Iterations times.
func (d Derivation) evpBytesToKey(secret, salt []byte, n int, p *pace) ([]byte, error) {
	h := d.Hash.New()
	size := h.Size()
	key := make([]byte, 0, n+size)
	sum := make([]byte, 0, size)
	defer clear(sum[:size])
	for len(key) < n {
		h.Reset()
		h.Write(sum)
		h.Write(secret)
		h.Write(salt)
		sum = h.Sum(sum[:0])
		for range d.Iterations - 1 {
			if err := p.step(); err != nil {
				clear(key)
				return nil, err
			}
			h.Reset()
			h.Write(sum)
			sum = h.Sum(sum[:0])
		}
		key = append(key, sum...)
	}
	clear(key[n:])
	return key[:n], nil
}

// encode returns the encoded bytes, always as a copy.
func (e Encoding) encode(b []byte) []byte {
	switch e {
	case EncodeHex:
		return hex.AppendEncode(nil, b)
	case EncodeHexUpper:
		return bytes.ToUpper(hex.AppendEncode(nil, b))
	case EncodeBase64:
		return base64.StdEncoding.AppendEncode(nil, b)
	case EncodeBase64URL:
		return base64.RawURLEncoding.AppendEncode(nil, b)
	default:
		return bytes.Clone(b)
	}
}

// encodedLen returns the length of n encoded bytes, or -1 for an unknown encoding.
func (e Encoding) encodedLen(n int) int {
	switch e {
	case EncodeRaw:
		return n
	case EncodeHex, EncodeHexUpper:
		return hex.EncodedLen(n)
	case EncodeBase64:
		return base64.StdEncoding.EncodedLen(n)
	case EncodeBase64URL:
		return base64.RawURLEncoding.EncodedLen(n)
	default:
		return -1
	}
}
