package secret

import (
	"fmt"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// # Data that was changed outside of the vault
//
// The store authenticates each row, so no row can be invented. An attacker with write access to
// the file can still put an earlier row back, or remove one. Two comparisons find that, where it
// matters, at once:
//
//   - The newest entry of a name is the one that the secret's row names, and states the digest
//     of the row. Each change of a secret compares them, and the first read after a start.
//     Lists of secrets do not.
//   - The secret's row describes the rows of its versions ([Secret.describes]), and counts its
//     bindings. Each read of a version compares them, and each change of a binding. The entry
//     that a version names states the digest of its row, which the first read compares, too.
//
// Entries state the row of a version without the wrap of its data key (wrap.go). An attacker can
// therefore put a row back that differs only in its wrap. That row contains the same value, in the
// same version and state, so it is harmless while its key exists. Once the key is destroyed, the
// value does not decrypt: requests fail, and the alarm is raised, until the data key is restored from
// a backup. Entries of earlier releases state the whole row, so that both forms are accepted.

// tampered describes data that was changed outside of the vault. It never contains a name.
func tampered(what string) error { return fmt.Errorf("%w: %s", audit.ErrMismatch, what) }

// loadIntact returns the secret of a name for a change, or SECRET_NOT_FOUND. It compares the
// secret's row with the newest entry of the name.
func loadIntact(tx *writes, name Name) (Secret, error) {
	sec, err := loadKept(tx, name)
	return sec.unlessDeleted(err)
}

// loadKept is loadIntact for a secret that may be deleted.
func loadKept(tx *writes, name Name) (Secret, error) {
	sec, text, err := findSecret(tx, name)
	if err != nil {
		return Secret{}, err
	}
	return sec, audit.Current(tx, sec.stated(), text)
}

// stated is what the row of a secret states.
func (s Secret) stated() audit.Resource {
	return audit.Resource{Name: s.Name.String(), UID: s.UID, Change: s.LastChange}
}

// loadSecret returns the secret of a name for a view, or SECRET_NOT_FOUND. It compares it with the
// log at the first read.
func (s *Store) loadSecret(r kv.Reader, name Name) (Secret, error) {
	sec, err := s.loadShown(r, name)
	return sec.unlessDeleted(err)
}

// loadShown is loadSecret for a secret that may be deleted.
func (s *Store) loadShown(r kv.Reader, name Name) (Secret, error) {
	sec, text, err := findSecret(r, name)
	if err == nil {
		err = s.firstRead(r, sec, text)
	}
	return sec, err
}

// firstRead compares the row of a secret with the newest entry of the name, unless it did so
// before.
func (s *Store) firstRead(r kv.Reader, sec Secret, text []byte) error {
	seen := comparison{rawUID(sec.UID), 0, sec.LastChange}
	if s.compared.Has(seen) {
		return nil
	}
	err := audit.Current(r, sec.stated(), text)
	if err == nil {
		s.compared.Add(seen)
	}
	return err
}

// firstReadVersion compares the row of a version with the entry that it names, unless it did so
// before.
func (s *Store) firstReadVersion(r kv.Reader, sec Secret, v Version, text []byte) error {
	seen := comparison{rawUID(sec.UID), v.Number, v.LastChange}
	if s.compared.Has(seen) {
		return nil
	}
	ref := versionRow(sec.Name, sec.UID, v.Number).ref
	if tx, writes := r.(*writes); writes {
		if pending, err := tx.pending(v.LastChange); err != nil || pending || tx.wrote(ref) {
			return err
		}
	}
	entries, _, err := changelog.Follow(r, "", v.LastChange, 1)
	if err != nil {
		return read("change log", err)
	}
	if len(entries) == 0 || entries[0].Sequence != v.LastChange || entries[0].Resource != sec.Name.String() || !audit.States(entries[0], Rows{}, ref, text) {
		return tampered("a version differs from its entry in the change log")
	}
	s.compared.Add(seen)
	return nil
}

// maxCounted is the number of bindings up to which each change of one counts them.
const maxCounted = 1000

// countsBindings fails if the secret has more or fewer bindings than it says.
func (s Secret) countsBindings(r kv.Reader) error {
	want := 0
	for _, h := range s.Holders {
		want += int(h.Bindings)
	}
	if want > maxCounted {
		return nil
	}
	bindings, err := scanKeys(r, kv.Prefix(bindingsKey(s.Name, s.UID), want+1))
	if err != nil {
		return read("bindings", err)
	}
	if len(bindings) != want {
		return tampered("a secret has more or fewer bindings than it says")
	}
	return nil
}

// A comparison is the row of a secret, or of one of its versions, that was compared with the log.
type comparison struct {
	uid     [uidSize]byte
	version uint32 // 0 for the secret
	change  uint64
}
