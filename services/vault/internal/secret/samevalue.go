package secret

import (
	"errors"
	"fmt"
	"strings"

	"github.com/keyward/keyward/pkg/kv"
)

// # One value, one nonce budget
//
// A key that is stored again is the same key, so a new version of it must not get a new nonce
// ledger. The fingerprints of a value lead to the version of the secret that keeps its ledger. A
// value that decodes to different keys in different encodings shares the ledger of the first of
// them that the secret had.

// Prints are the fingerprints of a KEY's value. Those of a public key are zero.
type Prints struct {
	// All are the fingerprints of all decodings.
	All []string
	// Earlier is the fingerprint that earlier releases stored for a ledger.
	Earlier []byte
}

// keeper returns the version of a secret that keeps the ledger of a value, or 0 if there is no
// such version.
func (p Prints) keeper(r kv.Reader, sec Secret) (uint32, error) {
	var first uint32
	for _, fingerprint := range p.All {
		row, err := loadPrinted(r, sec, fingerprint)
		if err != nil {
			return 0, err
		}
		if row.Keeper != 0 && (first == 0 || row.Keeper < first) {
			first = row.Keeper
		}
	}
	if first != 0 || len(p.All) == 0 {
		return first, nil
	}
	return earlierKeeper(r, sec.UID, p.Earlier)
}

// claim returns the version that keeps the ledger of a value: the given one if the value is new to
// the secret. It writes the fingerprints.
func (p Prints) claim(tx kv.Tx, sec Secret, number uint32) (first uint32, err error) {
	first, err = p.keeper(tx, sec)
	if err != nil {
		return 0, err
	}
	if first == 0 {
		first = number
	}
	return first, putPrints(tx, sec, p.All, first)
}

// begin assigns a ledger to a new version of a KEY: a new ledger, or that of the version that had
// the value first.
func (v *Version) begin(tx kv.Tx, sec Secret, p Prints, number uint32) error {
	if sec.Usage != Key {
		return nil
	}
	first, err := p.claim(tx, sec, number)
	if err != nil {
		return err
	}
	v.Prints = strings.Join(p.All, " ")
	if first == number {
		v.Nonces = new(Nonces)
	} else {
		v.SameAs = first
	}
	return nil
}

// ledger returns the number of the version that keeps the ledger of this one, or 0 if there is no
// ledger yet.
func (v Version) ledger() uint32 {
	if v.SameAs == 0 && v.Nonces != nil {
		return v.Number
	}
	return v.SameAs
}

// keeper returns the version whose record has the ledger of a version: the version itself, or the
// first version with its value.
func (v Version) keeper(r kv.Reader, sec Secret) (Version, error) {
	if v.SameAs == 0 {
		return v, nil
	}
	return loadUsed(r, sec, v.SameAs)
}

// adopt creates the ledger of a version that was stored before ledgers existed, starting with the
// reported uses, and returns the version that keeps it. If a later version has the same value and
// already has a ledger, that ledger counts from then on, with the uses added.
func (s *Store) adopt(tx kv.Tx, sec Secret, v Version) (Version, error) {
	p, err := s.storedPrints(tx, sec, v)
	if err != nil {
		return Version{}, err
	}
	first, err := p.claim(tx, sec, v.Number)
	if err != nil {
		return Version{}, err
	}
	v.Prints = strings.Join(p.All, " ")
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
		return Version{}, errors.New("read version: the first version of a value has no ledger")
	}
	keeper.Nonces.Used = sum(keeper.Nonces.Used, v.Uses.Used)
	return keeper, nil
}

// storedPrints returns the fingerprints of a version's value. Decrypting it takes microseconds.
func (s *Store) storedPrints(r kv.Reader, sec Secret, v Version) (Prints, error) {
	sealed, err := loadValue(r, sec, v.Number)
	if err != nil {
		return Prints{}, err
	}
	plain, err := s.keys.OpenValue(sealed, boundTo(sec, v.Number))
	if err != nil {
		return Prints{}, fmt.Errorf("open version: %w", err)
	}
	defer plain.Zero()
	return s.printsOf(sec, material{plain: plain, public: v.Public, facts: v.Facts}), nil
}

// printsOf returns the fingerprints of the value of a KEY.
func (s *Store) printsOf(sec Secret, value material) Prints {
	if value.publicOnly() {
		return Prints{}
	}
	return Prints{
		All:     s.equalPrints(sec.Name.Workspace, value.plain, value.public),
		Earlier: s.earlierPrint(sec.UID, value.plain.Reveal()),
	}
}
