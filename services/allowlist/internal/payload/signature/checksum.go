package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// EncryptedDigest is the checksum of Paytm: the SHA-256 of the signed string and a random salt, in
// hexadecimal, and the salt, encrypted with AES-128 in CBC mode with a fixed IV. So the receiver decrypts the
// signature to learn the salt, and computes the digest again.
type EncryptedDigest struct {
	// IV has the length of a block.
	IV string
}

const (
	// checksumKey is the length of the key.
	checksumKey = 16
	// saltBytes is the number of random bytes of a salt, which is their base64.
	saltBytes = 3
	// saltSeparator is between the signed string and the salt.
	saltSeparator = "|"
)

// box returns the cipher with a key.
func (EncryptedDigest) box(key any) (symmetric.Box, bool) {
	secret, ok := shared(key)
	if !ok {
		return nil, false
	}
	box, err := symmetric.Suite{Mode: symmetric.ModeCBC, Key: checksumKey, IV: IVBytes, Padding: symmetric.PKCS7}.NewBox(secret)
	return box, err == nil
}

// IVBytes is the length of the IV of an [EncryptedDigest].
const IVBytes = 16

func (s EncryptedDigest) sign(random io.Reader, key any, in *signed) ([]byte, error) {
	box, ok := s.box(key)
	if !ok {
		return nil, ErrKey
	}
	var salt [saltBytes]byte
	if _, err := io.ReadFull(random, salt[:]); err != nil {
		return nil, fmt.Errorf("generate salt: %w", err)
	}
	return box.Seal(nil, []byte(s.IV), s.salted(in, base64.StdEncoding.AppendEncode(nil, salt[:])), nil)
}

// salted returns the plaintext of a checksum.
func (EncryptedDigest) salted(in *signed, salt []byte) []byte {
	h := sha256.New()
	_ = in.writeTo(h, nil) // only a value that depends on the secret fails
	_, _ = io.WriteString(h, saltSeparator)
	_, _ = h.Write(salt)
	return append(hex.AppendEncode(nil, h.Sum(nil)), salt...)
}

func (s EncryptedDigest) verifies(key any) bool {
	_, ok := s.box(key)
	return ok
}

func (s EncryptedDigest) verify(key any, in *signed, signatures [][]byte) bool {
	box, ok := s.box(key)
	if !ok {
		return false
	}
	const digest = 2 * sha256.Size // in hexadecimal
	salt := base64.StdEncoding.EncodedLen(saltBytes)
	same := false
	for _, signature := range signatures {
		opened, ok := box.Open(nil, []byte(s.IV), signature, nil)
		if ok && len(opened) == digest+salt {
			same = hmac.Equal(opened, s.salted(in, opened[digest:])) || same
		}
	}
	return same
}
