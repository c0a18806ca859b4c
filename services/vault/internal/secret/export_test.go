package secret

import (
	"bytes"
	"context"
	"math"
	"strconv"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// MaxTwins exports maxTwins for tests.
const MaxTwins = maxTwins

// LookAtDeleted purges what is due, as the background does.
func (s *Store) LookAtDeleted(ctx context.Context) error {
	_, err := s.lookAtDeleted(ctx)
	return err
}

// Keys of rows, for tests that read and write the store.

// SecretKey returns the key of a secret.
func SecretKey(n Name) []byte { return secretKey(n) }

// VersionKey returns the key of a version.
func VersionKey(n Name, uid string, number uint32) []byte { return versionRow(n, uid, number).key }

// BindingKey returns the key of a binding.
func BindingKey(b Binding) []byte { return bindingRow(b).key }

// NoncesKey returns the key of a ledger.
func NoncesKey(n Name, uid string, number uint32) []byte { return noncesKey(n, uid, number) }

// EqualsKey returns the prefix of the fingerprints in a workspace.
func EqualsKey(workspace string) []byte { return kv.NewKey(spaceEqual).Text(workspace) }

// LastUID returns the uid at the end of a key of a fingerprint.
func LastUID(key []byte) (string, error) { return lastUID(key, key[:len(key)-uidSize]) }

// IsOf reports whether a key belongs to an incarnation, or queues it for removal.
func IsOf(key []byte, uid string) bool {
	raw := rawUID(uid)
	space, _, err := kv.CutText(key)
	return err == nil && (space == spaceSecret || space == spaceGarbage || space == spaceDeleted) && bytes.Contains(key, raw[:])
}

// WithValue returns the stored form of a version with the value of another one.
func WithValue(version, other []byte) ([]byte, error) {
	var m, from stored.Version
	if err := decode(version, &m); err != nil {
		return nil, err
	}
	if err := decode(other, &from); err != nil {
		return nil, err
	}
	m.Value = from.GetValue()
	return encode(&m)
}

// Listed returns the rows of a secret that entries of the log list, by ref.
func Listed(r kv.Reader, name Name, uid string) (map[string][]byte, error) {
	rows := make(map[string][]byte)
	value, err := r.Get(secretKey(name))
	if err == nil {
		rows[""] = value
	} else if !isMissing(err) {
		return nil, err
	}
	for _, k := range logged {
		prefix := ofUID(k, name, uid)
		for pair, err := range r.Scan(kv.Prefix(prefix, math.MaxInt16)) {
			if err != nil {
				return nil, err
			}
			rest := string(pair.Key[len(prefix):])
			if number, err := lastNumber(pair.Key, prefix); k.numbered() && err == nil {
				rest = strconv.FormatUint(uint64(number), 10)
			}
			rows[string(k)+rest] = pair.Value
		}
	}
	return rows, nil
}

// PruneAll does the work of the background for kept versions.
func (s *Store) PruneAll(ctx context.Context) error { return s.pruneAll(ctx) }

// Kept returns the number of rows of secrets that keep a number of versions.
func (s *Store) Kept(ctx context.Context) (rows int, err error) {
	err = s.kv.View(ctx, func(r kv.Reader) error {
		keys, err := scanKeys(r, kv.Prefix(kv.NewKey(spaceKept), math.MaxInt16))
		rows = len(keys)
		return err
	})
	return rows, err
}

// ManyOutdated exports manyOutdated for tests.
const ManyOutdated = manyOutdated

// RemoveOutdated makes the next change remove all outdated rows.
func (s *Store) RemoveOutdated() { s.outdatedDue.Store(0) }

// SetKeys replaces the keyring, as a rotation does for the one that all parts of a vault share.
func (s *Store) SetKeys(keys *keyring.Keyring) { s.keys = keys }

// StateWhole writes a version again with an entry that states all of its row, as an earlier release
// did.
func (s *Store) StateWhole(ctx context.Context, of Name, number uint32) error {
	return s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, of)
		if err != nil {
			return err
		}
		v, err := loadVersion(tx, sec, number)
		if err != nil {
			return err
		}
		if err := rewriteVersion(tx, &sec, v); err != nil {
			return err
		}
		at := versionRow(sec.Name, sec.UID, number)
		whole, err := tx.Get(at.key)
		if err != nil {
			return err
		}
		tx.add(changelog.Row{Ref: at.ref, Value: whole})
		return s.touch(tx, Call{}, &sec, entry{action: EnabledVersion, version: number, at: s.timestamp()})
	})
}

// CountDue counts at once what the background counts every few minutes.
func (s *Store) CountDue(ctx context.Context) error { return s.countDue(ctx) }
