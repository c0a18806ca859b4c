package secret

import (
	"crypto/sha256"

	"github.com/keyward/keyward/pkg/keyring"
)

// A vault that is restored from a backup assigns the numbers of the versions that were added after
// the backup again. References to a version by number therefore also get a uid, which no other
// version has: a digest of the sealed value, whose nonce and data key are random. A version whose
// value is sealed again stores its uid first. All others do not store it.

// versionUIDSize is the length of the uid of a version.
const versionUIDSize = 20

// uid returns the uid of a version that has a value.
func (v Version) uid() string {
	if v.UID != "" {
		return v.UID
	}
	return versionUID(v.Sealed)
}

// versionUID returns the uid of a version whose value was sealed once.
func versionUID(sealed keyring.Sealed) string {
	h := sha256.New()
	h.Write([]byte("keyward version\x00"))
	h.Write(sealed.Ciphertext)
	return textOf(h.Sum(nil)[:versionUIDSize])
}

// rawVersionUID returns the bytes of a version's uid, or nil if it has none.
func rawVersionUID(uid string) []byte {
	raw, err := uidText.DecodeString(uid)
	if err != nil || len(raw) != versionUIDSize {
		return nil
	}
	return raw
}
