package symmetric

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"time"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// The parts of a Fernet token (github.com/fernet/spec), in their order: a version, the time in
// seconds, an IV, the ciphertext, and the HMAC of all of these.
const (
	fernetVersion = 0x80
	fernetTime    = 1
	fernetIV      = fernetTime + 8
	fernetText    = fernetIV + FernetIV
	fernetBlock   = 16
)

// FernetKey is the length of a key of a Fernet, and FernetIV that of its IVs.
const (
	FernetKey = 32
	FernetIV  = 16
)

// A Fernet makes and reads tokens with a key, which it does not copy.
type Fernet struct {
	sign []byte
	box  Box
}

// NewFernet returns a Fernet with the key. It fails with [keys.ErrSize].
func NewFernet(key []byte) (*Fernet, error) {
	if len(key) != FernetKey {
		return nil, keys.ErrSize
	}
	suite := Suite{Mode: ModeCBC, Key: FernetKey / 2, IV: FernetIV, Padding: PKCS7}
	box, err := memory.Erased(func() (Box, error) { return suite.NewBox(key[FernetKey/2:]) })
	return &Fernet{sign: key[:FernetKey/2], box: box}, err
}

// Seal returns the token of a value.
func (f *Fernet) Seal(at time.Time, iv, value []byte) ([]byte, error) {
	token := make([]byte, 0, fernetText+len(value)+fernetBlock+sha256.Size)
	token = binary.BigEndian.AppendUint64(append(token, fernetVersion), uint64(at.Unix()))
	token, err := f.box.Seal(append(token, iv...), iv, value, nil)
	return append(token, f.sum(token)...), err
}

// Verify reports whether the token is one of the key. It reads nothing before it has compared the
// MAC, except the length.
func (f *Fernet) Verify(token []byte) bool {
	signed := len(token) - sha256.Size
	return signed >= fernetText+fernetBlock && hmac.Equal(f.sum(token[:signed]), token[signed:]) && token[0] == fernetVersion
}

// FernetTime returns the time of a token that was verified. It is in the far future for a time that
// has too many seconds.
func FernetTime(token []byte) time.Time {
	const most = 1 << 40
	return time.Unix(int64(min(binary.BigEndian.Uint64(token[fernetTime:]), most)), 0)
}

// Open decrypts a token that was verified. The value takes the token's place in memory.
func (f *Fernet) Open(token []byte) ([]byte, bool) {
	sealed := token[fernetText : len(token)-sha256.Size]
	return f.box.Open(sealed[:0], token[fernetIV:fernetText], sealed, nil)
}

func (f *Fernet) sum(text []byte) []byte {
	var h hash.Hash
	memory.Do(func() { h = hmac.New(sha256.New, f.sign) })
	h.Write(text)
	return h.Sum(nil)
}
