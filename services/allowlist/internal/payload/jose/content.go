package jose

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"hash"

	"github.com/keyward/keyward/pkg/memory"
)

// A content is a content cipher (RFC 7518 section 5).
type content struct {
	keyBytes int
	tagBytes int
	mac      crypto.Hash // 0: GCM
}

// contentOf returns the content cipher of the name.
func contentOf(enc string) (content, bool) {
	switch enc {
	case "A128GCM":
		return content{keyBytes: 16, tagBytes: 16}, true
	case "A192GCM":
		return content{keyBytes: 24, tagBytes: 16}, true
	case "A256GCM":
		return content{keyBytes: 32, tagBytes: 16}, true
	case "A128CBC-HS256":
		return content{keyBytes: 32, tagBytes: 16, mac: crypto.SHA256}, true
	case "A192CBC-HS384":
		return content{keyBytes: 48, tagBytes: 24, mac: crypto.SHA384}, true
	case "A256CBC-HS512":
		return content{keyBytes: 64, tagBytes: 32, mac: crypto.SHA512}, true
	}
	return content{}, false
}

// ivBytes returns the length of the IV to write.
func (c content) ivBytes(gcm int) int {
	switch {
	case c.mac != 0:
		return aes.BlockSize
	case gcm == 0:
		return 12
	}
	return gcm
}

// reads reports whether an IV of n bytes is accepted when GCMIVBytes is gcm.
func (c content) reads(n, gcm int) bool {
	return n == c.ivBytes(0) || n == c.ivBytes(gcm)
}

// ciphertextLen returns the length of the ciphertext for n bytes of plaintext.
func (c content) ciphertextLen(n int) int {
	if c.mac != 0 {
		return n + aes.BlockSize - n%aes.BlockSize
	}
	return n
}

// aead returns the cipher with its key, for IVs of n bytes. The key must have the right length.
func (c content) aead(key []byte, n int) (cipher.AEAD, error) {
	return memory.Erased(func() (cipher.AEAD, error) { return c.newAEAD(key, n) })
}

func (c content) newAEAD(key []byte, n int) (cipher.AEAD, error) {
	if c.mac == 0 {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCMWithNonceSize(block, n)
	}
	block, err := aes.NewCipher(key[len(key)/2:])
	if err != nil {
		return nil, err
	}
	return &cbcHMAC{block: block, hash: c.mac, key: key[:len(key)/2]}, nil
}

// A cbcHMAC is AES in CBC mode followed by an HMAC (RFC 7518 section 5.2), as a [cipher.AEAD].
// It borrows its key.
type cbcHMAC struct {
	block cipher.Block
	hash  crypto.Hash
	key   []byte
}

var errTag = errors.New("the tag is wrong")

// NonceSize returns the length of the IV.
func (c *cbcHMAC) NonceSize() int { return aes.BlockSize }

// Overhead returns the maximum number of bytes that sealing adds to a message.
func (c *cbcHMAC) Overhead() int { return aes.BlockSize + len(c.key) }

// Seal appends the ciphertext and the tag to dst.
func (c *cbcHMAC) Seal(dst, iv, plaintext, aad []byte) []byte {
	start := len(dst)
	dst = append(dst, plaintext...)
	fill := aes.BlockSize - len(plaintext)%aes.BlockSize
	for range fill {
		dst = append(dst, byte(fill))
	}
	ciphertext := dst[start:]
	memory.Do(func() { cipher.NewCBCEncrypter(c.block, iv).CryptBlocks(ciphertext, ciphertext) }) // it copies the key
	return append(dst, c.tag(iv, ciphertext, aad)...)
}

// Open appends the plaintext to dst, which may be the beginning of sealed. It checks the tag
// before it decrypts.
func (c *cbcHMAC) Open(dst, iv, sealed, aad []byte) ([]byte, error) {
	n := len(sealed) - len(c.key)
	if n < aes.BlockSize || n%aes.BlockSize != 0 {
		return nil, errTag
	}
	if subtle.ConstantTimeCompare(c.tag(iv, sealed[:n], aad), sealed[n:]) != 1 {
		return nil, errTag
	}
	start := len(dst)
	dst = append(dst, sealed[:n]...)
	plaintext := dst[start:]
	memory.Do(func() { cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(plaintext, plaintext) })
	// The tag is valid, so the sender knows the key and chose this padding. An error reveals
	// nothing to them.
	fill := int(plaintext[n-1])
	if fill == 0 || fill > aes.BlockSize {
		return nil, errTag
	}
	for _, b := range plaintext[n-fill:] {
		if int(b) != fill {
			return nil, errTag
		}
	}
	return dst[:start+n-fill], nil
}

// tag returns the first half of the MAC over the associated data, the IV, the ciphertext, and
// the length of the associated data in bits.
func (c *cbcHMAC) tag(iv, ciphertext, aad []byte) []byte {
	var mac hash.Hash
	memory.Do(func() { mac = hmac.New(c.hash.New, c.key) })
	mac.Write(aad)
	mac.Write(iv)
	mac.Write(ciphertext)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(aad))*8))
	return mac.Sum(nil)[:len(c.key)]
}
