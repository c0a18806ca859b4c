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

// A Want describes a secret to resolve.
type Want struct {
	// Secret and UID identify the secret that was bound.
	Secret, UID string
	// Version is the version, or 0 for the current one.
	Version uint32
	// VersionUID, if not empty, is the uid that the version was bound with. Another version with
	// the same number is VERSION_NOT_FOUND.
	VersionUID string
	Usage      Usage
	// Purpose is the digest of the purpose of a KEY. Seal reports whether the KEY is for a
	// message.
	Purpose string
	Seal    bool
	// Fresh bypasses the cache for this want and for those resolved with it.
	Fresh bool
	// To is the destination of a credential.
	To destination.Destination
	// AnyPort reports that the credential was bound before ports were recorded: it may be sent to
	// any port of an allowed host until the port is reported.
	AnyPort bool
	// Grace is how long replaced versions are accepted in addition to the current one. Only
	// [Vault.ResolveAccepted] uses it.
	Grace time.Duration
	// Incoming reports that the key is for an incoming message. Replaced versions are then
	// accepted even if the current one is disabled or destroyed, because that does not affect
	// messages sent before. Outgoing messages require the current version.
	Incoming bool
}

// check returns an error unless a secret with this usage and these allowed hosts may be used for
// the want. The vault checked this when it bound the secret; the allowlist checks it again for
// every use.
func (w *Want) check(usage vaultv1.Usage, hosts []string) error {
	if usage != w.Usage.toProto() {
		return usageNotAllowed(usageName(usage))
	}
	if w.Usage == UsageCredential && !slices.Contains(hosts, w.To.String()) && (!w.AnyPort || !slices.Contains(hosts, w.To.Host)) {
		return hostNotAllowed(w.To.String())
	}
	return nil
}

// A Key is a resolved secret. The receiver must zero it after use.
type Key struct {
	Value sensitive.Bytes
	// Version is the version that Value belongs to.
	Version uint32
	// Previous lists the versions that were current before and can be resolved, the most recently
	// replaced first. It is set only if the current version was requested. It is shared: do not
	// modify it.
	Previous []Previous
	// Refused, if not nil, is why the current version does not precede this one.
	Refused error
	// Sealed reports whether the purpose of a KEY is sealed.
	Sealed bool
}

// A Previous is a version that was current before.
type Previous = cache.Previous

// Resolve returns the keys for wants, in their order. It requests the keys that are not cached at
// the same time. If one fails, Resolve fails and zeroes the others.
func (v *Vault) Resolve(ctx context.Context, wants []Want) ([]Key, error) {
	keys, results := v.resolveEach(ctx, wants)
	for i := range results {
		if err := results[i].Err; err != nil {
			Zero(keys)
			return nil, err
		}
	}
	return keys, nil
}

// resolveEach returns a key for each want, or an error in its result. It looks up each want once.
func (v *Vault) resolveEach(ctx context.Context, wants []Want) (keys []Key, results []cache.Result) {
	if err := v.refusal(); err != nil {
		results = make([]cache.Result, len(wants))
		for i := range results {
			results[i].Err = err
		}
		return make([]Key, len(wants)), results
	}
	refs := make([]cache.Ref, len(wants))
	resolve := v.cache.Resolve
	for i := range wants {
		refs[i] = wants[i].ref()
		if wants[i].Fresh {
			resolve = v.cache.Fresh
		}
	}
	keys, results = make([]Key, len(wants)), resolve(ctx, refs)
	for i := range results {
		if got := &results[i]; got.Err != nil {
			got.Err = translate(ctx, "resolve", got.Err)
		} else {
			keys[i], got.Err = wants[i].take(&got.Value)
		}
	}
	return keys, results
}

// ResolveAccepted returns for each want, in their order, its key, followed by the keys of the
// replaced versions that its grace accepts, the most recently replaced first: at most four. It
// omits versions that can no longer be resolved, but omits the current one only for incoming
// messages. Any other failure is an error, and the resolved keys are zeroed.
func (v *Vault) ResolveAccepted(ctx context.Context, wants []Want) ([][]Key, error) {
	keys, results := v.resolveEach(ctx, wants)
	all := make([][]Key, len(keys))
	for i := range keys {
		if results[i].Err == nil {
			all[i] = keys[i : i+1 : i+1]
		}
	}
	// Sequentially: except after a rotation, the versions are cached.
	for i := range wants {
		earlier, err := v.earlier(ctx, &wants[i], keys[i].Previous, results[i].Err)
		all[i] = append(all[i], earlier...)
		if err != nil {
			Zero(all...)
			return nil, err
		}
	}
	return all, nil
}

// earlier returns the keys of the previous versions that a want accepts. failure is the error of
// the current version, if it must be omitted.
func (v *Vault) earlier(ctx context.Context, want *Want, previous []Previous, failure error) ([]Key, error) {
	if failure != nil {
		current := (*cache.UnusableError)(nil)
		if !want.Incoming || !errors.As(failure, &current) {
			return nil, failure
		}
		previous = current.Previous
	}
	var keys []Key
	for _, version := range v.accepted(want, previous) {
		before := *want
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

// accepted returns the previous versions that are within the want's grace.
func (v *Vault) accepted(want *Want, previous []Previous) []uint32 {
	var versions []uint32
	for _, p := range previous {
		if v.now().Sub(p.ReplaceTime) < want.Grace {
			versions = append(versions, p.Version)
		}
	}
	return versions
}

// withdrawn reports whether the error concerns this version only.
func withdrawn(err error) bool {
	return fault.Is(err, ReasonVersionDisabled) || fault.Is(err, ReasonVersionDestroyed) || fault.Is(err, ReasonVersionNotFound)
}

// ref returns the request to the cache.
func (w *Want) ref() cache.Ref {
	ref := cache.Ref{Secret: w.Secret, UID: w.UID, Version: w.Version, VersionUID: w.VersionUID}
	if w.Usage == UsageKey {
		ref.Purpose, ref.Seal = w.Purpose, w.Seal
	}
	return ref
}

// take converts an answer to a key, or zeroes it.
func (w *Want) take(got *cache.Value) (Key, error) {
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
