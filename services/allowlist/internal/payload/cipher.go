package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

const maxKeys = 4

// A mode is a way to use a block cipher.
type mode int

const (
	modeNone mode = iota
	modeGCM
	modeCBC
)

// A suite is a cipher with its sizes in bytes.
type suite struct {
	mode    mode
	key     int
	iv, tag int
}

// suiteOf returns the suite of an algorithm with the usual IV. An unknown
// algorithm has the zero suite.
func suiteOf(c *allowlistv1.Cipher) suite {
	switch c.GetAlgorithm() {
	case allowlistv1.Cipher_ALGORITHM_AES_128_GCM:
		return suite{mode: modeGCM, key: 16, iv: 12, tag: 16}
	case allowlistv1.Cipher_ALGORITHM_AES_192_GCM:
		return suite{mode: modeGCM, key: 24, iv: 12, tag: 16}
	case allowlistv1.Cipher_ALGORITHM_AES_256_GCM:
		return suite{mode: modeGCM, key: 32, iv: 12, tag: 16}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CBC:
		return suite{mode: modeCBC, key: 16, iv: aes.BlockSize}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CBC:
		return suite{mode: modeCBC, key: 24, iv: aes.BlockSize}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CBC:
		return suite{mode: modeCBC, key: 32, iv: aes.BlockSize}
	default:
		return suite{}
	}
}

// cipher checks a cipher and returns its suite and keys.
func (f *findings) cipher(path string, c *allowlistv1.Cipher) (suite, []keySource) {
	s := suiteOf(c)
	if s.mode == modeNone {
		f.add(path+".algorithm", "must be a known algorithm")
	}
	if bytes := int(c.GetIv().GetBytes()); bytes != 0 {
		switch {
		case s.mode == modeGCM && bytes != 12 && bytes != 16:
			f.add(path+".iv.bytes", "must be 12 or 16 for GCM")
		case s.mode == modeCBC && bytes != aes.BlockSize:
			f.add(path+".iv.bytes", "must be 16 for CBC")
		}
		s.iv = bytes
	}
	if c.GetSharedKey() == nil {
		f.add(path+".shared_key", "is required")
		return s, nil
	}
	refs := c.GetSharedKey().GetKeys()
	switch field := path + ".shared_key.keys"; {
	case len(refs) == 0 || len(refs) > maxKeys:
		f.add(field, "must hold 1-4 keys")
	case s.mode == modeCBC && len(refs) > 1:
		f.add(field, "must hold exactly 1 key for CBC")
	}
	keys := make([]keySource, len(refs))
	for i, ref := range refs {
		keys[i] = newKeySource(fmt.Sprintf("%s.shared_key.keys[%d]", path, i), ref)
	}
	return s, keys
}

// A box is a suite with a key. It may be used for many messages, one at a time.
type box interface {
	// sealedLen returns the length of the ciphertext of n bytes, without the tag.
	sealedLen(n int) int
	// seal appends ciphertext and tag. The plaintext must not overlap dst.
	seal(dst, iv, plaintext []byte) []byte
	// open appends the plaintext. It may overwrite dst up to its capacity even if
	// it fails; dst may begin where sealed begins.
	open(dst, iv, sealed []byte) ([]byte, bool)
}

// newBox returns the box for the stored bytes of a key.
func (s suite) newBox(source keySource, stored sensitive.Bytes) (made box, err error) {
	err = source.use(stored, func(key []byte) error {
		if len(key) != s.key {
			return errKeyLength
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return fmt.Errorf("make cipher: %w", err)
		}
		if s.mode == modeCBC {
			made = cbcBox{block}
			return nil
		}
		aead, err := cipher.NewGCMWithNonceSize(block, s.iv)
		if err != nil {
			return fmt.Errorf("make cipher: %w", err)
		}
		made = gcmBox{aead}
		return nil
	})
	return made, err
}

// gcmBox is AES in Galois/Counter Mode. Envelopes see to the length of the IV:
// the library panics on another one.
type gcmBox struct{ aead cipher.AEAD }

func (gcmBox) sealedLen(n int) int { return n }

func (b gcmBox) seal(dst, iv, plaintext []byte) []byte {
	return b.aead.Seal(dst, iv, plaintext, nil)
}

func (b gcmBox) open(dst, iv, sealed []byte) ([]byte, bool) {
	plaintext, err := b.aead.Open(dst, iv, sealed, nil)
	return plaintext, err == nil
}

// cbcBox is AES in Cipher Block Chaining mode with PKCS #7 padding.
type cbcBox struct{ block cipher.Block }

func (cbcBox) sealedLen(n int) int { return n - n%aes.BlockSize + aes.BlockSize }

func (b cbcBox) seal(dst, iv, plaintext []byte) []byte {
	start := len(dst)
	dst = appendPadded(dst, plaintext)
	cipher.NewCBCEncrypter(b.block, iv).CryptBlocks(dst[start:], dst[start:])
	return dst
}

func (b cbcBox) open(dst, iv, sealed []byte) ([]byte, bool) {
	// The library panics on what is not a multiple of the block size.
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, sealed...)
	cipher.NewCBCDecrypter(b.block, iv).CryptBlocks(dst[start:], dst[start:])
	n, ok := unpaddedLen(dst[start:])
	if !ok {
		return dst[:start], false
	}
	return dst[:start+n], true
}
