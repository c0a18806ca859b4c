package secret

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
)

// A vault that is restored from a backup assigns the numbers of the versions that were added after
// the backup again. References to a version by number therefore also get a uid, which no other
// version has: a digest of the sealed value, whose nonce and data key are random. A value that
// replaced another one in the data file has another uid, too.

// versionUID returns the uid of the version with the sealed value.
func versionUID(sealed keyring.Sealed) string {
	h := sha256.New()
	h.Write([]byte("keyward version\x00"))
	h.Write(sealed.Ciphertext)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:20]))
}

// uidOf returns the uid of the version that the request pins, or an empty string for the current
// one.
func (u BindRequest) uidOf(r kv.Reader, sec Secret) (string, error) {
	if u.Version == 0 {
		return "", nil
	}
	sealed, err := loadValue(r, sec, u.Version)
	if err != nil {
		return "", err
	}
	return versionUID(sealed), nil
}
