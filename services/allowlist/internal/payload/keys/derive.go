package keys

import (
	"bytes"
	"crypto"
	"crypto/hkdf"
	_ "crypto/md5"  //nolint:gosec // G501: existing partner derivations use MD5
	_ "crypto/sha1" //nolint:gosec // G505: as for MD5; SHA-1 is unbroken in OAEP and HMAC
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/scrypt"
)

// A Function is a key derivation function.
type Function int

const (
	// Digest is a plain digest of the secret, encoded, and possibly truncated.
	Digest Function = iota + 1
	// EVPBytesToKey is OpenSSL's derivation, which `openssl enc` and CryptoJS use.
	EVPBytesToKey
	// PBKDF2 is PBKDF2 with HMAC (RFC 8018 section 5.2).
	PBKDF2
	// Scrypt is scrypt (RFC 7914).
	Scrypt
	// HKDF is HKDF (RFC 5869), extract and expand.
	HKDF
	// Counter hashes a counter, the secret, and an info: the one-step derivation of NIST SP 800-56C,
	// or that of ANSI X9.63 (SEC 1 section 3.6.1) if the counter follows the secret.
	Counter
)

// An Encoding turns a digest into characters. The bytes of the characters are the key.
type Encoding int

const (
	// EncodeRaw leaves the digest as it is.
	EncodeRaw Encoding = iota
	// EncodeHex writes lowercase hexadecimal.
	EncodeHex
	// EncodeHexUpper writes uppercase hexadecimal.
	EncodeHexUpper
	// EncodeBase64 writes base64 with padding.
	EncodeBase64
	// EncodeBase64URL writes base64url without padding.
	EncodeBase64URL
)

// A Derivation derives a key from another secret value. It ignores the fields that its function
// does not use.
type Derivation struct {
	Function Function
	// Hash is the hash of Digest, EVPBytesToKey, PBKDF2, HKDF, and Counter.
	Hash crypto.Hash
	// Iterations is the number of hash iterations of EVPBytesToKey and PBKDF2.
	Iterations int
	// N, R, and P are the cost, block size, and parallelization of Scrypt.
	N, R, P int
	// Info is the info of HKDF and Counter.
	Info string
	// CounterAfter says that the counter follows the secret.
	CounterAfter bool
	// Encoding and Take belong to Digest. The key is the first Take bytes, or characters, of the
	// encoded digest; 0 means all of it.
	Encoding Encoding
	Take     int
}

// Piece is the number of hash iterations to run without a pause, about 10 ms.
const Piece = 50_000

// Derive returns n bytes derived from the secret: the key, followed by the IV for partners that
// derive it, too. A Digest and a Counter take no salt; the other functions accept an empty one. Derive
// fails with [ErrParameters] if Check reports a violation.
func (d Derivation) Derive(secret, salt []byte, n int) ([]byte, error) {
	return d.DeriveInPieces(secret, salt, n, func() error { return nil })
}

// DeriveInPieces is like Derive, but calls pause between two pieces of [Piece] iterations, and
// returns its error if it fails. Scrypt does not pause.
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
	case Counter:
		key = d.counter(secret, n)
	}
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return key, nil
}

// digest returns the beginning of the encoded digest. Check has already compared the lengths.
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

// counter hashes the secret with counters from 1 until there are enough bytes.
func (d Derivation) counter(secret []byte, n int) []byte {
	h := d.Hash.New()
	key := make([]byte, 0, n+h.Size())
	for i := uint32(1); len(key) < n; i++ {
		counter := binary.BigEndian.AppendUint32(nil, i)
		h.Reset()
		if d.CounterAfter {
			h.Write(secret)
			h.Write(counter)
		} else {
			h.Write(counter)
			h.Write(secret)
		}
		h.Write([]byte(d.Info))
		key = h.Sum(key)
	}
	clear(key[n:])
	return key[:n]
}

// evpBytesToKey hashes the previous digest, the secret, and the salt until there are enough
// bytes. Each digest is hashed Iterations times in all.
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

// encodedLen returns the encoded length of n bytes, or -1 for an unknown encoding.
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
