// Package cache resolves secrets for a workload with the resolver role, and caches them while the
// vault confirms that they are current.
//
//	keys, err := cache.New(vault, cache.Config{MaxStale: time.Minute})
//	...
//	go keys.Run(ctx)
//	...
//	results := keys.Resolve(ctx, []cache.Ref{{Secret: name, UID: binding.GetUid()}})
//	...
//	defer results[0].Value.Plain.Zero()
//
// The workload must have bound the secret; the binding contains the uid. A rotation takes effect
// as soon as the vault reports it, which takes milliseconds.
//
// # Why outdated values are never served
//
// Each answer of the vault states the position of its change log at which it was read, and
// [Cache.Run] receives the events of that log. So the order of an answer and an event is known:
//
//   - An event drops the answers about its secret that were read before it.
//   - If an event about a secret arrives while an answer about it is pending, the answer reaches its
//     callers but is not cached. Nor is an answer that was read before an event that arrived before
//     the question.
//   - A watch that restarts resumes at its last position, also after a restart of the vault, and
//     receives the missed events before the first heartbeat. If it cannot resume (another epoch, or
//     too far behind), everything is dropped, including pending answers.
//   - A watch begins only after Admit accepted the run of the vault, and resumes in another run only
//     if Covers confirms that the log up to its position is the same. A data file that was replaced
//     between two runs has the same epoch.
//
// Only a heartbeat confirms that no event is missing. If the last heartbeat is older than
// MaxStale, nothing is served from the cache: each call asks the vault, and fails if the vault is
// unreachable. Cached values are overwritten with zeros soon after. Refusals are not cached.
//
// # Expiry
//
// A value of a secret that expires is served until then. The answer states the time of the vault, so
// that the two clocks need not agree: the remaining time begins when the question is sent. The vault
// refuses the next question. It reports a change of the expiry like any other.
//
// # Memory
//
// Cached values never leave the cache: each caller gets a copy, which it must zero. A value that
// has not been used for MaxStale is dropped and overwritten. The vault encrypts its answers to a
// key pair that the cache holds in memory and replaces every few minutes, so that the buffers of
// the connection contain no values.
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

// callBound is the time limit of a call to the vault. The call continues for other callers when
// the context of the first caller ends.
const callBound = 5 * time.Second

// Config configures a [Cache]. The zero Config caches nothing.
type Config struct {
	// MaxStale is how long cached values are served while the vault is silent, and how long an
	// unused value stays cached; at most an hour. Zero disables the cache: each call asks the
	// vault.
	MaxStale time.Duration
	// Parent is the scope of the watch: `workspaces/{workspace}`, or empty for all workspaces,
	// which requires the role in all of them.
	Parent string
	// Deleted, if not nil, is called with the name and the uid of each secret that the watch
	// reports as deleted, and the reason, which may be empty. A watch that starts over has missed
	// some. It must not block.
	Deleted func(secret, uid, reason string)
	// Restarted, if not nil, is called when the vault was restarted, or begins another epoch because it
	// was restored. A restored vault lacks the bindings created since. The watch and each answer of the
	// vault report it. It must not block.
	Restarted func()
	// Admit, if not nil, is called with the run of each answer of the vault, and of each new watch. An
	// error keeps the answer or the watch from being used; that of an answer is returned instead.
	Admit func(ctx context.Context, run string) error
	// Covers, if not nil, reports whether the head of the vault's log was verified up to a number of
	// changes in an earlier run. If it is nil, no watch resumes in another run.
	Covers func(run string, changes uint64) bool
	// Head, if not nil, is called with each head of the vault's change log that the watch states. It
	// must not block.
	Head func(run, checkpoint string)
	// Logger logs when the watch fails; nothing is logged if nil.
	Logger *slog.Logger
	// Metrics registers the metrics of the cache; they are not exposed if nil.
	Metrics prometheus.Registerer
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// A Ref identifies a secret to resolve.
type Ref struct {
	// Secret is the resource name of the secret.
	Secret string
	// UID is the uid that was bound. The name may have another uid by now.
	UID string
	// Version is the version, or 0 for the current one.
	Version uint32
	// VersionUID, if not empty, is the uid that BindSecret returned for Version. Another version
	// with the same number, as after a restore of the vault, is then VERSION_NOT_FOUND.
	VersionUID string
	// Purpose is the digest of the purpose of a KEY, from [PurposeOf]. Empty for other usages.
	Purpose string
	// Seal reports whether the KEY is for a message, not for a test. The first use with Seal seals
	// its purpose.
	Seal bool
}

// PurposeOf returns the Purpose of a [Ref] for the chains that a KEY is bound for, in any order.
func PurposeOf(chains ...string) string {
	if len(chains) == 0 {
		return ""
	}
	sorted := slices.Clone(chains)
	slices.Sort(sorted)
	sum := sha256.Sum256([]byte(strings.Join(slices.Compact(sorted), "\n")))
	return string(sum[:])
}

// A Value is a resolved secret. The receiver must zero Plain.
type Value struct {
	Plain sensitive.Bytes
	// Version is the version that Plain belongs to.
	Version uint32
	// Usage is the usage of the secret.
	Usage vaultv1.Usage
	// AllowedHosts are the hosts that a CREDENTIAL may be sent to, `host` or `host:port`. The
	// default port is 443.
	AllowedHosts []string
	// Previous lists the versions that were current before and can be resolved, the most recently
	// replaced first. It is set only if the current version was requested. It is shared: do not
	// modify it.
	Previous []Previous
	// Sealed reports whether the purpose of a KEY was sealed when the vault answered.
	Sealed bool
}

// A Previous is a version that was current before.
type Previous struct {
	Version uint32
	// ReplaceTime is when it was last replaced.
	ReplaceTime time.Time
}

// A Cache caches resolved secrets. It is safe for concurrent use.
type Cache struct {
	vault vaultv1.VaultServiceClient
	// recipient holds the key pair that the vault encrypts its answers to.
	recipient *transit.Recipient
	parent    string
	deleted   func(secret, uid, reason string)
	admit     func(ctx context.Context, run string) error
	covers    func(run string, changes uint64) bool
	head      func(run, checkpoint string)
	epochs    epochs
	logger    *slog.Logger
	memory    *memory // nil: nothing is cached
	now       func() time.Time
}

// New returns a cache of answers of the vault. It caches answers only while [Cache.Run] runs.
func New(vault vaultv1.VaultServiceClient, cfg Config) (*Cache, error) {
	if cfg.MaxStale < 0 || cfg.MaxStale > MaxMaxStale {
		return nil, errors.New("max stale: must be from 0 to 1 hour")
	}
	c := &Cache{
		vault: vault, parent: cfg.Parent, deleted: cfg.Deleted, admit: cfg.Admit, covers: cfg.Covers, head: cfg.Head,
		epochs: epochs{changed: cfg.Restarted}, logger: cfg.Logger,
	}
	if c.parent == "" {
		c.parent = "workspaces/-"
	}
	if c.deleted == nil {
		c.deleted = func(string, string, string) {}
	}
	if c.admit == nil {
		c.admit = func(context.Context, string) error { return nil }
	}
	if c.covers == nil {
		c.covers = func(string, uint64) bool { return false }
	}
	if c.head == nil {
		c.head = func(string, string) {}
	}
	if c.logger == nil {
		c.logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c.now = cfg.Now
	c.recipient = transit.NewRecipient(cfg.Now)
	if cfg.MaxStale == 0 {
		return c, nil
	}
	m, err := newMetrics(cfg.Metrics, cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("register metrics of the cache: %w", err)
	}
	if c.memory, err = newMemory(cfg.MaxStale, cfg.Now, m); err != nil {
		return nil, fmt.Errorf("create the cache: %w", err)
	}
	return c, nil
}

// A Result is what [Cache.Resolve] returns for one of several refs. Errors are the vault's own, such
// as NOT_BOUND; package client describes them. The error for a disabled or destroyed version is an
// [*UnusableError].
type Result struct {
	Value Value
	Err   error
}

// Resolve returns secrets from the cache or from the vault: a result for each ref, in their order. It
// looks up each ref once, and requests all refs that are not cached from the vault at the same
// time.
func (c *Cache) Resolve(ctx context.Context, refs []Ref) []Result {
	if c.memory == nil {
		return c.Fresh(ctx, refs)
	}
	results := make([]Result, len(refs))
	flights := c.memory.find(ctx, refs, results, c.ask)
	if flights == nil {
		return results
	}
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
	for i, f := range flights {
		if f != nil {
			a, err := c.memory.wait(ctx, f)
			results[i] = Result{a.Value, err}
		}
	}
	return results
}

// Fresh is [Cache.Resolve] without the cache: Sealed is as it is now.
func (c *Cache) Fresh(ctx context.Context, refs []Ref) []Result {
	ctx, cancel := context.WithTimeout(ctx, callBound)
	defer cancel()
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

// Forget drops the cached versions of a secret. Callers that release a binding must call it,
// because the vault does not report released bindings.
func (c *Cache) Forget(secret string) {
	if c.memory != nil {
		c.memory.forget(secret)
	}
}

// Drop drops everything, including pending answers and the position of the watch, which then starts
// over. Callers that accept a restored vault must call it.
func (c *Cache) Drop() {
	if c.memory != nil {
		c.memory.reset()
	}
}

// ask asks the vault.
func (c *Cache) ask(ctx context.Context, ref Ref) (answer, error) {
	pair, err := c.recipient.Pair()
	if err != nil {
		return answer{}, err
	}
	asked := c.now()
	res, err := c.vault.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{
		Name: ref.Secret, Uid: ref.UID, Version: ref.Version, VersionUid: ref.VersionUID, Purpose: []byte(ref.Purpose), Seal: ref.Seal,
		Recipient: pair.Public(),
	})
	if err != nil {
		return answer{}, describe(err)
	}
	at := positionFromProto(res.GetPosition())
	c.epochs.note(at)
	if err := c.admit(ctx, at.run); err != nil {
		clear(res.GetValue()) // of a vault that does not encrypt its answers
		return answer{}, err
	}
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
		at:   at,
		life: lifeOf(asked, res),
	}
	if a.Version == 0 || ref.Version != 0 && a.Version != ref.Version {
		a.Plain.Zero()
		return answer{}, errors.New("the vault returned another version than the requested one")
	}
	return a, nil
}

// open returns the value of an answer. A vault of an earlier release does not encrypt answers.
func open(pair *transit.Pair, ref Ref, res *vaultv1.ResolveSecretResponse) (sensitive.Bytes, error) {
	sealed := res.GetSealedValue()
	if sealed == nil {
		return sensitive.New(res.GetValue()), nil
	}
	value := transit.Value{EncapsulatedKey: sealed.GetEncapsulatedKey(), Ciphertext: sealed.GetCiphertext()}
	plain, err := pair.Open(value, transit.Place{Name: ref.Secret, UID: ref.UID, Version: res.GetVersion()})
	if err != nil {
		return sensitive.Bytes{}, fmt.Errorf("decrypt the vault's answer: %w", err)
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
