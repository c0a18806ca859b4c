// Package vaultclient is the allowlist's way to the vault: it binds secrets, gives
// bindings up, and resolves what is bound, over gRPC and with the allowlist's own identity.
//
// It is the only place of the allowlist that looks at gRPC status codes. What the
// vault refuses comes back as a fault of the allowlist's own contract, in its own
// words and without a name; what points at a wrong set-up, such as a role that is
// missing from the vault's policy, is opaque, so that callers learn nothing and
// the log all.
//
// # Freshness
//
// Resolved secrets are kept in memory (package cache of the Go client) while the vault
// says what becomes outdated: a rotation is in use at once, and what was resolved once
// goes on for a while without the vault.
//
// # Rotation
//
// What a partner sent before it heard of a new key opens with the one before. The vault
// tells which versions were current and when they were replaced; [Vault.ResolveAccepted]
// returns those that a [Want] still welcomes, next to the current one, or for what came in
// without it while it is disabled or destroyed.
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
)

// callBound is how long one call to the vault may take.
const callBound = 5 * time.Second

// A Vault is the vault as the allowlist sees it. It may be used from many goroutines.
type Vault struct {
	client vaultv1.VaultServiceClient
	cache  *cache.Cache
	now    func() time.Time
}

// Freshness is how long resolved secrets are kept in memory.
type Freshness struct {
	// MaxStale is how long the vault may be silent until what is kept is no longer
	// served. Zero: nothing is kept.
	MaxStale time.Duration
	// Now tells the time; time.Now if nil.
	Now func() time.Time
	// Deleted, if not nil, is called with the name and the uid of each secret that the
	// vault says is gone, while [Vault.Watch] runs and something is kept. It must not block.
	Deleted func(secret, uid string)
	// Restarted, if not nil, is called when the vault was started again. It may have been restored
	// from a backup. It must not block.
	Restarted func()
	// Metrics registers what there is to see; nil: nobody looks.
	Metrics prometheus.Registerer
	// Logger hears when the vault tells of no changes.
	Logger *slog.Logger
}

// New returns the vault at the other end of a connection. Resolved secrets are kept in
// memory while [Vault.Watch] runs.
func New(conn grpc.ClientConnInterface, f Freshness) (*Vault, error) {
	if f.Now == nil {
		f.Now = time.Now
	}
	client := vaultv1.NewVaultServiceClient(conn)
	kept, err := cache.New(client, cache.Config{
		MaxStale: f.MaxStale, Now: f.Now, Deleted: f.Deleted, Restarted: f.Restarted, Metrics: f.Metrics, Logger: f.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("keep secrets in memory: %w", err)
	}
	return &Vault{client: client, cache: kept, now: f.Now}, nil
}

// Watch keeps what is kept right, until ctx ends. Without it, or while it does not
// reach the vault for too long, each secret is resolved anew.
func (v *Vault) Watch(ctx context.Context) { v.cache.Run(ctx) }
