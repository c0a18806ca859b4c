package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// # Fingerprints
//
// The vault must recognize the value of a KEY that is stored again. Under another name, it would
// circumvent the purpose of the first secret (twins.go). As another version of the same secret, it
// would get a second nonce budget (samevalue.go).
//
// The vault therefore keeps keyed fingerprints of each value: of the stored bytes and of
// everything that the key decoder can make of them. A fingerprint is specific to a workspace, and
// reveals nothing without the vault's key. Each fingerprint is a row with the secret that has the
// value. The row also names the version that keeps the value's nonce ledger.
//
// A version has its fingerprints from the beginning. The rows are written once the secret is bound
// (deferred.go). Only secrets with a sealed purpose are looked up, and these are bound first.
//
// Public keys have no fingerprints: they serve any purpose, and encrypt nothing under a random IV.

// A Print is a keyed fingerprint of a value, in a workspace.
type Print [16]byte

// comparePrints orders fingerprints.
func comparePrints(a, b Print) int { return bytes.Compare(a[:], b[:]) }

// loadPrinted returns the row of a fingerprint and a secret, or a zero row if it does not exist.
func loadPrinted(r kv.Reader, sec Secret, p Print) (*stored.Printed, error) {
	row := new(stored.Printed)
	_, err := get(r, equalKey(sec.Name.Workspace, p, sec.UID), row)
	return row, read("fingerprint", err)
}

// maxStale is the number of rows of deleted secrets that one transaction removes, and of rows of a
// fingerprint that it examines for them.
const maxStale = 8

// equalPrints returns the fingerprints of a value in a workspace. Public is its public part.
func (s *Store) equalPrints(workspace string, plain sensitive.Bytes, public []byte) (prints []Print) {
	memory.Do(func() { prints = s.equalPrintsNow(workspace, plain.Reveal(), public, nil) })
	return prints
}

// equalPrintsNow is equalPrints. If it is known how the value was recognized, it need not be
// recognized again.
func (s *Store) equalPrintsNow(workspace string, value, public []byte, taken *Taken) []Print {
	p := s.printer(workspace)
	defer s.release(p)
	if len(public) > 0 { // one for a key pair, regardless of how its private part is encoded
		return []Print{p.of("pair", public)}
	}
	if taken == nil {
		taken = &Taken{Facts: keyform.Look(value)}
	}
	all := []Print{p.of("bytes", value)}
	// The public part of a private key is not stored if its kind is not shown, or if an earlier
	// release did not recognize it.
	if taken.Kind == keyform.KindPrivateKey && taken.Public != nil {
		all = append(all, p.of("pair", taken.Public))
	}
	text := bytes.Trim(value, " \t\r\n\v\f")
	if len(text) < len(value) {
		all = append(all, p.of("bytes", text))
	}
	for _, decoded := range slices.Concat(decodings(text), keyform.Readings(value)) {
		all = append(all, p.of("bytes", decoded))
		clear(decoded)
	}
	slices.SortFunc(all, comparePrints)
	return slices.Compact(all)
}

// A printer computes fingerprints in one workspace. It is reused, because creating one allocates as
// much as all else that computes a fingerprint.
type printer struct {
	hash      hash.Hash
	workspace string
	kind, sum []byte
}

// printer returns a printer, which must be released.
func (s *Store) printer(workspace string) *printer {
	p, ok := s.printers.Get().(*printer)
	if !ok {
		p = &printer{hash: hmac.New(sha256.New, s.printKey[:])}
		p.hash.Reset() // from now on, each reset overwrites the whole state
	}
	p.workspace = workspace
	return p
}

// release erases what a printer has read, and keeps the printer.
func (s *Store) release(p *printer) {
	p.hash.Reset()
	s.printers.Put(p)
}

// of returns the fingerprint of bytes of a kind.
func (p *printer) of(kind string, b []byte) Print {
	p.hash.Reset()
	// The elements are self-delimiting; well-formed IDs need no escapes.
	p.kind = append(append(append(append(p.kind[:0], kind...), 0), p.workspace...), 0)
	p.hash.Write(p.kind)
	p.hash.Write(b)
	p.sum = p.hash.Sum(p.sum[:0])
	return Print(p.sum)
}

// decodings returns what text decodes to, in the ways in which the first releases decoded
// references. Their fingerprints are stored, so these must not change.
func decodings(text []byte) (all [][]byte) {
	const digits = "0123456789abcdefABCDEF"
	if decoded, err := hex.AppendDecode(nil, onlyOf(text, digits)); err == nil && len(decoded) > 0 {
		all = append(all, decoded)
	}
	inner := bytes.TrimRight(bytes.TrimPrefix(text, []byte("whsec_")), "=")
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789\r\n"
	if decoded, err := base64.RawStdEncoding.AppendDecode(nil, onlyOf(inner, letters+"+/")); err == nil && len(decoded) > 0 {
		all = append(all, decoded)
	}
	if decoded, err := base64.RawURLEncoding.AppendDecode(nil, onlyOf(inner, letters+"-_")); err == nil && len(decoded) > 0 {
		all = append(all, decoded)
	}
	return all
}

// onlyOf returns text that consists of the given characters, and nil for all other text. Most values
// are no encoding, so that nothing is allocated for what they decode to.
func onlyOf(text []byte, characters string) []byte {
	if len(bytes.TrimLeft(text, characters)) > 0 {
		return nil
	}
	return text
}

// putPrints records that a secret has a value with the fingerprints. The version keeper has the
// ledger unless a row names another version. putPrints removes the rows of deleted secrets, so
// that few of them accumulate.
func putPrints(tx *writes, sec Secret, prints []Print, keeper uint32) error {
	for _, fingerprint := range prints {
		_, stale, err := sharers(tx, sec.Name.Workspace, fingerprint, maxStale)
		if err != nil {
			return err
		}
		for _, uid := range stale[:min(len(stale), maxStale-tx.stale)] {
			tx.stale++
			if err := tx.Delete(equalKey(sec.Name.Workspace, fingerprint, uid)); err != nil {
				return fmt.Errorf("delete fingerprint: %w", err)
			}
		}
		row, err := loadPrinted(tx, sec, fingerprint)
		if err != nil {
			return err
		}
		if row.Id = sec.Name.ID; row.GetKeeper() == 0 {
			row.Keeper = keeper
		}
		if err := put(tx, equalKey(sec.Name.Workspace, fingerprint, sec.UID), row); err != nil {
			return writing("fingerprint", err)
		}
	}
	return nil
}

// learn adds fingerprints to a version, and reports whether any was missing.
func (v *Version) learn(tx *writes, sec *Secret, prints []Print) (more bool, err error) {
	missing := slices.DeleteFunc(slices.Clone(prints), func(p Print) bool { return slices.Contains(v.Prints, p) })
	if len(missing) == 0 {
		return false, nil
	}
	v.Prints = slices.SortedFunc(slices.Values(slices.Concat(v.Prints, missing)), comparePrints)
	if err := rewriteVersion(tx, sec, *v); err != nil {
		return false, err
	}
	return true, putPrints(tx, *sec, missing, v.keeper())
}

// sharers returns the secrets that have a value with the fingerprint, and the uids of deleted
// ones, up to a limit for both. A deleted secret that can be brought back still has its values:
// otherwise, they could be stored for another purpose in the meantime.
func sharers(r kv.Reader, workspace string, fingerprint Print, limit int) (there []Secret, stale []string, err error) {
	prefix := equalsKey(workspace, fingerprint)
	for pair, err := range r.Scan(kv.Prefix(prefix, limit)) {
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprints: %w", err)
		}
		uid, err := lastUID(pair.Key, prefix)
		var row stored.Printed
		if err == nil {
			err = decode(pair.Value, &row)
		}
		if err != nil {
			return nil, nil, read("fingerprint", err)
		}
		sec, err := loadKeptLife(r, Name{Workspace: workspace, ID: row.GetId()}, uid)
		switch {
		case fault.Is(err, NotFound):
			stale = append(stale, uid)
		case err != nil:
			return nil, nil, err
		default:
			there = append(there, sec)
		}
	}
	return there, stale, nil
}
