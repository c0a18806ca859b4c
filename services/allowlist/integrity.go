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
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Types of the registry that callers of this package use.
type (
	// A Link is a reference to a secret, a binding, or both.
	Link = endpoint.Link
	// A Discrepancy is a difference between the endpoints and the bindings.
	Discrepancy = endpoint.Discrepancy
)

// ErrRunning is returned if a running allowlist has opened the store.
var ErrRunning = errors.New("an allowlist is running on this store; stop it first, or send it SIGUSR1 to compare and repair, and see its log for the result")

// Reconcile compares all endpoints with the bindings in the vault, repairs the differences, and
// returns how many it found. The allowlist also does so every hour and when the vault has
// restarted.
func (a *Allowlist) Reconcile(ctx context.Context) (repairs int, err error) {
	return a.endpoints.Repair(ctx)
}

// References reports every reference of the endpoints to a secret, every binding, and whether they
// match. It determines senders from the policy. The allowlist must be stopped, and the vault must
// be running.
func References(ctx context.Context, cfg Config, policy *auth.Policy, logger *slog.Logger, report func(Link)) error {
	return inspect(ctx, cfg, logger, func(a *Allowlist) error {
		a.UsePolicies(auth.NewPolicies(policy))
		return a.endpoints.Links(ctx, report)
	})
}

// Reconcile is [Allowlist.Reconcile] for a stopped allowlist. It reports each difference and each
// lost secret. It determines senders from the policy. The vault must be running. A restored vault is
// refused unless a reason to accept it is given, which the change log records.
func Reconcile(ctx context.Context, cfg Config, policy *auth.Policy, accept string, logger *slog.Logger, report func(Discrepancy)) error {
	return inspect(ctx, cfg, logger, func(a *Allowlist) error {
		if accept != "" {
			operator := changelog.Author{Actor: changelog.Actor{Subject: "operator", Authentication: "command"}, Reason: accept}
			if _, _, err := a.vault.AcceptHead(ctx, operator); err != nil {
				return err
			}
		}
		a.UsePolicies(auth.NewPolicies(policy))
		// Release the bindings that a crash left first, so that they are not reported.
		if _, err := a.endpoints.Unbind(ctx); err != nil {
			return err
		}
		return a.endpoints.Reconcile(ctx, report)
	})
}

// LogKey returns the public key of the change log of a stopped allowlist, in the form that verifies
// its checkpoints.
func LogKey(ctx context.Context, cfg Config, logger *slog.Logger) (key string, err error) {
	err = inspect(ctx, cfg, logger, func(a *Allowlist) error {
		key = a.log.VerifierKey()
		return nil
	})
	return key, err
}

// inspect opens an allowlist without background tasks and runs check on it.
func inspect(ctx context.Context, cfg Config, logger *slog.Logger, check func(*Allowlist) error) (err error) {
	if _, err := os.Stat(cfg.Store); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open store: %w", err) // and do not create one
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
