package earlier

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
)

// Earlier releases stored a second kind of fingerprint for ledgers, one for each value of a
// secret. Its row may be the only trace of the version that keeps the ledger of a value.

// shareEarlierLedgers gives the versions without a ledger that of the version that a fingerprint
// names.
func (l *loaded) shareEarlierLedgers(r kv.Reader, keys *keyring.Keyring) error {
	root := keys.Derive("value fingerprints")
	defer clear(root[:])
	for i := range l.Versions {
		v := &l.Versions[i]
		if v.Nonces != nil || v.SameAs != 0 || v.Plain.Len() == 0 {
			continue
		}
		var first uint32
		key := append(kv.NewKey("print").Text(l.Secret.UID), earlierPrint(root[:], l.Secret.UID, v.Plain.Reveal())...)
		if _, err := get(r, key, &first); err != nil {
			return err
		}
		if first != v.Number && first > 0 && int(first) <= len(l.Versions) && l.Versions[first-1].Nonces != nil {
			v.SameAs = first
			l.Versions[first-1].Nonces.Used += v.Uses.Used
		}
	}
	return nil
}

// earlierPrint returns the fingerprint of a value.
func earlierPrint(root []byte, uid string, plain []byte) []byte {
	key := canonical(plain)
	defer clear(key)
	mac := hmac.New(sha256.New, root)
	mac.Write([]byte(uid))
	mac.Write([]byte{0})
	mac.Write(key)
	return mac.Sum(nil)
}

// canonical returns a copy of the bytes that a value represents as a key: without surrounding
// white space, and decoded if it may be hexadecimal or base64. Two different keys may have the
// same canonical form; they then share a ledger.
func canonical(value []byte) []byte {
	text := bytes.TrimSpace(value)
	decoded := make([]byte, max(hex.DecodedLen(len(text)), base64.RawStdEncoding.DecodedLen(len(text))))
	if n, err := hex.Decode(decoded, text); err == nil {
		return bytes.TrimSpace(decoded[:n])
	}
	plain := bytes.TrimRight(bytes.Clone(text), "=")
	defer clear(plain)
	for i, b := range plain {
		switch b {
		case '-':
			plain[i] = '+'
		case '_':
			plain[i] = '/'
		}
	}
	if n, err := base64.RawStdEncoding.Decode(decoded, plain); err == nil {
		return bytes.TrimSpace(decoded[:n])
	}
	clear(decoded)
	return bytes.Clone(text)
}
