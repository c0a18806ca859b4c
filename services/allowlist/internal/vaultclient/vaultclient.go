// Package vaultclient is the allowlist's client of the vault: it binds secrets, releases bindings,
// and resolves bound secrets, over gRPC and with the allowlist's own identity.
//
// It is the only package of the allowlist that uses gRPC status codes. It converts refusals of the
// vault to faults of the allowlist's contract, with its own wording and without names. Errors that
// indicate a wrong setup, such as a role that is missing from the vault's policy, are opaque, so
// that callers learn nothing and the log contains everything.
//
// # Freshness
//
// Resolved secrets are cached (package cache) while the vault reports changes: a rotation takes
// effect at once, and secrets that were resolved before remain usable for a while without the
// vault.
//
// # Rollback
//
// Nothing is used from a vault whose change log does not extend the last head that the allowlist
// verified (package witness): all methods that use or change bindings fail with VAULT_ROLLED_BACK.
//
// # Rotation
//
// Messages that a partner sent before it received a new key decrypt with the previous key. The
// vault reports which versions were current and when they were replaced. [Vault.ResolveAccepted]
// returns the versions that a [Want] still accepts in addition to the current one. For incoming
// messages, it returns them without the current one while that is disabled or destroyed.
package vaultclient

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/cache"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// callBound is the time limit of one call to the vault.
const callBound = 5 * time.Second

// A Vault is a client of the vault. It is safe for concurrent use.
type Vault struct {
	client vaultv1.VaultServiceClient
	cache  *cache.Cache
	heads  *witness.Witness // nil: the vault's log is not followed
	now    func() time.Time
	// restarted is called when the bindings may differ; may be nil.
	restarted func()
	// restored is called when a restore was confirmed; may be nil.
	restored func()
}

// Freshness configures how resolved secrets are cached.
type Freshness struct {
	// MaxStale is how long cached secrets are served while the vault is silent. Zero disables the
	// cache.
	MaxStale time.Duration
	// Now returns the time; time.Now if nil.
	Now func() time.Time
	// Deleted, if not nil, is called with the name and the uid of each secret that the vault
	// reports as deleted, and the reason, which may be empty, while [Vault.Watch] runs and the cache
	// is enabled. It must not block.
	Deleted func(secret, uid, reason string)
	// Restarted, if not nil, is called when the vault has restarted, or was restored. It must not block.
	Restarted func()
	// Restored, if not nil, is called when a person has confirmed a restore of the vault. It must not
	// block.
	Restored func()
	// Heads follows the vault's change log. Nothing is used from a vault whose log it refuses. If it
	// is nil, the log is not followed.
	Heads *witness.Witness
	// Metrics registers the metrics; they are not exposed if nil.
	Metrics prometheus.Registerer
	// Logger logs when the vault reports no changes.
	Logger *slog.Logger
}

// New returns a client that uses conn. Resolved secrets are cached while [Vault.Watch] runs.
func New(conn grpc.ClientConnInterface, f Freshness) (*Vault, error) {
	if f.Now == nil {
		f.Now = time.Now
	}
	client := vaultv1.NewVaultServiceClient(conn)
	config := cache.Config{
		MaxStale: f.MaxStale, Now: f.Now, Deleted: f.Deleted, Restarted: f.Restarted, Metrics: f.Metrics, Logger: f.Logger,
	}
	if f.Heads != nil {
		config.Admit, config.Covers, config.Head = f.Heads.Admit, f.Heads.Covers, f.Heads.Heard
	}
	kept, err := cache.New(client, config)
	if err != nil {
		return nil, fmt.Errorf("cache secrets: %w", err)
	}
	return &Vault{client: client, cache: kept, heads: f.Heads, now: f.Now, restarted: f.Restarted, restored: f.Restored}, nil
}

// Watch keeps the cache current until ctx ends. Without it, or while it has not reached the vault
// for too long, each secret is resolved again for each use.
func (v *Vault) Watch(ctx context.Context) { v.cache.Run(ctx) }
