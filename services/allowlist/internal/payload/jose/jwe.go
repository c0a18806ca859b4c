package jose

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"time"
)

// A JWE says how content is encrypted. It is a value and is safe for concurrent use.
type JWE struct {
	// Alg and Enc are the algorithms, by their names in RFC 7518, such as `RSA-OAEP-256`
	// and `A256GCM`.
	Alg, Enc string
	// Header holds additional members of the protected header. `apu` and `apv` are inputs of the
	// key agreement.
	Header map[string]string
	// IssuedAt says whether the header carries the time.
	IssuedAt IssuedAt
	// GCMIVBytes is the length of the GCM IV to write: 0 for 12, or 16, which violates the RFC.
	// With 16, both lengths are read.
	GCMIVBytes int
	// Lenient accepts `+`, `/`, and padding in base64url.
	Lenient bool
	// Compress compresses the plaintext (`zip: DEF`, RFC 7516 section 4.1.3), and requires it of
	// received messages. Without it, compressed messages are refused.
	Compress bool
}

// Check returns what is wrong with the options, or "". A JWE that fails Check returns
// [ErrOptions] from every call.
func (j JWE) Check() string {
	m, ok := managementOf(j.Alg)
	if !ok {
		return "must have a known key management algorithm"
	}
	c, ok := contentOf(j.Enc)
	switch {
	case !ok:
		return "must have a known content encryption algorithm"
	case j.GCMIVBytes != 0 && j.GCMIVBytes != 12 && j.GCMIVBytes != 16:
		return "must have a GCM IV of 12 or 16 bytes"
	case j.GCMIVBytes == 16 && c.mac != 0:
		return "must not set a GCM IV length with a CBC content encryption"
	}
	for _, name := range []string{"apu", "apv"} {
		value, there := j.Header[name]
		if !there {
			continue
		}
		if m.method != agreement {
			return "must have apu and apv with ECDH-ES only"
		}
		if _, err := decode(nil, []byte(value), false); err != nil {
			return "must have apu and apv in base64url"
		}
	}
	return checkMembers(j.Header, j.IssuedAt, "alg", "enc", "zip", "crit", "b64", "epk", "iv", "tag", "p2s", "p2c")
}

// KeyBytes returns the length of the shared key, or 0 if the algorithm uses a key pair.
func (j JWE) KeyBytes() int {
	m, _ := managementOf(j.Alg)
	switch m.method {
	case direct:
		c, _ := contentOf(j.Enc)
		return c.keyBytes
	case keyWrap, gcmWrap:
		return m.wrapBytes
	}
	return 0
}

// Parts are the base64url parts of a message, undecoded.
type Parts struct {
	Protected, EncryptedKey, IV, Ciphertext, Tag []byte
}

// Split returns the parts of a compact serialization. They alias it.
func Split(compact []byte) (Parts, error) {
	if bytes.Count(compact, []byte(".")) != 4 {
		return Parts{}, ErrMessage
	}
	p := bytes.Split(compact, []byte("."))
	return Parts{p[0], p[1], p[2], p[3], p[4]}, nil
}

// Encrypt returns the compact serialization of the plaintext, encrypted to the key: the
// partner's public key, or the shared key. Content keys and IVs are generated from random. The
// standard library generates ephemeral keys and the padding of RSA from its own source.
func (j JWE) Encrypt(now time.Time, random io.Reader, key any, plaintext []byte) ([]byte, error) {
	s, err := j.scheme()
	if err != nil {
		return nil, err
	}
	w := newHeaderText(j.Alg).add("enc", j.Enc)
	if j.Compress {
		w.add("zip", deflate)
		if plaintext, err = deflated(plaintext); err != nil {
			return nil, err
		}
		defer clear(plaintext)
	}
	w.addAll(j.Header, j.IssuedAt, now)
	contentKey, encryptedKey, err := s.wrap(random, key, w)
	if err != nil {
		return nil, err
	}
	defer clear(contentKey)
	iv := make([]byte, s.ivBytes(j.GCMIVBytes))
	if _, err := io.ReadFull(random, iv); err != nil {
		return nil, fmt.Errorf("generate an iv: %w", err)
	}
	aead, err := s.aead(contentKey, len(iv))
	if err != nil {
		return nil, err
	}
	return s.write(aead, w.bytes(), encryptedKey, iv, plaintext), nil
}

// write encrypts the plaintext and returns the message in one buffer of its exact size.
func (c content) write(aead cipher.AEAD, header, encryptedKey, iv, plaintext []byte) []byte {
	n := c.ciphertextLen(len(plaintext))
	size := len("....") + encodedLen(n)
	for _, part := range []int{len(header), len(encryptedKey), len(iv), c.tagBytes} {
		size += encodedLen(part)
	}
	out := encoding.AppendEncode(make([]byte, 0, size), header)
	aad := out
	out = encoding.AppendEncode(append(out, '.'), encryptedKey)
	out = encoding.AppendEncode(append(out, '.'), iv)
	out = append(out, '.')
	// Seal the ciphertext and the tag at the end of the space for their encoded text, then
	// encode them in place.
	text := out[len(out) : len(out)+encodedLen(n)]
	sealed := aead.Seal(text[:len(text)-n][len(text)-n:], iv, plaintext, aad)
	tag := bytes.Clone(sealed[n:])
	encodeInPlace(text, n)
	return encoding.AppendEncode(append(out[:len(out)+len(text)], '.'), tag)
}

// Decrypt decrypts a message with the first key that fits, and returns the position of that key.
// The keys are our private keys, or shared ones. The caller owns the plaintext. A compressed
// plaintext of more than [MaxInflated] bytes is [ErrDecrypt].
func (j JWE) Decrypt(keys []any, p Parts) (plaintext []byte, which int, err error) {
	m, err := j.read(p)
	if err != nil {
		return nil, 0, err
	}
	return m.decrypt(keys)
}

// decrypt tries the keys.
func (m *message) decrypt(keys []any) (plaintext []byte, which int, err error) {
	failure := ErrKey // without keys
	for i, key := range keys {
		plaintext, err := m.open(key)
		switch {
		case err == nil && m.Compress:
			// The content is authentic: another key would not make it another text.
			plaintext, err = inflated(plaintext)
			return plaintext, i, err
		case err == nil:
			return plaintext, i, nil
		case errors.Is(err, ErrUnwrap):
			if i == 0 {
				failure = err
			}
		case errors.Is(err, ErrDecrypt):
			failure = err // it got further than the other keys
		default:
			return nil, 0, err
		}
	}
	return nil, 0, failure
}

// A message is an incoming message whose header and lengths match the options.
type message struct {
	scheme
	header       header
	encryptedKey []byte
	iv, tag      []byte
	parts        Parts
	buffer       []byte
}

// read reads everything except the ciphertext.
func (j JWE) read(p Parts) (*message, error) {
	s, err := j.scheme()
	if err != nil {
		return nil, err
	}
	m := &message{scheme: s, parts: p}
	if m.header, err = readHeader(p.Protected, j.Lenient); err != nil {
		return nil, err
	}
	if !m.header.is("alg", j.Alg) {
		return nil, ErrMessage
	}
	if err := m.readParts(); err != nil {
		return nil, err
	}
	return m, nil
}

// readParts checks the header, except for its `alg`, and reads the short parts.
func (m *message) readParts() (err error) {
	if !m.header.is("enc", m.Enc) || !m.acceptsZip(m.header) || m.header.has("crit") {
		return ErrMessage
	}
	for _, part := range []struct {
		to   *[]byte
		from []byte
	}{{&m.encryptedKey, m.parts.EncryptedKey}, {&m.iv, m.parts.IV}, {&m.tag, m.parts.Tag}} {
		if len(part.from) > maxSmall {
			return ErrMessage
		}
		if *part.to, err = decode(nil, part.from, m.Lenient); err != nil {
			return err
		}
	}
	if m.bare() != (len(m.encryptedKey) == 0) || !m.reads(len(m.iv), m.GCMIVBytes) || len(m.tag) != m.tagBytes {
		return ErrMessage
	}
	return nil
}

// open decrypts the message with the key. All attempts share one buffer; the next attempt
// decodes into it again.
func (m *message) open(key any) ([]byte, error) {
	contentKey, err := m.unwrap(key)
	if err != nil {
		return nil, err
	}
	defer clear(contentKey)
	aead, err := m.aead(contentKey, len(m.iv))
	if err != nil {
		return nil, err
	}
	if m.buffer == nil {
		m.buffer = make([]byte, 0, encoding.DecodedLen(len(m.parts.Ciphertext))+len(m.tag))
	}
	sealed, err := decode(m.buffer, m.parts.Ciphertext, m.Lenient)
	if err != nil {
		return nil, err
	}
	plaintext, err := aead.Open(sealed[:0], m.iv, append(sealed, m.tag...), m.parts.Protected)
	if err != nil {
		return nil, ErrDecrypt
	}
	return plaintext, nil
}
