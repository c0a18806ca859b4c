package allowlist

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// The names under which callers of this package know what the registry tells.
type (
	// A Link is what ties a secret to what refers to it.
	Link = endpoint.Link
	// A Discrepancy is one difference between the endpoints and the bindings.
	Discrepancy = endpoint.Discrepancy
)

// ErrRunning means that a running allowlist holds the store.
var ErrRunning = errors.New("an allowlist runs on this store; stop it first, or send it SIGUSR1 to compare and repair: its log says what it found")

// Reconcile compares all endpoints with the bindings that the vault holds, repairs
// what differs, and returns how many differences that were. It does so by itself every hour
// and when the vault was started again.
func (a *Allowlist) Reconcile(ctx context.Context) (repairs int, err error) {
	return a.endpoints.Repair(ctx)
}

// References tells every reference of the endpoints to a secret, every binding, and
// whether they belong together. Senders are compared by the policy. The allowlist does not run
// meanwhile; the vault does.
func References(ctx context.Context, cfg Config, policy *auth.Policy, logger *slog.Logger, report func(Link)) error {
	return inspect(ctx, cfg, logger, func(a *Allowlist) error {
		a.UsePolicies(auth.NewPolicies(policy))
		return a.endpoints.Links(ctx, report)
	})
}

// Reconcile is [Allowlist.Reconcile] for an allowlist that does not run, and tells
// each difference and each loss. Senders are compared by the policy. The vault runs.
func Reconcile(ctx context.Context, cfg Config, policy *auth.Policy, logger *slog.Logger, report func(Discrepancy)) error {
	return inspect(ctx, cfg, logger, func(a *Allowlist) error {
		a.UsePolicies(auth.NewPolicies(policy))
		// What a crash left is given up first, so that it is no finding.
		if _, err := a.endpoints.Unbind(ctx); err != nil {
			return err
		}
		return a.endpoints.Reconcile(ctx, report)
	})
}

// inspect opens an allowlist in which nothing happens but what look does.
func inspect(ctx context.Context, cfg Config, logger *slog.Logger, check func(*Allowlist) error) (err error) {
	if _, err := os.Stat(cfg.Store); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open store: %w", err) // and do not make one
	}
	a, err := open(ctx, cfg, logger, surroundings{now: time.Now, metrics: prometheus.NewRegistry(), idle: true})
	if errors.Is(err, boltkv.ErrLocked) {
		return ErrRunning
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	return check(a)
}
