package secret

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// # The purpose of a KEY
//
// A KEY serves one purpose, because the output of one use may be an oracle for another. Bindings
// claim the purpose: all referrers of a KEY claim the same one, and the claim ends with the last
// binding. The first resolve for a message seals the purpose. From then on, only
// [Store.ReplacePurpose] changes it. The vault compares chains without knowing what they mean.
//
// The owner may state the purpose when the KEY is created. Bindings then claim that purpose, which
// remains when they end. A stated purpose grants nothing: the rules for claims are the same, and
// the allowlist requires the same acknowledgements.
//
// Public keys serve any purpose. A secret whose first version is a public key accepts no private
// key later.
//
// Earlier releases recorded no purposes. Their bindings have none until the allowlist reports it
// by binding again. Until then the KEY accepts no new referrers. If its referrers turn out to use
// it for different purposes, they continue to, but the KEY accepts no others.

// A Purpose is the purpose for which a KEY is used.
type Purpose struct {
	// Chains are sorted and unique.
	Chains []string
	// Cost is the minimum number of iterations of derivations, or 0 without derivations.
	Cost uint64
	// Host is the host of the endpoints that the KEY serves. It has no port: a KEY is not sent, so
	// the host only distinguishes partners, and one partner may answer on several ports.
	Host string
	// Conflicting reports whether a super admin acknowledged that the output of one chain may
	// reveal what another protects.
	Conflicting bool
	// Stated is whether the owner stated the purpose when the KEY was created.
	Stated bool
	// Sealed is the time of the first use, or zero before it.
	Sealed  time.Time
	Unknown []byte
}

// An EarlierUse is how a KEY was used before purposes were recorded.
type EarlierUse string

// The earlier uses.
const (
	// Digested is a use in digests that are sent.
	Digested EarlierUse = "DIGESTED"
	// Undigested is any other use.
	Undigested EarlierUse = "UNDIGESTED"
)

// A PurposeState is how final the purpose of a KEY is.
type PurposeState string

// The states; PurposeState of the contract explains them.
const (
	Unclaimed      PurposeState = "UNCLAIMED"
	Claimed        PurposeState = "CLAIMED"
	Sealed         PurposeState = "SEALED"
	PurposeUnknown PurposeState = "UNKNOWN"
	Mixed          PurposeState = "MIXED"
)

// NewPurpose returns the purpose of chains in any order.
func NewPurpose(chains []string, cost uint64, conflicting bool) Purpose {
	sorted := slices.Clone(chains)
	slices.Sort(sorted)
	return Purpose{Chains: slices.Compact(sorted), Cost: cost, Conflicting: conflicting}
}

// Digest identifies the purpose in a request to resolve the KEY.
func (p Purpose) Digest() []byte {
	sum := p.sum()
	return sum[:]
}

func (p Purpose) sum() [sha256.Size]byte { return sha256.Sum256([]byte(strings.Join(p.Chains, "\n"))) }

// is reports whether the purpose has the digest.
func (p Purpose) is(digest []byte) bool {
	sum := p.sum()
	return len(p.Chains) > 0 && subtle.ConstantTimeCompare(sum[:], digest) == 1
}

// admits reports whether the purpose permits a use for the requested one.
func (p Purpose) admits(requested Purpose) bool {
	return slices.Equal(p.Chains, requested.Chains) && requested.Cost >= p.Cost
}

// fixed returns the error for a purpose that differs from the KEY's.
func (p Purpose) fixed(requested []string) error {
	refusal := fault.New(fault.FailedPrecondition, KeyPurposeFixed,
		"the key already serves another purpose, and a key serves only one; ask the partner for another key and store it as a new secret")
	if len(p.Chains) > 0 {
		refusal = refusal.With("chains", strings.Join(p.Chains, ", "))
	}
	if len(requested) > 0 {
		refusal = refusal.With("requested", strings.Join(requested, ", "))
	}
	if p.Cost > 0 {
		refusal = refusal.With("min_cost", strconv.FormatUint(p.Cost, 10))
	}
	return refusal
}

// chains returns the chains of the secret's own purpose.
func (s Secret) chains() []string {
	if s.Purpose == nil {
		return nil
	}
	return s.Purpose.Chains
}

// isStated reports whether the owner stated the purpose. It returns false for a nil purpose.
func (p *Purpose) isStated() bool { return p != nil && p.Stated }

// mayClaim reports whether chains are those that the owner stated, or the owner stated none.
func (s Secret) mayClaim(chains []string) bool {
	return !s.Purpose.isStated() || slices.Equal(s.Purpose.Chains, chains)
}

func notShared(host string) error {
	return fault.New(fault.FailedPrecondition, KeyNotShared,
		"the key serves the endpoints of another host; store another key, or ask a super admin to share this one").With("host", host)
}

func purposeUnknown() error {
	return fault.New(fault.FailedPrecondition, KeyPurposeUnknown,
		"the key was bound before purposes were recorded, so it takes no new endpoints; store another key")
}

// public reports whether a KEY contains only public keys. For secrets stored before that was
// recorded, the version decides.
func (s Secret) public(v Version) bool {
	return s.Public || s.Purpose == nil && len(v.Public) > 0 && v.Facts != nil && !v.Facts.Private
}

// permits fails unless the holder of a binding may resolve a KEY for the purpose with the digest.
// It returns that purpose and whether it can be sealed.
func permits(r kv.Reader, sec Secret, v Version, holder string, digest []byte) (purpose Purpose, sealable bool, err error) {
	if err := sec.checkHolder(holder); err != nil || sec.Usage != Key || sec.public(v) {
		return Purpose{}, false, err
	}
	if p := sec.Purpose; p != nil && !p.Sealed.IsZero() {
		if !p.is(digest) {
			return Purpose{}, false, p.fixed(nil)
		}
		return *p, false, nil
	}
	if p := sec.Purpose; p.isStated() && !p.is(digest) {
		return Purpose{}, false, p.fixed(nil)
	}
	return claimed(r, sec, holder, digest)
}

// claimed is permits for a KEY whose purpose is not sealed: a binding must claim it.
func claimed(r kv.Reader, sec Secret, holder string, digest []byte) (claimed Purpose, sealable bool, err error) {
	found, sealable := false, true
	for b, err := range eachBinding(r, sec) {
		switch {
		case err != nil:
			return Purpose{}, false, err
		case len(b.Purpose.Chains) == 0:
			// A binding that is older than the recording of purposes continues to work until it reports its
			// purpose.
			found, sealable = found || sec.Purpose == nil && b.Holder == holder, false
		case !b.Purpose.is(digest):
			// A different claim belongs to the same referrer, or to a mixed set, which is never sealed.
			sealable = sealable && sec.Purpose != nil
		case b.Holder == holder:
			found, claimed = true, b.Purpose
		}
	}
	if !found {
		return Purpose{}, false, Purpose{}.fixed(nil)
	}
	return claimed, sealable && len(claimed.Chains) > 0, nil
}

// sealPurpose seals the purpose that permits returned. It fails if another one was sealed in the
// meantime.
//
// It also records the fingerprints of the version in use that the release that stored it did not
// know.
func (s *Store) sealPurpose(ctx context.Context, call Call, holder string, w Wanted, number uint32, prints []Print) error {
	now := s.timestamp()
	return s.write(ctx, func(tx *writes) error {
		before, err := loadIntact(tx, w.Name)
		if err == nil && before.UID != w.UID {
			err = notFound()
		}
		if err != nil {
			return err
		}
		v, err := loadVersion(tx, before, number)
		if err != nil {
			return err
		}
		claimed, sealable, err := permits(tx, before, v, holder, w.Purpose)
		if err != nil || !sealable {
			return err
		}
		meant := v
		meant.Prints = prints
		if err := versionsAgree(tx, before, meant, claimed.Chains); err != nil {
			return err
		}
		after := before
		if _, err := v.learn(tx, &after, prints); err != nil {
			return err
		}
		after.Updated = later(before.Updated, now)
		claimed.Sealed, claimed.Stated, claimed.Unknown = after.Updated, before.Purpose.isStated(), nil
		if before.Purpose != nil {
			claimed.Unknown = before.Purpose.Unknown
		}
		after.Purpose = &claimed
		e := entry{action: SealedPurpose, detail: Detail{Chains: claimed.Chains}}
		_, err = s.save(tx, call, after, e)
		return err
	})
}

// purposeOf returns the purpose of a secret for display.
func purposeOf(r kv.Reader, sec Secret, current Version) (state PurposeState, shown Purpose, err error) {
	switch {
	case sec.Usage != Key || sec.public(current):
		return "", Purpose{}, nil
	case sec.Purpose != nil && !sec.Purpose.Sealed.IsZero():
		return Sealed, *sec.Purpose, nil
	}
	state = Unclaimed
	if sec.Purpose.isStated() {
		state, shown = Claimed, *sec.Purpose
	}
	for b, err := range eachBinding(r, sec) {
		switch {
		case err != nil:
			return "", Purpose{}, err
		case len(b.Purpose.Chains) == 0:
			return PurposeUnknown, Purpose{}, nil
		case state == Claimed && sec.Purpose == nil && !slices.Equal(shown.Chains, b.Purpose.Chains):
			return Mixed, Purpose{}, nil
		case !sec.mayClaim(b.Purpose.Chains):
			continue
		}
		state, shown = Claimed, b.Purpose
		shown.Stated = sec.Purpose.isStated()
	}
	return state, shown, nil
}
