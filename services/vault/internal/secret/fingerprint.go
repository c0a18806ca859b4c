package secret

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/quota"
	"github.com/keyward/keyward/pkg/sensitive"
)

// # Fingerprints
//
// To store the value of a KEY again under another name would be the way around its purpose.
// So the vault keeps keyed fingerprints of the values of KEY secrets, of the bytes and of all
// that the key decoder makes of them, and refuses a purpose other than that of a secret of the
// workspace with equal bytes, once that one's is sealed. Without the vault's key a fingerprint
// tells nothing. That a value is refused tells that it is equal: so refusals are on the log,
// and after a few in an hour the workspace stores no more keys for a while.

// A workspace may have so many refusals at once, and one more per twelve minutes.
const refusals = 5

// maxTwins is how many secrets with equal bytes are looked at.
const maxTwins = 16

// newRefusals returns the limit of refusals, by workspace.
func newRefusals(s *Store) (*quota.Limiter, error) {
	return quota.New(quota.Limits{Rate: refusals / 3600.0, Burst: refusals}, s.now)
}

// equalPrints returns the fingerprints of a value in a workspace. Public is its public part.
func (s *Store) equalPrints(workspace string, plain sensitive.Bytes, public []byte) (prints []string) {
	memory.Do(func() { prints = s.equalPrintsNow(workspace, plain, public) })
	return prints
}

func (s *Store) equalPrintsNow(workspace string, plain sensitive.Bytes, public []byte) []string {
	if len(public) > 0 { // one for a key pair, however its private part is written
		return []string{s.equalPrint(workspace, "pair", public)}
	}
	stored := plain.Reveal()
	all := []string{s.equalPrint(workspace, "bytes", stored)}
	for _, decoded := range decodings(stored) {
		all = append(all, s.equalPrint(workspace, "bytes", decoded))
		clear(decoded)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (s *Store) equalPrint(workspace, kind string, b []byte) string {
	h := hmac.New(sha256.New, s.printKey[:])
	h.Write(kv.NewKey(kind).Text(workspace)) // elements that tell where they end
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// decodings returns what a reference may make of stored bytes: the text without white space
// around it, and what it decodes to.
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
	return all
}

// putPrints notes that a secret has a value with the fingerprints, and forgets of secrets that
// are gone that they had: so there are never many that would have to be passed over.
func putPrints(tx kv.Tx, sec Secret, prints []string) error {
	for _, fingerprint := range prints {
		_, gone, err := sharers(tx, sec.Name.Workspace, fingerprint)
		if err != nil {
			return err
		}
		for _, uid := range gone {
			if err := tx.Delete(equalKey(sec.Name.Workspace, fingerprint, uid)); err != nil {
				return fmt.Errorf("delete fingerprint: %w", err)
			}
		}
		if err := tx.Put(equalKey(sec.Name.Workspace, fingerprint, sec.UID), []byte(sec.Name.ID)); err != nil {
			return fmt.Errorf("write fingerprint: %w", err)
		}
	}
	return nil
}

// sharers returns the secrets that have a value with the fingerprint, and the uids of those
// that are gone.
func sharers(r kv.Reader, workspace, fingerprint string) (there []Secret, gone []string, err error) {
	prefix := equalsKey(workspace, fingerprint)
	for pair, err := range r.Scan(kv.Prefix(prefix, maxTwins)) {
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprints: %w", err)
		}
		uid, err := lastText(pair.Key, prefix)
		if err != nil {
			return nil, nil, fmt.Errorf("read fingerprint: %w", err)
		}
		sec, err := loadLife(r, Name{Workspace: workspace, ID: string(pair.Value)}, uid)
		switch {
		case fault.Is(err, NotFound):
			gone = append(gone, uid)
		case err != nil:
			return nil, nil, err
		default:
			there = append(there, sec)
		}
	}
	return there, gone, nil
}

// twins returns the other secrets of the workspace with equal bytes whose purpose is sealed.
func twins(r kv.Reader, sec Secret, prints []string) ([]Secret, error) {
	var found []Secret
	for _, fingerprint := range prints {
		there, _, err := sharers(r, sec.Name.Workspace, fingerprint)
		if err != nil {
			return nil, err
		}
		for _, other := range there {
			if other.UID != sec.UID && other.Purpose != nil && !other.Purpose.Sealed.IsZero() {
				found = append(found, other)
			}
		}
	}
	return found, nil
}

// equalError marks the refusal of a value because of a secret with equal bytes.
type equalError struct{ error }

func (e equalError) Unwrap() error { return e.error }

// agreesWithTwins fails if a secret with equal bytes serves another purpose than chains.
func agreesWithTwins(r kv.Reader, sec Secret, prints, chains []string) error {
	others, err := twins(r, sec, prints)
	if err != nil {
		return err
	}
	for _, other := range others {
		if !slices.Equal(other.Purpose.Chains, chains) {
			return equalError{other.Purpose.fixed(chains)}
		}
	}
	return nil
}

// takesEqual fails if a secret whose purpose is sealed would get a value that another one
// with another purpose has.
func (s Secret) takesEqual(r kv.Reader, prints []string) error {
	if s.Purpose == nil || s.Purpose.Sealed.IsZero() {
		return nil
	}
	err := agreesWithTwins(r, s, prints, s.Purpose.Chains)
	if _, equal := errors.AsType[equalError](err); equal {
		return equalError{fault.New(fault.FailedPrecondition, ValueInUse,
			"the value is in use as another secret of the workspace, for another purpose; use that secret, or ask the partner for another value")}
	}
	return err
}

// mayStore fails while a workspace has had too many refusals because of equal bytes.
func (s *Store) mayStore(name Name, usage Usage) error {
	if usage != Key {
		return nil
	}
	return s.refusals.Probe(name.Workspace)
}

// noteEqual counts and logs a refusal because of equal bytes, and returns err.
func (s *Store) noteEqual(ctx context.Context, call Call, name Name, err error) error {
	equal, ok := errors.AsType[equalError](err)
	if !ok {
		return err
	}
	if limited := s.refusals.Spend(name.Workspace); limited != nil {
		return limited
	}
	failed := s.kv.Update(ctx, func(tx kv.Tx) error {
		sec, err := loadSecret(tx, name)
		if err != nil {
			return err
		}
		return s.record(tx, call, sec, entry{action: RefusedEqual, at: s.timestamp()}, nil)
	})
	if failed != nil {
		return fmt.Errorf("log refusal: %w", failed)
	}
	return equal.error
}
