package secret

import (
	"context"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/stored"
)

// maxMistaken is the number of created messages at which a purpose can no longer be replaced.
const maxMistaken = 20

// ReplacePurpose replaces the purpose of a KEY. It fails with KEY_PURPOSE_FIXED once the KEY has
// decrypted a message or created 20 messages, and if the change adds chains to those that remain. It fails
// with RESTORE_PENDING while changes are held.
//
// MinCost is the minimum number of iterations of derivations among the new chains. If it is nil,
// the minimum of the old purpose remains.
func (s *Store) ReplacePurpose(ctx context.Context, call Call, name Name, etag string, chains []string, minCost *uint64) (Secret, error) {
	now := s.timestamp()
	var replaced Secret
	err := s.write(ctx, func(tx *writes) error {
		uid, seen, err := s.replayed(tx, call)
		if err != nil {
			return err
		}
		if seen {
			replaced, err = loadLife(tx, name, uid)
			return err
		}
		before, err := loadIntact(tx, name)
		if err == nil {
			err = before.checkEtag(etag)
		}
		if err == nil {
			err = restore.Held(tx)
		}
		if err != nil {
			return err
		}
		replacement := NewPurpose(chains, 0, false)
		if err := before.replaceable(tx, replacement); err != nil {
			return err
		}
		if replacement.Cost, err = before.Purpose.costAfter(replacement, minCost); err != nil {
			return err
		}
		after := before
		after.Updated = later(before.Updated, now)
		replacement.Stated, replacement.Host, replacement.Unknown = before.Purpose.Stated, before.Purpose.Host, before.Purpose.Unknown
		if !before.Purpose.Sealed.IsZero() {
			replacement.Sealed = after.Updated
		}
		after.Purpose = &replacement
		e := entry{action: ReplacedPurpose, detail: Detail{
			OldChains: before.Purpose.Chains, Chains: replacement.Chains, OldCost: before.Purpose.Cost, NewCost: replacement.Cost,
		}}
		replaced, err = s.save(tx, call, after, e)
		return err
	})
	return replaced, err
}

// replaceable fails unless the replacement may replace the purpose of the secret.
func (s Secret) replaceable(r kv.Reader, replacement Purpose) error {
	if s.Usage != Key {
		return fault.New(fault.FailedPrecondition, UsageNotAllowed, "only a KEY has a purpose").With("usage", string(s.Usage))
	}
	if s.Purpose == nil || s.Purpose.Sealed.IsZero() && !s.Purpose.Stated {
		return fault.New(fault.FailedPrecondition, KeyPurposeUnknown, "the key has no stated or sealed purpose yet; correct the configuration of its endpoint instead")
	}
	stays, comes := false, false
	for _, chain := range replacement.Chains {
		known := slices.Contains(s.Purpose.Chains, chain)
		stays, comes = stays || known, comes || !known
	}
	if stays && comes {
		return s.Purpose.fixed(replacement.Chains)
	}
	var made uint64
	for pair, err := range r.Scan(kv.Prefix(allUsesKey(s.Name, s.UID), maxExamined)) {
		var uses stored.Uses
		if err == nil {
			err = decode(pair.Value, &uses)
		}
		if err != nil {
			return read("uses", err)
		}
		if made = sum(made, uses.GetUsed()); uses.GetOpened() > 0 || made >= maxMistaken {
			return s.Purpose.fixed(replacement.Chains)
		}
	}
	return nil
}

// costAfter returns the minimum number of iterations after replacement replaces the purpose.
func (p Purpose) costAfter(replacement Purpose, minCost *uint64) (uint64, error) {
	switch derives := slices.ContainsFunc(replacement.Chains, iterates); {
	case !derives && minCost != nil && *minCost > 0:
		return 0, fault.Field("min_cost", "must be 0: none of the chains derives a key with iterations")
	case !derives:
		return 0, nil
	case minCost != nil:
		return *minCost, nil
	default:
		return p.Cost, nil
	}
}

// iterates reports whether a chain has a derivation with iterations.
func iterates(chain string) bool {
	for step := range strings.SplitSeq(chain, " > ") {
		for _, function := range []string{"PBKDF2-", "SCRYPT(", "EVP-"} {
			if strings.HasPrefix(step, function) {
				return true
			}
		}
	}
	return false
}
