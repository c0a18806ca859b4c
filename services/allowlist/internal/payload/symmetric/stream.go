package symmetric

import (
	"crypto/cipher"
	"crypto/subtle"
)

// streamBox is Counter, Cipher Feedback, or Output Feedback mode (NIST SP 800-38A). The library has
// the last two only in a deprecated form.
type streamBox struct {
	block cipher.Block
	mode  Mode
}

func (b streamBox) Seal(dst, iv, plaintext, _ []byte) ([]byte, error) {
	return b.crypt(dst, iv, plaintext, true), nil
}

func (b streamBox) Open(dst, iv, sealed, _ []byte) ([]byte, bool) {
	return b.crypt(dst, iv, sealed, false), true
}

// crypt appends the encrypted or decrypted text, which may begin where dst ends.
func (b streamBox) crypt(dst, iv, text []byte, encrypt bool) []byte {
	start := len(dst)
	dst = append(dst, text...)
	made := dst[start:]
	switch b.mode {
	case ModeCFB:
		b.cfb(made, iv, encrypt)
	case ModeOFB:
		b.ofb(made, iv)
	default:
		cipher.NewCTR(b.block, iv).XORKeyStream(made, made)
	}
	return dst
}

// cfb works in place. The key stream of a segment is the encrypted ciphertext before it.
func (b streamBox) cfb(text, iv []byte, encrypt bool) {
	size := b.block.BlockSize()
	stream, before := make([]byte, size), append([]byte(nil), iv...)
	defer clear(stream)
	for ; len(text) > 0; text = text[min(size, len(text)):] {
		segment := text[:min(size, len(text))]
		b.block.Encrypt(stream, before)
		if !encrypt {
			copy(before, segment)
		}
		subtle.XORBytes(segment, segment, stream)
		if encrypt {
			copy(before, segment)
		}
	}
}

// ofb works in place. The key stream of a segment is the encrypted key stream before it.
func (b streamBox) ofb(text, iv []byte) {
	size := b.block.BlockSize()
	stream := append([]byte(nil), iv...)
	defer clear(stream)
	for ; len(text) > 0; text = text[min(size, len(text)):] {
		b.block.Encrypt(stream, stream)
		segment := text[:min(size, len(text))]
		subtle.XORBytes(segment, segment, stream)
	}
}
