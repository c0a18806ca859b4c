package vaultclient

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/keyward/keyward/pkg/destination"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/cache"
)

// A Want is a secret to resolve.
type Want struct {
	// Secret and UID are as they were bound.
	Secret, UID string
	// Version is the version, or 0 for the current one.
	Version uint32
	// VersionUID, if not empty, is the uid that the version was bound with: another version with
	// its number is VERSION_NOT_FOUND.
	VersionUID string
	Usage      Usage
	// Purpose is the digest of what a KEY is wanted for, and Seal says that it is wanted for
	// a message.
	Purpose string
	Seal    bool
	// Fresh asks the vault, whatever is cached, for this want and those resolved with it.
	Fresh bool
	// To is where a credential is sent.
	To destination.Destination
	// AnyPort says that the credential was bound before ports were kept: it may be sent to
	// any port of an allowed host until the port is reported.
	AnyPort bool
	// Grace is for how long versions are welcome that were replaced, next to the current
	// one. [Vault.ResolveAccepted] looks at it.
	Grace time.Duration
	// Incoming says that the key is for what came in. Then those versions do without the
	// current one, if that is disabled or destroyed: what was sent before is as good as it
	// was. What goes out needs the current one.
	Incoming bool
}

// check fails unless a secret of the usage, with the hosts that it may be sent to,
// may be used so. The vault has checked it when it bound; the allowlist checks it
// again, with every use.
func (w Want) check(usage vaultv1.Usage, hosts []string) error {
	if usage != w.Usage.toProto() {
		return usageNotAllowed(usageName(usage))
	}
	if w.Usage == UsageCredential && !slices.Contains(hosts, w.To.String()) && (!w.AnyPort || !slices.Contains(hosts, w.To.Host)) {
		return hostNotAllowed(w.To.String())
	}
	return nil
}

// A Key is a resolved secret. Who gets it zeroes it after use.
type Key struct {
	Value sensitive.Bytes
	// Version is the version that Value belongs to.
	Version uint32
	// Previous are the versions that were current before and can be resolved, the one
	// replaced last first. Only where the current version was wanted. It is shared:
	// nobody changes it.
	Previous []Previous
	// Refused, if not nil, is why the current version does not come before this one.
	Refused error
	// Sealed is whether the purpose of a KEY is sealed.
	Sealed bool
}

// A Previous is a version that was current before.
type Previous = cache.Previous

// Resolve returns the keys for wants, in their order. Those that are not in memory
// are asked for at the same time. If one fails, all do, and what did come is zeroed.
func (v *Vault) Resolve(ctx context.Context, wants []Want) ([]Key, error) {
	keys, failures := v.resolveEach(ctx, wants)
	for _, err := range failures {
		if err != nil {
			Zero(keys)
			return nil, err
		}
	}
	return keys, nil
}

// resolveEach returns a key or an error for each want. It asks the cache once for each.
func (v *Vault) resolveEach(ctx context.Context, wants []Want) (keys []Key, failures []error) {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	refs := make([]cache.Ref, len(wants))
	for i, want := range wants {
		refs[i] = want.ref()
	}
	resolve := v.cache.ResolveAll
	if slices.ContainsFunc(wants, func(w Want) bool { return w.Fresh }) {
		resolve = v.cache.Fresh
	}
	keys, failures = make([]Key, len(wants)), make([]error, len(wants))
	for i, got := range resolve(ctx, refs) {
		if got.Err != nil {
			failures[i] = translate(ctx, "resolve", got.Err)
			continue
		}
		keys[i], failures[i] = wants[i].take(got.Value)
	}
	return keys, failures
}

// ResolveAccepted returns for each want, in their order, its key and behind it those of the
// versions that its grace welcomes, the one replaced last first: four at most. A version
// that may no longer be resolved by now is left out, the current one only where the want
// does without it; anything else that fails is an error, and what did come is zeroed.
func (v *Vault) ResolveAccepted(ctx context.Context, wants []Want) ([][]Key, error) {
	keys, failures := v.resolveEach(ctx, wants)
	all := make([][]Key, len(keys))
	for i, key := range keys {
		if failures[i] == nil {
			all[i] = []Key{key}
		}
	}
	// One after the other: but for the first time after a rotation, they are in memory.
	for i, want := range wants {
		earlier, err := v.earlier(ctx, want, keys[i].Previous, failures[i])
		all[i] = append(all[i], earlier...)
		if err != nil {
			Zero(all...)
			return nil, err
		}
	}
	return all, nil
}

// earlier returns the keys of the previous versions that a want welcomes. If the want
// itself failed, they are to do without it.
func (v *Vault) earlier(ctx context.Context, want Want, previous []Previous, failure error) ([]Key, error) {
	if failure != nil {
		current := (*cache.UnusableError)(nil)
		if !want.Incoming || !errors.As(failure, &current) {
			return nil, failure
		}
		previous = current.Previous
	}
	var keys []Key
	for _, version := range v.accepted(want, previous) {
		before := want
		before.Version, before.VersionUID = version, ""
		key, err := v.Resolve(ctx, []Want{before})
		if withdrawn(err) {
			continue
		}
		if err != nil {
			return keys, err
		}
		keys = append(keys, key...)
	}
	if len(keys) == 0 {
		return nil, failure
	}
	keys[0].Refused = failure
	return keys, nil
}

// accepted returns those of previous versions that are within the want's grace.
func (v *Vault) accepted(want Want, previous []Previous) []uint32 {
	var versions []uint32
	for _, p := range previous {
		if v.now().Sub(p.ReplaceTime) < want.Grace {
			versions = append(versions, p.Version)
		}
	}
	return versions
}

// withdrawn reports whether a version was refused for its own sake.
func withdrawn(err error) bool {
	return fault.Is(err, ReasonVersionDisabled) || fault.Is(err, ReasonVersionDestroyed) || fault.Is(err, ReasonVersionNotFound)
}

// ref returns what the vault is asked about.
func (w Want) ref() cache.Ref {
	ref := cache.Ref{Secret: w.Secret, UID: w.UID, Version: w.Version, VersionUID: w.VersionUID}
	if w.Usage == UsageKey {
		ref.Purpose, ref.Seal = w.Purpose, w.Seal
	}
	return ref
}

// take makes a key of an answer, or zeroes it.
func (w Want) take(got cache.Value) (Key, error) {
	if err := w.check(got.Usage, got.AllowedHosts); err != nil {
		got.Plain.Zero()
		return Key{}, err
	}
	return Key{Value: got.Plain, Version: got.Version, Previous: got.Previous, Sealed: got.Sealed}, nil
}

// Zero overwrites keys.
func Zero(lists ...[]Key) {
	for _, keys := range lists {
		for _, key := range keys {
			key.Value.Zero()
		}
	}
}
