package secret

import (
	"context"
	"math"
	"strconv"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// MaxTwins exports maxTwins for tests.
const MaxTwins = maxTwins

// Keys of rows, for tests that read and write the store.

// SecretKey returns the key of a secret.
func SecretKey(n Name) []byte { return secretKey(n) }

// VersionKey returns the key of a version.
func VersionKey(uid string, number uint32) []byte { return versionRow(uid, number).key }

// BindingKey returns the key of a binding.
func BindingKey(b Binding) []byte { return bindingRow(b).key }

// NoncesKey returns the key of a ledger.
func NoncesKey(uid string, number uint32) []byte { return noncesKey(uid, number) }

// EqualsKey returns the prefix of the fingerprints in a workspace.
func EqualsKey(workspace string) []byte { return kv.NewKey(spaceEqual).Text(workspace) }

// LastUID returns the uid at the end of a key of a fingerprint.
func LastUID(key []byte) (string, error) { return lastUID(key, key[:len(key)-uidSize]) }

// PerUID returns the prefixes of all keys of a uid, and its key in the queue of garbage.
func PerUID(uid string) (prefixes [][]byte) {
	for _, prefix := range append(perUID(uid), garbageKey(uid)) {
		prefixes = append(prefixes, prefix)
	}
	return prefixes
}

// A Conversion changes the rows of a secret as another release would have written them.
type Conversion struct {
	Secret  func(*Secret)
	Version func(*Version)
	Binding func(*Binding)
}

// Convert writes the rows of a secret again, with an entry in the log, as an upgrade does.
func (s *Store) Convert(ctx context.Context, name Name, c Conversion) error {
	return s.write(ctx, func(tx *writes) error {
		sec, err := loadIntact(tx, name)
		if err != nil {
			return err
		}
		for number := uint32(1); c.Version != nil && number <= sec.Last; number++ {
			v, err := loadVersion(tx, sec, number)
			if err != nil {
				return err
			}
			if c.Version(&v); v.Current {
				sec.State = v.State
			}
			if err := rewriteVersion(tx, &sec, v); err != nil {
				return err
			}
		}
		bindings, _, err := bindingsOf(tx, sec, Page{Limit: math.MaxInt16})
		if err != nil {
			return err
		}
		for _, b := range bindings {
			if c.Binding == nil {
				break
			}
			if err := convertBinding(tx, b, c.Binding); err != nil {
				return err
			}
		}
		if c.Secret != nil {
			c.Secret(&sec)
		}
		return s.touch(tx, Call{}, &sec, entry{action: "converted", at: s.timestamp()})
	})
}

func convertBinding(tx *writes, b Binding, convert func(*Binding)) error {
	if b.Host != "" {
		if err := countHost(tx, b, false); err != nil {
			return err
		}
	}
	convert(&b)
	if b.Host != "" {
		if err := countHost(tx, b, true); err != nil {
			return err
		}
	}
	var err error
	if b.LastChange, err = tx.next(); err != nil {
		return err
	}
	return tx.put(bindingRow(b), b.message())
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
	for _, space := range []string{spaceVersion, spaceBinding, spaceReferrer, spaceHost, spacePinned} {
		prefix := ofUID(space, uid)
		for pair, err := range r.Scan(kv.Prefix(prefix, math.MaxInt16)) {
			if err != nil {
				return nil, err
			}
			rest := string(pair.Key[len(prefix):])
			if number, left, err := kv.CutUint(pair.Key[len(prefix):]); (space == spaceVersion || space == spacePinned) && err == nil && len(left) == 0 {
				rest = strconv.FormatUint(number, 10)
			}
			rows[space+rest] = pair.Value
		}
	}
	return rows, nil
}
