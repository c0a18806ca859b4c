package jose

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// A method is a way to determine the content key.
type method int

const (
	direct    method = iota // the shared key is the content key
	keyWrap                 // AES Key Wrap
	gcmWrap                 // AES-GCM
	oaep                    // RSAES-OAEP
	pkcs1v15                // RSAES-PKCS1-v1_5
	agreement               // ECDH-ES, with AES Key Wrap if there are wrapBytes
)

// The lengths of the IV and the tag when GCM wraps a key.
const (
	wrapIVBytes  = 12
	wrapTagBytes = 16
)

// A management is a key management algorithm (RFC 7518 section 4).
type management struct {
	method    method
	wrapBytes int         // length of the wrapping AES key
	hash      crypto.Hash // of OAEP
}

// managementOf returns the algorithm of the name.
func managementOf(alg string) (management, bool) {
	switch alg {
	case "dir":
		return management{method: direct}, true
	case "A128KW":
		return management{method: keyWrap, wrapBytes: 16}, true
	case "A256KW":
		return management{method: keyWrap, wrapBytes: 32}, true
	case "A128GCMKW":
		return management{method: gcmWrap, wrapBytes: 16}, true
	case "A256GCMKW":
		return management{method: gcmWrap, wrapBytes: 32}, true
	case "RSA-OAEP":
		return management{method: oaep, hash: crypto.SHA1}, true
	case "RSA-OAEP-256":
		return management{method: oaep, hash: crypto.SHA256}, true
	case "RSA1_5":
		return management{method: pkcs1v15}, true
	case "ECDH-ES":
		return management{method: agreement}, true
	case "ECDH-ES+A128KW":
		return management{method: agreement, wrapBytes: 16}, true
	case "ECDH-ES+A256KW":
		return management{method: agreement, wrapBytes: 32}, true
	}
	return management{}, false
}

// bare reports whether messages have no encrypted key.
func (m management) bare() bool {
	return m.method == direct || m.method == agreement && m.wrapBytes == 0
}

// A scheme is both algorithms of a JWE with valid options.
type scheme struct {
	JWE
	management
	content
}

func (j JWE) scheme() (scheme, error) {
	if j.Check() != "" {
		return scheme{}, ErrOptions
	}
	m, _ := managementOf(j.Alg)
	c, _ := contentOf(j.Enc)
	return scheme{j, m, c}, nil
}

// wrap returns a content key, which the caller owns, and the encrypted key. It adds the
// parameters that the recipient needs to the header.
func (s scheme) wrap(random io.Reader, key any, w *headerText) (contentKey, encryptedKey []byte, err error) {
	if s.bare() {
		contentKey, err = s.secret(random, key, w, s.keyBytes)
		return contentKey, nil, err
	}
	contentKey = make([]byte, s.keyBytes)
	if _, err := io.ReadFull(random, contentKey); err != nil {
		return nil, nil, fmt.Errorf("generate a content key: %w", err)
	}
	switch s.method {
	case oaep:
		encryptedKey, err = keys.OAEP{Hash: s.hash}.Wrap(random, key, contentKey)
		return contentKey, encryptedKey, keyError(err)
	case pkcs1v15:
		encryptedKey, err = keys.PKCS1v15{}.Wrap(random, key, contentKey)
		return contentKey, encryptedKey, keyError(err)
	}
	wrapping, err := s.secret(random, key, w, s.wrapBytes)
	if err != nil {
		return nil, nil, err
	}
	defer clear(wrapping)
	if s.method == gcmWrap {
		encryptedKey, err = wrapGCM(random, wrapping, contentKey, w)
	} else {
		encryptedKey, err = keys.WrapAES(wrapping, contentKey)
	}
	return contentKey, encryptedKey, keyError(err)
}

// secret returns a symmetric key of n bytes: a copy of the shared key, or the result of the key
// agreement.
func (s scheme) secret(random io.Reader, key any, w *headerText, n int) ([]byte, error) {
	if s.method != agreement {
		return shared(key, n)
	}
	secret, epk, err := agree(random, key)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	w.add("epk", epk)
	return s.derive(secret, func(name string) ([]byte, error) { return decode(nil, []byte(s.Header[name]), false) }, n)
}

// derive derives a key of n bytes from the agreed secret; party returns apu and apv.
func (s scheme) derive(secret []byte, party func(name string) ([]byte, error), n int) ([]byte, error) {
	apu, err := party("apu")
	if err != nil {
		return nil, err
	}
	apv, err := party("apv")
	if err != nil {
		return nil, err
	}
	name := s.Alg
	if s.bare() {
		name = s.Enc
	}
	return concatKDF(secret, name, apu, apv, n), nil
}

// unwrap returns the content key of a message. The caller owns it.
func (m *message) unwrap(key any) (contentKey []byte, err error) {
	if m.bare() {
		return m.secret(key, m.keyBytes)
	}
	switch m.method {
	case oaep:
		contentKey, err = keys.OAEP{Hash: m.hash}.Unwrap(key, m.encryptedKey)
	case pkcs1v15:
		// UnwrapKey returns a different key if the encrypted key fails to decrypt. The content
		// then fails to decrypt, too.
		contentKey, err = keys.PKCS1v15{}.UnwrapKey(key, m.encryptedKey, m.keyBytes)
	default:
		var wrapping []byte
		if wrapping, err = m.secret(key, m.wrapBytes); err != nil {
			return nil, err
		}
		defer clear(wrapping)
		if m.method == gcmWrap {
			contentKey, err = m.unwrapGCM(wrapping)
		} else {
			contentKey, err = keys.UnwrapAES(wrapping, m.encryptedKey)
		}
	}
	if err != nil {
		return nil, keyError(err)
	}
	if len(contentKey) != m.keyBytes {
		return nil, ErrUnwrap
	}
	return contentKey, nil
}

// secret is like the method of scheme.
func (m *message) secret(key any, n int) ([]byte, error) {
	if m.method != agreement {
		return shared(key, n)
	}
	secret, err := agreed(key, m.header["epk"])
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return m.derive(secret, func(name string) ([]byte, error) {
		if !m.header.has(name) {
			return nil, nil
		}
		return m.header.bytes(name, -1)
	}, n)
}

// shared returns a copy of a shared key of n bytes.
func shared(key any, n int) ([]byte, error) {
	k, ok := key.([]byte)
	if !ok || len(k) != n {
		return nil, ErrKey
	}
	return bytes.Clone(k), nil
}

// wrapGCM encrypts the content key (RFC 7518 section 4.7).
func wrapGCM(random io.Reader, wrapping, contentKey []byte, w *headerText) ([]byte, error) {
	aead, err := gcm(wrapping)
	if err != nil {
		return nil, err
	}
	iv := make([]byte, wrapIVBytes)
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, fmt.Errorf("generate an iv: %w", err)
	}
	sealed := aead.Seal(nil, iv, contentKey, nil)
	encryptedKey, tag := sealed[:len(contentKey)], sealed[len(contentKey):]
	w.add("iv", encoding.EncodeToString(iv)).add("tag", encoding.EncodeToString(tag))
	return encryptedKey, nil
}

// unwrapGCM decrypts the content key.
func (m *message) unwrapGCM(wrapping []byte) ([]byte, error) {
	iv, err := m.header.bytes("iv", wrapIVBytes)
	if err != nil {
		return nil, err
	}
	tag, err := m.header.bytes("tag", wrapTagBytes)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(wrapping)
	if err != nil {
		return nil, err
	}
	contentKey, err := aead.Open(nil, iv, append(bytes.Clone(m.encryptedKey), tag...), nil)
	if err != nil {
		return nil, ErrUnwrap
	}
	return contentKey, nil
}

func gcm(key []byte) (cipher.AEAD, error) {
	return memory.Erased(func() (cipher.AEAD, error) {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	})
}

// keyError converts the errors of package keys. Callers cannot cause any other errors.
func keyError(err error) error {
	switch {
	case errors.Is(err, keys.ErrUnwrap):
		return ErrUnwrap
	case errors.Is(err, keys.ErrKey), errors.Is(err, keys.ErrLength), errors.Is(err, keys.ErrParameters):
		return ErrKey
	}
	return err
}
