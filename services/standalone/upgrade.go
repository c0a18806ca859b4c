package standalone

import (
	"context"
	"errors"
	"log/slog"

	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/vault"
)

// openVault opens the vault. It upgrades a store that an earlier version wrote.
func openVault(ctx context.Context, cfg vault.Config, logger *slog.Logger) (*vault.Vault, error) {
	v, err := vault.New(ctx, cfg, logger)
	if !errors.Is(err, boltkv.ErrEarlier) {
		return v, err
	}
	done, err := vault.Upgrade(ctx, cfg, upgrade.Options{})
	if err != nil {
		return nil, err
	}
	logUpgrade(ctx, logger, "vault", done)
	return vault.New(ctx, cfg, logger)
}

// openAllowlist opens the allowlist. It upgrades a store that an earlier version wrote.
func openAllowlist(ctx context.Context, cfg allowlist.Config, t *telemetry.Telemetry) (*allowlist.Allowlist, error) {
	a, err := allowlist.New(ctx, cfg, t.Log, t.Metrics)
	if !errors.Is(err, boltkv.ErrEarlier) {
		return a, err
	}
	done, err := allowlist.Upgrade(ctx, cfg, upgrade.Options{})
	if err != nil {
		return nil, err
	}
	logUpgrade(ctx, t.Log, "allowlist", done)
	return allowlist.New(ctx, cfg, t.Log, t.Metrics)
}

func logUpgrade(ctx context.Context, logger *slog.Logger, of string, done upgrade.Result) {
	logger.LogAttrs(ctx, slog.LevelInfo, "upgraded the data file that an earlier version wrote", slog.String("of", of),
		slog.Uint64("resources", done.Resources), slog.Uint64("entries", done.Entries), slog.String("kept", done.Kept))
}
