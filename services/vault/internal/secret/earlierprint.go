package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/keyward/keyward/pkg/kv"
)

// Earlier releases stored a second kind of fingerprint for ledgers, one for each value of a
// secret. Its rows are read, because they may be the only trace of a destroyed version, but no
// longer written.

// earlierPrint returns the fingerprint of a value as earlier releases stored it.
func (s *Store) earlierPrint(uid string, plain []byte) []byte {
	key := canonical(plain)
	defer clear(key)
	root := s.keys.Derive("value fingerprints")
	defer clear(root[:])
	mac := hmac.New(sha256.New, root[:])
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

// earlierKeeper returns the version that a row of an earlier release names for a value, or 0 if
// there is no such row.
func earlierKeeper(r kv.Reader, uid string, fingerprint []byte) (first uint32, err error) {
	stored, err := r.Get(printKey(uid, fingerprint))
	if errors.Is(err, kv.ErrNotFound) {
		return 0, nil
	}
	if err == nil {
		err = decode(stored, &first)
	}
	if err != nil {
		return 0, fmt.Errorf("read fingerprint: %w", err)
	}
	return first, nil
}
