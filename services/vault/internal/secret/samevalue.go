package secret

import (
	"github.com/keyward/keyward/pkg/kv"
)

// # One value, one nonce budget
//
// A key that is stored again is the same key, so a new version of it must not get a new nonce
// ledger. The fingerprints of a value lead to the version of the secret that keeps its ledger. A
// value that decodes to different keys in different encodings shares the ledger of the first of
// them that the secret had.
//
// The ledgers are written once the secret is bound (deferred.go).

// keeperOf returns the version of a secret that keeps the ledger of a value with the fingerprints,
// or 0 if there is no such version.
func keeperOf(r kv.Reader, sec Secret, prints []Print) (first uint32, err error) {
	for _, fingerprint := range prints {
		row, err := loadPrinted(r, sec, fingerprint)
		if err != nil {
			return 0, err
		}
		if keeper := row.GetKeeper(); keeper != 0 && (first == 0 || keeper < first) {
			first = keeper
		}
	}
	return first, nil
}

// track assigns a ledger to a version of a KEY: a new ledger, or that of the version that had the
// value first. It writes the fingerprints.
func (v *Version) track(tx *writes, sec Secret) error {
	first, err := keeperOf(tx, sec, v.Prints)
	if err != nil {
		return err
	}
	if v.SameAs = first; first == 0 {
		if err := put(tx, noncesKey(sec.Name, sec.UID, v.Number), Nonces{}.message()); err != nil {
			return writing("nonces", err)
		}
	}
	return putPrints(tx, sec, v.Prints, v.keeper())
}

// keeper returns the number of the version that keeps the ledger of this one: the version itself,
// or the first version with its value.
func (v Version) keeper() uint32 {
	if v.SameAs != 0 {
		return v.SameAs
	}
	return v.Number
}

// printsOf returns the fingerprints of the value of a KEY. Public keys have none. Call it inside
// [memory.Do].
func (s *Store) printsOf(sec Secret, value material) []Print {
	if value.publicOnly() {
		return nil
	}
	return s.equalPrintsNow(sec.Name.Workspace, value.plain.Reveal(), value.public, value.taken)
}
