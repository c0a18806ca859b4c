// Package cache resolves secrets for a workload with the resolver role, and keeps them
// in memory for as long as the vault says that they are right.
//
//	keys, err := cache.New(vault, cache.Config{MaxStale: time.Minute})
//	...
//	go keys.Run(ctx)
//	...
//	value, err := keys.Resolve(ctx, cache.Ref{Secret: name, UID: binding.GetUid()})
//	...
//	defer value.Plain.Zero()
//
// The workload must have bound the secret; the binding tells the uid. A rotation is
// seen as soon as the vault tells of it, which takes milliseconds.
//
// # Why nothing outdated is served
//
// An answer of the vault says at which position of its change log it was read, and the
// log is what [Cache.Run] is told of. So of an answer and an event it is known which
// was first:
//
//   - An event drops the answers about its secret that were read before it.
//   - An answer that is on its way while an event about its secret comes in reaches
//     who asked for it, but is not kept. Nor is one that was read before an event that
//     came in before the question.
//   - A watch that begins again does so where it was, and is told what came meanwhile
//     before the first heartbeat. Where it cannot (another epoch, or too far behind),
//     all is dropped, and so is what is on its way.
//
// Only a heartbeat says that nothing is missing. When the last one is older than
// MaxStale, nothing is served from memory: each call asks the vault, and fails if the
// vault is away. What is kept is overwritten with zeros soon after. Refusals are not
// kept.
//
// # What is in memory
//
// Values that are kept never leave: each caller gets a copy, which it zeroes. A value that
// has not been used for MaxStale is dropped and overwritten. The vault encrypts its answers for a
// key pair that the cache holds in memory and replaces each few minutes, so that no value is
// in the buffers of the connection.
package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/transit"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// MaxMaxStale is the longest MaxStale.
const MaxMaxStale = time.Hour

// callBound is how long a call to the vault may take. It goes on for others when the
// context of who began it ends.
const callBound = 5 * time.Second

// Config is what a [Cache] needs to know. The zero Config keeps nothing.
type Config struct {
	// MaxStale is how long the vault may be silent until what is kept is no longer
	// served, and how long an unused value is kept; at most an hour. Zero: nothing
	// is kept, each call asks the vault.
	MaxStale time.Duration
	// Parent is what to be told of: `workspaces/{workspace}`, or empty for all, which
	// needs the role in all.
	Parent string
	// Deleted, if not nil, is called with the name and the uid of each secret that the
	// watch says is gone. A watch that begins anew has missed some. It must not block.
	Deleted func(secret, uid string)
	// Restarted, if not nil, is called when the vault begins another epoch, as it does whenever it
	// starts: it may have been restored from a backup, and then lacks bindings that were made
	// since. The watch tells, and each answer of the vault. It must not block.
	Restarted func()
	// Logger hears when the watch cannot be kept up; silence if nil.
	Logger *slog.Logger
	// Metrics registers what there is to see; nil: nobody looks.
	Metrics prometheus.Registerer
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// A Ref names what to resolve.
type Ref struct {
	// Secret is the resource name of the secret.
	Secret string
	// UID is the uid that was bound: the name may have another by now.
	UID string
	// Version is the version, or 0 for the current one.
	Version uint32
	// VersionUID, if not empty, is what BindSecret told of Version. A version that has only the
	// number, as after a restore of the vault, is VERSION_NOT_FOUND then.
	VersionUID string
	// Purpose is what a KEY is wanted for, by [PurposeOf]. Empty for other usages.
	Purpose string
	// Seal says that a KEY is wanted for a message, not to try something: the first such
	// use seals its purpose.
	Seal bool
}

// PurposeOf returns what a [Ref] says of the chains that a KEY is bound for, in any order.
func PurposeOf(chains ...string) string {
	if len(chains) == 0 {
		return ""
	}
	sorted := slices.Clone(chains)
	slices.Sort(sorted)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(sorted), "\n")))
	return string(sum[:])
}

// A Value is a resolved secret. Whoever gets it zeroes Plain.
type Value struct {
	Plain sensitive.Bytes
	// Version is the version that Plain belongs to.
	Version uint32
	// Usage is what the secret may be used for.
	Usage vaultv1.Usage
	// AllowedHosts are the hosts that a CREDENTIAL may be sent to, on port 443 unless they name
	// another: `host` or `host:port`.
	AllowedHosts []string
	// Previous are the versions that were current before and can be resolved, the one
	// replaced last first. Only where the current version was asked for. It is shared:
	// nobody changes it.
	Previous []Previous
	// Sealed is whether the purpose of a KEY was sealed when the vault answered.
	Sealed bool
}

// A Previous is a version that was current before.
type Previous struct {
	Version uint32
	// ReplaceTime is when it was replaced, the last time.
	ReplaceTime time.Time
}

// A Cache keeps resolved secrets. It may be used from many goroutines.
type Cache struct {
	vault vaultv1.VaultServiceClient
	// recipient is whom the vault encrypts its answers for.
	recipient *transit.Recipient
	parent    string
	deleted   func(secret, uid string)
	epochs    epochs
	logger    *slog.Logger
	memory    *memory // nil: nothing is kept
}

// New returns a cache of what the vault answers. It keeps something while
// [Cache.Run] runs.
func New(vault vaultv1.VaultServiceClient, cfg Config) (*Cache, error) {
	if cfg.MaxStale < 0 || cfg.MaxStale > MaxMaxStale {
		return nil, errors.New("max stale: must be from 0 to 1 hour")
	}
	c := &Cache{vault: vault, parent: cfg.Parent, deleted: cfg.Deleted, epochs: epochs{changed: cfg.Restarted}, logger: cfg.Logger}
	if c.parent == "" {
		c.parent = "workspaces/-"
	}
	if c.deleted == nil {
		c.deleted = func(string, string) {}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c.recipient = transit.NewRecipient(cfg.Now)
	if cfg.MaxStale == 0 {
		return c, nil
	}
	m, err := newMetrics(cfg.Metrics, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("register metrics of kept secrets: %w", err)
	}
	if c.memory, err = newMemory(cfg.MaxStale, cfg.Now, m); err != nil {
		return nil, fmt.Errorf("prepare keeping secrets: %w", err)
	}
	return c, nil
}

// Resolve returns a secret, from memory or from the vault. Errors are the vault's own,
// such as NOT_BOUND; package client describes them. That of a version which is disabled or
// destroyed is an [*UnusableError].
func (c *Cache) Resolve(ctx context.Context, ref Ref) (Value, error) {
	if c.memory == nil {
		a, err := c.ask(ctx, ref)
		return a.Value, err
	}
	a, err := c.memory.fetch(ctx, ref, c.ask)
	return a.Value, err
}

// A Result is what [Cache.Resolve] returns for one of several refs.
type Result struct {
	Value Value
	Err   error
}

// ResolveAll is [Cache.Resolve] for several refs, with a result for each in their order. It looks
// each ref up once, and asks the vault for all that are not in memory at the same time.
func (c *Cache) ResolveAll(ctx context.Context, refs []Ref) []Result {
	if c.memory == nil {
		return c.Fresh(ctx, refs)
	}
	results, flights := make([]Result, len(refs)), make([]*flight, len(refs))
	for i, ref := range refs {
		var a answer
		a, flights[i] = c.memory.find(ctx, ref, c.ask)
		results[i].Value = a.Value
	}
	for i, f := range flights {
		if f != nil {
			a, err := c.memory.wait(ctx, f)
			results[i] = Result{a.Value, err}
		}
	}
	return results
}

// Fresh is [Cache.ResolveAll] from the vault alone: Sealed is as it is now.
func (c *Cache) Fresh(ctx context.Context, refs []Ref) []Result {
	results := make([]Result, len(refs))
	var calls sync.WaitGroup
	for i, ref := range refs {
		calls.Go(func() {
			a, err := c.ask(ctx, ref)
			results[i] = Result{a.Value, err}
		})
	}
	calls.Wait()
	return results
}

// Kept returns a secret if it is in memory and may be relied on. It does not wait.
func (c *Cache) Kept(ref Ref) (Value, bool) {
	if c.memory == nil {
		return Value{}, false
	}
	a, ok := c.memory.get(ref)
	return a.Value, ok
}

// Forget drops what is kept of a secret. Whoever gives up a binding forgets the secret:
// the vault tells of no binding that is given up.
func (c *Cache) Forget(secret string) {
	if c.memory != nil {
		c.memory.forget(secret)
	}
}

// ask asks the vault.
func (c *Cache) ask(ctx context.Context, ref Ref) (answer, error) {
	pair, err := c.recipient.Pair()
	if err != nil {
		return answer{}, err
	}
	res, err := c.vault.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{
		Name: ref.Secret, Uid: ref.UID, Version: ref.Version, VersionUid: ref.VersionUID, Purpose: []byte(ref.Purpose), Seal: ref.Seal,
		Recipient: pair.Public(),
	})
	if err != nil {
		return answer{}, describe(err)
	}
	c.epochs.note(res.GetPosition().GetEpoch())
	plain, err := open(pair, ref, res)
	if err != nil {
		return answer{}, err
	}
	a := answer{
		Value: Value{
			Plain: plain, Version: res.GetVersion(),
			Usage: res.GetUsage(), AllowedHosts: res.GetAllowedHosts(), Previous: previousFromProto(res.GetPrevious()),
			Sealed: res.GetSealed(),
		},
		at: positionFromProto(res.GetPosition()),
	}
	if a.Version == 0 || ref.Version != 0 && a.Version != ref.Version {
		a.Plain.Zero()
		return answer{}, errors.New("the vault answers with another version than was asked for")
	}
	return a, nil
}

// open returns the value of an answer. A vault of an earlier release encrypts it for no
// recipient.
func open(pair *transit.Pair, ref Ref, res *vaultv1.ResolveSecretResponse) (sensitive.Bytes, error) {
	sealed := res.GetSealedValue()
	if sealed == nil {
		return sensitive.New(res.GetValue()), nil
	}
	value := transit.Value{EncapsulatedKey: sealed.GetEncapsulatedKey(), Ciphertext: sealed.GetCiphertext()}
	plain, err := pair.Open(value, transit.Place{Name: ref.Secret, UID: ref.UID, Version: res.GetVersion()})
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("open the vault's answer: %w", err)
	}
	return plain, nil
}

func previousFromProto(pb []*vaultv1.PreviousVersion) []Previous {
	previous := make([]Previous, len(pb))
	for i, p := range pb {
		previous[i] = Previous{Version: p.GetVersion(), ReplaceTime: p.GetReplaceTime().AsTime()}
	}
	return previous
}
