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
	"github.com/keyward/keyward/pkg/memory"
)

// A key that is stored again is the same key: a new version of it must not begin a new
// ledger of nonces. So a keyed fingerprint of each KEY's value leads to the first version of
// the secret that had it, and that version's ledger counts for all of them. Only those who
// have the vault's keys can compare a value with a fingerprint.

// fingerprint returns the keyed fingerprint of a value, the same for its encodings.
func (s *Store) fingerprint(uid string, plain []byte) (print []byte) {
	memory.Do(func() { print = s.fingerprintNow(uid, plain) })
	return print
}

func (s *Store) fingerprintNow(uid string, plain []byte) []byte {
	key := canonical(plain)
	defer clear(key)
	mac := hmac.New(sha256.New, s.prints[:])
	mac.Write([]byte(uid))
	mac.Write([]byte{0})
	mac.Write(key)
	return mac.Sum(nil)
}

// canonical returns a copy of the bytes that a value stands for as a key: without white
// space around it, and decoded if it may be hexadecimal or base64. Two keys may come out
// equal that are not; they share a ledger then.
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

// claim returns the first version that had the value of a fingerprint: the given one, if
// none had it before.
func claim(tx kv.Tx, uid string, fingerprint []byte, number uint32) (first uint32, err error) {
	key := printKey(uid, fingerprint)
	stored, err := tx.Get(key)
	if errors.Is(err, kv.ErrNotFound) {
		if _, err := put(tx, key, number); err != nil {
			return 0, fmt.Errorf("write fingerprint: %w", err)
		}
		return number, nil
	}
	if err == nil {
		err = decode(stored, &first)
	}
	if err != nil {
		return 0, fmt.Errorf("read fingerprint: %w", err)
	}
	return first, nil
}

// begin gives a new version of a KEY its ledger: one of its own, or that of the version
// that had the value first.
func (v *Version) begin(tx kv.Tx, uid string, fingerprint []byte, number uint32) error {
	if fingerprint == nil {
		return nil
	}
	first, err := claim(tx, uid, fingerprint, number)
	if err != nil {
		return err
	}
	if first == number {
		v.Nonces = new(Nonces)
	} else {
		v.SameAs = first
	}
	return nil
}

// keeper returns the version whose record has the ledger of a version: itself, or the first
// one of its value.
func (v Version) keeper(r kv.Reader, sec Secret) (Version, error) {
	if v.SameAs == 0 {
		return v, nil
	}
	return loadUsed(r, sec, v.SameAs)
}

// adopt begins the ledger of a version that was stored before there were ledgers, with the
// uses that were reported, and returns the version that keeps it. Where a later version has
// the same value and a ledger already, that counts from then on, with the uses added.
func (s *Store) adopt(tx kv.Tx, sec Secret, v Version) (Version, error) {
	fingerprint, err := s.storedFingerprint(tx, sec, v.Number)
	if err != nil {
		return Version{}, err
	}
	first, err := claim(tx, sec.UID, fingerprint, v.Number)
	if err != nil {
		return Version{}, err
	}
	if first == v.Number {
		v.Nonces = &Nonces{Used: v.Uses.Used}
		return v, nil
	}
	v.SameAs = first
	if _, err := put(tx, versionKey(sec.UID, v.Number), v); err != nil {
		return Version{}, fmt.Errorf("write version: %w", err)
	}
	keeper, err := v.keeper(tx, sec)
	if err != nil {
		return Version{}, err
	}
	if keeper.Nonces == nil {
		return Version{}, errors.New("read version: the first one of a value has no ledger")
	}
	keeper.Nonces.Used = sum(keeper.Nonces.Used, v.Uses.Used)
	return keeper, nil
}

// storedFingerprint returns the fingerprint of a version's value. Opening it takes
// microseconds.
func (s *Store) storedFingerprint(r kv.Reader, sec Secret, number uint32) ([]byte, error) {
	sealed, err := loadValue(r, sec, number)
	if err != nil {
		return nil, err
	}
	plain, err := s.keys.OpenValue(sealed, boundTo(sec, number))
	if err != nil {
		return nil, fmt.Errorf("open version: %w", err)
	}
	defer plain.Zero()
	return s.fingerprint(sec.UID, plain.Reveal()), nil
}
