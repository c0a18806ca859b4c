package secret

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/sensitive"
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
// Public keys have no fingerprints: they serve any purpose, and encrypt nothing under a random IV.

// A printed is the row of a fingerprint and a secret. Rows of earlier releases hold only the ID.
type printed struct {
	ID string `json:"id"`
	// Keeper is the version whose ledger counts for the value, or 0 if unknown.
	Keeper uint32 `json:"keeper,omitempty"`
}

// readPrinted decodes a row. An ID never begins like a record.
func readPrinted(stored []byte) (row printed, err error) {
	if len(stored) > 0 && stored[0] == format {
		err = decode(stored, &row)
		return row, err
	}
	return printed{ID: string(stored)}, nil
}

// loadPrinted returns the row of a fingerprint and a secret, or a zero row if it does not exist.
func loadPrinted(r kv.Reader, sec Secret, fingerprint string) (row printed, err error) {
	stored, err := r.Get(equalKey(sec.Name.Workspace, fingerprint, sec.UID))
	if errors.Is(err, kv.ErrNotFound) {
		return printed{}, nil
	}
	if err == nil {
		row, err = readPrinted(stored)
	}
	if err != nil {
		return printed{}, fmt.Errorf("read fingerprint: %w", err)
	}
	return row, nil
}

// maxStale is the number of rows of a fingerprint that are examined for deleted secrets.
const maxStale = 16

// equalPrints returns the fingerprints of a value in a workspace. Public is its public part.
func (s *Store) equalPrints(workspace string, plain sensitive.Bytes, public []byte) (prints []string) {
	memory.Do(func() { prints = s.equalPrintsNow(workspace, plain, public) })
	return prints
}

func (s *Store) equalPrintsNow(workspace string, plain sensitive.Bytes, public []byte) []string {
	if len(public) > 0 { // one for a key pair, regardless of how its private part is encoded
		return []string{s.equalPrint(workspace, "pair", public)}
	}
	stored := plain.Reveal()
	all := []string{s.equalPrint(workspace, "bytes", stored)}
	// The public part of a private key is not stored if its kind is not shown, or if an earlier
	// release did not recognize it.
	if facts := keyform.Look(stored); facts.Kind == keyform.KindPrivateKey && facts.Public != nil {
		all = append(all, s.equalPrint(workspace, "pair", facts.Public))
	}
	for _, decoded := range decodings(stored) {
		all = append(all, s.equalPrint(workspace, "bytes", decoded))
		clear(decoded)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *Store) equalPrint(workspace, kind string, b []byte) string {
	h := hmac.New(sha256.New, s.printKey[:])
	h.Write(kv.NewKey(kind).Text(workspace)) // the elements are self-delimiting
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// decodings returns the results of decoding stored bytes in the ways that a reference may name:
// the text without surrounding white space, and what it decodes to. Earlier releases stored the
// fingerprints of the first of them, so these must not change.
func decodings(stored []byte) [][]byte {
	text := bytes.Trim(stored, " \t\r\n\v\f")
	all := [][]byte{bytes.Clone(text)}
	if decoded := make([]byte, hex.DecodedLen(len(text))); len(text) > 0 {
		if n, err := hex.Decode(decoded, text); err == nil {
			all = append(all, decoded[:n])
		}
	}
	inner := strings.TrimRight(strings.TrimPrefix(string(text), "whsec_"), "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if decoded, err := encoding.DecodeString(inner); err == nil && len(decoded) > 0 {
			all = append(all, decoded)
		}
	}
	return append(all, keyform.Readings(stored)...)
}

// putPrints records that a secret has a value with the fingerprints. The version keeper has the
// ledger unless a row names another version. putPrints removes the rows of deleted secrets, so
// that few of them accumulate.
func putPrints(tx kv.Tx, sec Secret, prints []string, keeper uint32) error {
	for _, fingerprint := range prints {
		_, stale, err := sharers(tx, sec.Name.Workspace, fingerprint, maxStale)
		if err != nil {
			return err
		}
		for _, uid := range stale {
			if err := tx.Delete(equalKey(sec.Name.Workspace, fingerprint, uid)); err != nil {
				return fmt.Errorf("delete fingerprint: %w", err)
			}
		}
		row, err := loadPrinted(tx, sec, fingerprint)
		if err != nil {
			return err
		}
		if row.ID = sec.Name.ID; row.Keeper == 0 {
			row.Keeper = keeper
		}
		if _, err := put(tx, equalKey(sec.Name.Workspace, fingerprint, sec.UID), row); err != nil {
			return fmt.Errorf("write fingerprint: %w", err)
		}
	}
	return nil
}

// learn adds fingerprints to a version.
func (v *Version) learn(tx kv.Tx, sec Secret, prints []string) error {
	known := strings.Fields(v.Prints)
	missing := slices.DeleteFunc(slices.Clone(prints), func(p string) bool { return slices.Contains(known, p) })
	if len(missing) == 0 {
		return nil
	}
	all := append(known, missing...)
	slices.Sort(all)
	v.Prints = strings.Join(all, " ")
	if _, err := put(tx, versionKey(sec.UID, v.Number), *v); err != nil {
		return fmt.Errorf("write version: %w", err)
	}
	return putPrints(tx, sec, missing, v.ledger())
}

// sharers returns the secrets that have a value with the fingerprint, and the uids of deleted
// ones, up to a limit for both.
func sharers(r kv.Reader, workspace, fingerprint string, limit int) (there []Secret, stale []string, err error) {
	prefix := equalsKey(workspace, fingerprint)
	for pair, err := range r.Scan(kv.Prefix(prefix, limit)) {
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprints: %w", err)
		}
		uid, err := lastText(pair.Key, prefix)
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprint: %w", err)
		}
		row, err := readPrinted(pair.Value)
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprint: %w", err)
		}
		sec, err := loadLife(r, Name{Workspace: workspace, ID: row.ID}, uid)
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
