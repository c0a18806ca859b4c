package secret

// # Deferred ledgers and fingerprints
//
// A KEY without a binding encrypts nothing and has no purpose, so nothing depends on its ledgers
// and on the rows of its fingerprints. They are therefore deferred until the first binding, which
// writes them in its transaction. The record of each version has its fingerprints from the
// beginning, and the secret counts the deferred rows.
//
// They are written earlier if they would no longer fit in one transaction, and before a version is
// destroyed, because its record loses the fingerprints. Once they are written, each new version
// writes its own.

// maxDeferred is the number of rows that may be deferred. It leaves room for the other rows of the
// transaction that writes them.
const maxDeferred = 24

// deferredBytes is the size of values that counts as one more deferred row: a version with the value
// of an earlier one is written again.
const deferredBytes = 16 << 10

// defers returns the number of rows to write for the version if they are deferred, at most: a
// ledger, or the version again, and a row for each fingerprint.
func (v Version) defers() uint32 {
	return uint32(1 + len(v.Prints) + len(v.Sealed.Ciphertext)/deferredBytes)
}

// begin writes or defers the ledger and the fingerprints of a new version of a KEY. The secret's row
// must be written, too.
func (v *Version) begin(tx *writes, sec *Secret) error {
	if sec.Usage != Key {
		return nil
	}
	if first := v.Number == 1; first || sec.Deferred > 0 {
		if sec.Deferred+v.defers() <= maxDeferred {
			sec.Deferred += v.defers()
			return nil
		}
		if err := sec.track(tx, v.Number-1); err != nil {
			return err
		}
	}
	return v.track(tx, *sec)
}

// trackDeferred writes what is deferred, and reports whether there was anything. The secret's row
// must be written, too.
func (s *Secret) trackDeferred(tx *writes) (more bool, err error) {
	if s.Deferred == 0 {
		return false, nil
	}
	return true, s.track(tx, s.Last)
}

// track writes the ledgers and fingerprints of the versions up to last.
func (s *Secret) track(tx *writes, last uint32) error {
	for number := range s.numbers(last) {
		v, err := loadVersion(tx, *s, number)
		if err != nil {
			return err
		}
		if err := v.track(tx, *s); err != nil {
			return err
		}
		if v.SameAs == 0 {
			continue
		}
		if err := rewriteVersion(tx, s, v); err != nil {
			return err
		}
	}
	s.Deferred = 0
	return nil
}
