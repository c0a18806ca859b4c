package symmetric

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // Partners use it; it must be acknowledged as TRIPLE_DES.
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/keyward/keyward/pkg/memory"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// MaxTag is the length of a full tag.
const MaxTag = 16

// A Mode is a mode of operation of a block cipher, or the only stream cipher.
type Mode int

// The modes.
const (
	ModeNone Mode = iota // for an unknown algorithm
	ModeGCM
	ModeChaCha
	ModeCBC
	ModeCTR
	ModeECB
	ModeCFB // with segments of a block
	ModeOFB
)

// A Suite is a cipher with its sizes in bytes.
type Suite struct {
	Mode      Mode
	TripleDES bool
	Key       int
	IV, Tag   int
	Padding   Padding
	// IVInPlaintext puts the IV in front of the plaintext, under an IV of zeros.
	IVInPlaintext bool
}

// SuiteOf returns the suite of a cipher. An unknown algorithm has no mode.
func SuiteOf(c *allowlistv1.Cipher) Suite {
	s := algorithm(c.GetAlgorithm())
	s.Padding = PaddingOf(c.GetPadding())
	if !s.Blocks() {
		s.Padding = NoPadding
	}
	if bytes := int(c.GetTagBytes()); bytes != 0 && s.Mode == ModeGCM {
		s.Tag = bytes
	}
	if bytes := int(c.GetIv().GetBytes()); bytes != 0 {
		s.IV = bytes
	}
	s.IVInPlaintext = c.GetIv().GetSource() == allowlistv1.Iv_SOURCE_IN_PLAINTEXT
	return s
}

// algorithm returns the suite of an algorithm with the usual sizes of IV and tag.
func algorithm(a allowlistv1.Cipher_Algorithm) Suite {
	const block = aes.BlockSize
	switch a {
	case allowlistv1.Cipher_ALGORITHM_AES_128_GCM:
		return Suite{Mode: ModeGCM, Key: 16, IV: 12, Tag: MaxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_192_GCM:
		return Suite{Mode: ModeGCM, Key: 24, IV: 12, Tag: MaxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_256_GCM:
		return Suite{Mode: ModeGCM, Key: 32, IV: 12, Tag: MaxTag}
	case allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305:
		return Suite{Mode: ModeChaCha, Key: 32, IV: 12, Tag: MaxTag}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CBC:
		return Suite{Mode: ModeCBC, Key: 16, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CBC:
		return Suite{Mode: ModeCBC, Key: 24, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CBC:
		return Suite{Mode: ModeCBC, Key: 32, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CTR:
		return Suite{Mode: ModeCTR, Key: 16, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CTR:
		return Suite{Mode: ModeCTR, Key: 24, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CTR:
		return Suite{Mode: ModeCTR, Key: 32, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_128_ECB:
		return Suite{Mode: ModeECB, Key: 16}
	case allowlistv1.Cipher_ALGORITHM_AES_192_ECB:
		return Suite{Mode: ModeECB, Key: 24}
	case allowlistv1.Cipher_ALGORITHM_AES_256_ECB:
		return Suite{Mode: ModeECB, Key: 32}
	case allowlistv1.Cipher_ALGORITHM_AES_128_CFB:
		return Suite{Mode: ModeCFB, Key: 16, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_CFB:
		return Suite{Mode: ModeCFB, Key: 24, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_CFB:
		return Suite{Mode: ModeCFB, Key: 32, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_128_OFB:
		return Suite{Mode: ModeOFB, Key: 16, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_192_OFB:
		return Suite{Mode: ModeOFB, Key: 24, IV: block}
	case allowlistv1.Cipher_ALGORITHM_AES_256_OFB:
		return Suite{Mode: ModeOFB, Key: 32, IV: block}
	case allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC:
		return Suite{Mode: ModeCBC, TripleDES: true, Key: 24, IV: des.BlockSize}
	case allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_ECB:
		return Suite{Mode: ModeECB, TripleDES: true, Key: 24}
	default:
		return Suite{}
	}
}

// AEAD reports whether the mode authenticates.
func (s Suite) AEAD() bool { return s.Mode == ModeGCM || s.Mode == ModeChaCha }

// Blocks reports whether the mode only takes whole blocks.
func (s Suite) Blocks() bool { return s.Mode == ModeCBC || s.Mode == ModeECB }

// Stream reports whether the mode adds a key stream to the plaintext and does not authenticate.
func (s Suite) Stream() bool { return s.Mode == ModeCTR || s.Mode == ModeCFB || s.Mode == ModeOFB }

// Counter reports whether the mode reveals plaintexts if a key and IV are used twice. CFB reveals
// the difference of the first blocks that differ, and not only that they do.
func (s Suite) Counter() bool { return s.AEAD() || s.Stream() }

// BlockSize returns the length of a block.
func (s Suite) BlockSize() int {
	if s.TripleDES {
		return des.BlockSize
	}
	return aes.BlockSize
}

// KeyLengths returns the lengths that a key may have.
func (s Suite) KeyLengths() []int {
	if s.TripleDES {
		return []int{s.Key, 16}
	}
	return []int{s.Key}
}

// SealedLen returns the length of the ciphertext of n bytes, without the tag.
func (s Suite) SealedLen(n int) int {
	if !s.Blocks() {
		return n
	}
	n = s.Padding.paddedLen(n, s.BlockSize())
	if s.IVInPlaintext {
		n += s.BlockSize()
	}
	return n
}

// ErrPlaintext means that a plaintext is not a multiple of the block size and there is no padding.
var ErrPlaintext = errors.New("the plaintext is not a multiple of the block size")

// A Box is a suite with a key. It may be used for many values and is safe for concurrent use. IVs
// must have the suite's length, because the library panics on others. If Seal and Open leave
// traces of the key in memory, they run within [memory.Do].
type Box interface {
	// Seal appends ciphertext and tag. The plaintext must not overlap dst.
	Seal(dst, iv, plaintext, aad []byte) ([]byte, error)
	// Open appends the plaintext. It may overwrite dst up to its capacity even if it fails; dst may
	// begin where sealed begins. If only the padding is wrong, it appends the decrypted bytes.
	Open(dst, iv, sealed, aad []byte) ([]byte, bool)
}

// NewBox returns a box with the key.
func (s Suite) NewBox(key []byte) (Box, error) {
	if s.TripleDES && len(key) == 16 {
		key = append(bytes.Clone(key), key[:8]...)
		defer clear(key)
	}
	if len(key) != s.Key {
		return nil, keys.ErrSize
	}
	if s.Mode == ModeChaCha {
		aead, err := chacha20poly1305.New(key)
		return erasing{aeadBox{aead}}, wrapCipher(err)
	}
	block, err := s.block(key)
	if err != nil {
		return nil, wrapCipher(err)
	}
	switch s.Mode {
	case ModeCBC, ModeECB:
		return erasing{blockBox{block: block, suite: s}}, nil
	case ModeCTR, ModeCFB, ModeOFB:
		return erasing{streamBox{block: block, mode: s.Mode}}, nil
	}
	var aead cipher.AEAD
	if s.Tag < MaxTag {
		aead, err = cipher.NewGCMWithTagSize(block, s.Tag)
	} else {
		aead, err = cipher.NewGCMWithNonceSize(block, s.IV)
	}
	return aeadBox{aead}, wrapCipher(err)
}

func (s Suite) block(key []byte) (cipher.Block, error) {
	if s.TripleDES {
		return des.NewTripleDESCipher(key) //nolint:gosec // See the import.
	}
	return aes.NewCipher(key)
}

func wrapCipher(err error) error {
	if err != nil {
		return fmt.Errorf("create cipher: %w", err)
	}
	return nil
}

// erasing wraps a box that leaves traces of its key in memory: on the stack, or, like the block
// modes, in an object for each value.
type erasing struct{ Box }

func (b erasing) Seal(dst, iv, plaintext, aad []byte) (sealed []byte, err error) {
	memory.Do(func() { sealed, err = b.Box.Seal(dst, iv, plaintext, aad) })
	return sealed, err
}

func (b erasing) Open(dst, iv, sealed, aad []byte) (plaintext []byte, ok bool) {
	memory.Do(func() { plaintext, ok = b.Box.Open(dst, iv, sealed, aad) })
	return plaintext, ok
}

// aeadBox is GCM or ChaCha20-Poly1305.
type aeadBox struct{ aead cipher.AEAD }

func (b aeadBox) Seal(dst, iv, plaintext, aad []byte) ([]byte, error) {
	return b.aead.Seal(dst, iv, plaintext, aad), nil
}

func (b aeadBox) Open(dst, iv, sealed, aad []byte) ([]byte, bool) {
	plaintext, err := b.aead.Open(dst, iv, sealed, aad)
	return plaintext, err == nil
}

// blockBox is Cipher Block Chaining or Electronic Codebook mode, with padding.
type blockBox struct {
	block cipher.Block
	suite Suite
}

func (b blockBox) Seal(dst, iv, plaintext, _ []byte) ([]byte, error) {
	size := b.block.BlockSize()
	if b.suite.Padding == NoPadding && len(plaintext)%size != 0 {
		return dst, ErrPlaintext
	}
	start := len(dst)
	if b.suite.IVInPlaintext {
		dst = append(dst, iv...)
		iv = make([]byte, size)
	}
	dst = b.suite.Padding.append(dst, plaintext, size)
	b.crypt(dst[start:], iv, true)
	return dst, nil
}

func (b blockBox) Open(dst, iv, sealed, _ []byte) ([]byte, bool) {
	size := b.block.BlockSize()
	// The library panics if the length is not a multiple of the block size.
	if len(sealed)%size != 0 {
		return dst, false
	}
	start := len(dst)
	dst = append(dst, sealed...)
	opened := dst[start:]
	if b.suite.IVInPlaintext {
		if len(opened) < size {
			return dst[:start], false
		}
		iv = make([]byte, size)
	}
	b.crypt(opened, iv, false)
	if b.suite.IVInPlaintext {
		opened = opened[size:]
	}
	n, ok := b.suite.Padding.unpaddedLen(opened, size)
	if !ok {
		n = len(opened)
	}
	// A plaintext that follows its IV is moved to its final place.
	return append(dst[:start], opened[:n]...), ok
}

// crypt encrypts or decrypts whole blocks in place.
func (b blockBox) crypt(blocks, iv []byte, encrypt bool) {
	switch {
	case b.suite.Mode == ModeCBC && encrypt:
		cipher.NewCBCEncrypter(b.block, iv).CryptBlocks(blocks, blocks)
	case b.suite.Mode == ModeCBC:
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
