package payload

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // Partners use it; it has to be acknowledged as TRIPLE_DES.
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keyward/keyward/pkg/memory"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// maxTag is the length of a whole tag.
const maxTag = 16

// A mode is a way to use a block cipher, or the one stream cipher.
type mode int

const (
	modeNone mode = iota
	modeGCM
	modeChaCha
	modeCBC
	modeCTR
	modeECB
)

// A suite is a cipher with its sizes in bytes.
type suite struct {
	mode      mode
	tripleDES bool
	key       int
	iv, tag   int
	padding   padding
	// ivInPlaintext puts the IV in front of the plaintext, under an IV of zeros.
	ivInPlaintext bool
}

// suiteOf returns the suite of a cipher. An unknown algorithm has mode none.
func suiteOf(c *allowlistv1.Cipher) suite {
	s := algorithm(c.GetAlgorithm())
	s.padding = paddingOf(c.GetPadding())
	if s.mode == modeCTR || !s.blocks() {
		s.padding = noPadding
	}
	if bytes := int(c.GetTagBytes()); bytes != 0 && s.mode == modeGCM {
		s.tag = bytes
	}
	if bytes := int(c.GetIv().GetBytes()); bytes != 0 {
		s.iv = bytes
	}
	s.ivInPlaintext = c.GetIv().GetSource() == allowlistv1.Iv_SOURCE_IN_PLAINTEXT
	return s
}

// algorithm returns the suite of an algorithm with the usual IV and tag.
func algorithm(a allowlistv1.Cipher_Algorithm) suite {
	const block = aes.BlockSize
	switch a {
	case allowlistv1.Cipher_ALGORITHM_AES_128_GCM:
		return suite{mode: modeGCM, key: 16, iv: 12, tag: maxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_192_GCM:
		return suite{mode: modeGCM, key: 24, iv: 12, tag: maxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_256_GCM:
		return suite{mode: modeGCM, key: 32, iv: 12, tag: maxTag}
	case allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305:
		return suite{mode: modeChaCha, key: 32, iv: 12, tag: maxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CBC:
		return suite{mode: modeCBC, key: 16, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CBC:
		return suite{mode: modeCBC, key: 24, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CBC:
		return suite{mode: modeCBC, key: 32, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CTR:
		return suite{mode: modeCTR, key: 16, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CTR:
		return suite{mode: modeCTR, key: 24, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CTR:
		return suite{mode: modeCTR, key: 32, iv: block}
	case allowlistv1.Cipher_ALGORITHM_AES_128_ECB:
		return suite{mode: modeECB, key: 16}
	case allowlistv1.Cipher_ALGORITHM_AES_192_ECB:
		return suite{mode: modeECB, key: 24}
	case allowlistv1.Cipher_ALGORITHM_AES_256_ECB:
		return suite{mode: modeECB, key: 32}
	case allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC:
		return suite{mode: modeCBC, tripleDES: true, key: 24, iv: des.BlockSize}
	case allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_ECB:
		return suite{mode: modeECB, tripleDES: true, key: 24}
	default:
		return suite{}
	}
}

// aead reports whether the mode authenticates.
func (s suite) aead() bool { return s.mode == modeGCM || s.mode == modeChaCha }

// blocks reports whether the mode takes whole blocks only.
func (s suite) blocks() bool { return s.mode == modeCBC || s.mode == modeECB }

// counter reports whether a key and IV that are used twice give the plaintexts away.
func (s suite) counter() bool { return s.aead() || s.mode == modeCTR }

func (s suite) blockSize() int {
	if s.tripleDES {
		return des.BlockSize
	}
	return aes.BlockSize
}

// keyLengths returns the lengths that a key may have.
func (s suite) keyLengths() []int {
	if s.tripleDES {
		return []int{s.key, 16}
	}
	return []int{s.key}
}

// sealedLen returns the length of the ciphertext of n bytes, without the tag.
func (s suite) sealedLen(n int) int {
	if !s.blocks() {
		return n
	}
	n = s.padding.paddedLen(n, s.blockSize())
	if s.ivInPlaintext {
		n += s.blockSize()
	}
	return n
}

// errPlaintext means that a plaintext is not whole blocks and there is no padding.
var errPlaintext = errors.New("the plaintext is not whole blocks")

// A box is a suite with a key. It may be used for many values, also at the same time. IVs
// have the suite's length: the library panics on others. Where sealing and opening leave
// something of the key behind, they do so within [memory.Do].
type box interface {
	// seal appends ciphertext and tag. The plaintext must not overlap dst.
	seal(dst, iv, plaintext, aad []byte) ([]byte, error)
	// open appends the plaintext. It may overwrite dst up to its capacity even if
	// it fails; dst may begin where sealed begins. Where only the padding is wrong it
	// appends what there is.
	open(dst, iv, sealed, aad []byte) ([]byte, bool)
}

// newBox returns the box for a key.
func (s suite) newBox(key []byte) (box, error) {
	if s.tripleDES && len(key) == 16 {
		key = append(bytes.Clone(key), key[:8]...)
		defer clear(key)
	}
	if len(key) != s.key {
		return nil, keys.ErrSize
	}
	if s.mode == modeChaCha {
		aead, err := chacha20poly1305.New(key)
		return erasing{aeadBox{aead}}, wrapCipher(err)
	}
	block, err := s.block(key)
	if err != nil {
		return nil, wrapCipher(err)
	}
	switch s.mode {
	case modeCBC, modeECB:
		return erasing{blockBox{block: block, suite: s}}, nil
	case modeCTR:
		return erasing{ctrBox{block}}, nil
	}
	var aead cipher.AEAD
	if s.tag < maxTag {
		aead, err = cipher.NewGCMWithTagSize(block, s.tag)
	} else {
		aead, err = cipher.NewGCMWithNonceSize(block, s.iv)
	}
	return aeadBox{aead}, wrapCipher(err)
}

func (s suite) block(key []byte) (cipher.Block, error) {
	if s.tripleDES {
		return des.NewTripleDESCipher(key) //nolint:gosec // See the import.
	}
	return aes.NewCipher(key)
}

func wrapCipher(err error) error {
	if err != nil {
		return fmt.Errorf("make cipher: %w", err)
	}
	return nil
}

// erasing is a box that leaves something of its key behind: on the stack, or in an object for
// each value, as the modes of blocks do.
type erasing struct{ box }

func (b erasing) seal(dst, iv, plaintext, aad []byte) (sealed []byte, err error) {
	memory.Do(func() { sealed, err = b.box.seal(dst, iv, plaintext, aad) })
	return sealed, err
}

func (b erasing) open(dst, iv, sealed, aad []byte) (plaintext []byte, ok bool) {
	memory.Do(func() { plaintext, ok = b.box.open(dst, iv, sealed, aad) })
	return plaintext, ok
}

// aeadBox is GCM or ChaCha20-Poly1305.
type aeadBox struct{ aead cipher.AEAD }

func (b aeadBox) seal(dst, iv, plaintext, aad []byte) ([]byte, error) {
	return b.aead.Seal(dst, iv, plaintext, aad), nil
}

func (b aeadBox) open(dst, iv, sealed, aad []byte) ([]byte, bool) {
	plaintext, err := b.aead.Open(dst, iv, sealed, aad)
	return plaintext, err == nil
}

// ctrBox is Counter mode.
type ctrBox struct{ block cipher.Block }

func (b ctrBox) seal(dst, iv, plaintext, _ []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, plaintext...)
	cipher.NewCTR(b.block, iv).XORKeyStream(dst[start:], dst[start:])
	return dst, nil
}

func (b ctrBox) open(dst, iv, sealed, _ []byte) ([]byte, bool) {
	plaintext, _ := b.seal(dst, iv, sealed, nil)
	return plaintext, true
}

// blockBox is Cipher Block Chaining or Electronic Codebook mode, with padding.
type blockBox struct {
	block cipher.Block
	suite suite
}

func (b blockBox) seal(dst, iv, plaintext, _ []byte) ([]byte, error) {
	size := b.block.BlockSize()
	if b.suite.padding == noPadding && len(plaintext)%size != 0 {
		return dst, errPlaintext
	}
	start := len(dst)
	if b.suite.ivInPlaintext {
		dst = append(dst, iv...)
		iv = make([]byte, size)
	}
	dst = b.suite.padding.append(dst, plaintext, size)
	b.crypt(dst[start:], iv, true)
	return dst, nil
}

func (b blockBox) open(dst, iv, sealed, _ []byte) ([]byte, bool) {
	size := b.block.BlockSize()
	// The library panics on what is not a multiple of the block size.
	if len(sealed)%size != 0 {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, sealed...)
	opened := dst[start:]
	if b.suite.ivInPlaintext {
		if len(opened) < size {
			return dst[:start], false
		}
		iv = make([]byte, size)
	}
	b.crypt(opened, iv, false)
	if b.suite.ivInPlaintext {
		opened = opened[size:]
	}
	n, ok := b.suite.padding.unpaddedLen(opened, size)
	if !ok {
		n = len(opened)
	}
	// A plaintext behind its IV moves to where it belongs.
	return append(dst[:start], opened[:n]...), ok
}

// crypt encrypts or decrypts whole blocks in place.
func (b blockBox) crypt(blocks, iv []byte, encrypt bool) {
	switch {
	case b.suite.mode == modeCBC && encrypt:
		cipher.NewCBCEncrypter(b.block, iv).CryptBlocks(blocks, blocks)
	case b.suite.mode == modeCBC:
		cipher.NewCBCDecrypter(b.block, iv).CryptBlocks(blocks, blocks)
	default:
		size := b.block.BlockSize()
		for ; len(blocks) > 0; blocks = blocks[size:] {
			if encrypt {
				b.block.Encrypt(blocks, blocks)
			} else {
				b.block.Decrypt(blocks, blocks)
			}
		}
	}
}
