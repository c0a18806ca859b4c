package secret

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
)

// claim fails unless a KEY may be bound for the requested purpose. If reports is set, the binding
// is older than the recording of purposes, and the request reports its purpose.
func (u BindRequest) claim(r kv.Reader, sec Secret, meant Version, reports bool) error {
	if sec.Usage != Key || sec.public(meant) {
		return nil
	}
	if len(u.Purpose.Chains) == 0 {
		return fault.Field("chains", "is required for a KEY")
	}
	if !sec.Kind.servesAll(u.Purpose) {
		return fault.New(fault.FailedPrecondition, KeyPurposeFixed,
			"the key was generated for another kind of algorithm; generate a key of the kind that this use requires").
			With("requested", strings.Join(u.Purpose.Chains, ", "))
	}
	if p := sec.Purpose; p != nil && !p.Sealed.IsZero() {
		switch {
		case !p.admits(u.Purpose):
			return p.fixed(u.Purpose.Chains)
		case !sec.Shared && p.Host != u.Host:
			return notShared(p.Host)
		}
		return nil
	}
	if reports && sec.Purpose == nil {
		return nil
	}
	if p := sec.Purpose; p.isStated() && !p.admits(u.Purpose) {
		return p.fixed(u.Purpose.Chains)
	}
	if err := versionsAgree(r, sec, meant, u.Purpose.Chains); err != nil {
		return err
	}
	if err := u.agreesWithEarlier(sec); err != nil {
		return err
	}
	return u.claimBeside(r, sec)
}

// agreesWithEarlier fails if an earlier release recorded that the KEY goes into digests that are
// sent, and the requested chains do not contain such a digest, or the reverse.
func (u BindRequest) agreesWithEarlier(sec Secret) error {
	if sec.EarlierUse == "" {
		return nil
	}
	digested := func(chain string) bool { return strings.Contains(chain, "SECRET-DIGEST-") }
	if slices.ContainsFunc(u.Purpose.Chains, digested) != (sec.EarlierUse == Digested) {
		return Purpose{}.fixed(u.Purpose.Chains)
	}
	return nil
}

// claimBeside fails unless the bindings of all other referrers claim the same purpose. Earlier
// claims of the same referrer do not count, so that it can correct its configuration.
func (u BindRequest) claimBeside(r kv.Reader, sec Secret) error {
	mine, silent, mixed := false, false, false
	var first, other *Binding
	for b, err := range eachBinding(r, sec) {
		switch {
		case err != nil:
			return err
		case b.Referrer == u.Referrer:
			mine = true
			continue
		case len(b.Purpose.Chains) == 0:
			silent = true
			continue
		case !sec.mayClaim(b.Purpose.Chains):
			continue // claims a replaced stated purpose, and no longer resolves
		case first == nil:
			first = &b
		}
		mixed = mixed || !slices.Equal(first.Purpose.Chains, b.Purpose.Chains)
		if !b.Purpose.admits(u.Purpose) || !sec.Shared && b.Purpose.Host != u.Host {
			other = &b
		}
	}
	switch {
	case silent && !mine:
		return purposeUnknown()
	case other == nil:
		return nil
	case sec.Purpose == nil && mixed && !mine:
		return purposeUnknown()
	case !other.Purpose.admits(u.Purpose):
		return other.Purpose.fixed(u.Purpose.Chains)
	}
	return notShared(other.Purpose.Host)
}

// eachBinding yields the bindings of a secret, except for those that only issue versions: these claim no
// purpose.
func eachBinding(r kv.Reader, sec Secret) func(yield func(Binding, error) bool) {
	return func(yield func(Binding, error) bool) {
		if sec.References == 0 {
			return
		}
		prefix := bindingsKey(sec.Name, sec.UID)
		for pair, err := range r.Scan(kv.Prefix(prefix, maxExamined)) {
			b := Binding{Name: sec.Name, UID: sec.UID}
			if err == nil {
				err = b.read(prefix, pair)
			}
			if err != nil {
				err = fmt.Errorf("read bindings: %w", err)
			}
			if err == nil && b.onlyIssues() {
				continue
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}
