package allowlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// parting is how long the last report of uses may take. The vault may have gone before.
const parting = time.Second

// newMeter returns the meter of the uses of keys, which reports them to the vault.
func newMeter(store kv.Store, vault *vaultclient.Vault, now func() time.Time) *activity.Meter {
	return activity.New(store, func(ctx context.Context, workspace, id string, uses []activity.Total) error {
		counts := make([]vaultclient.Count, len(uses))
		for i, u := range uses {
			counts[i] = vaultclient.Count{
				Secret: u.Secret, UID: u.UID, Version: u.Version, Used: u.Used, Failed: u.Failed, Opened: u.Opened, Last: u.Last,
			}
		}
		err := vault.Report(ctx, workspace, id, counts)
		if err != nil && ctx.Err() == nil && !fault.Is(err, vaultclient.ReasonVaultUnavailable) {
			return fmt.Errorf("%w: %w", activity.ErrRefused, err)
		}
		return err
	}, now)
}

// count reports uses until the context ends.
func (a *Allowlist) count(ctx context.Context, logger *slog.Logger) {
	a.uses.Run(ctx, func(err error) {
		logger.WarnContext(ctx, "uses of keys could not be reported to the vault", slog.Any("error", err))
	})
}

// countLast saves and reports what was counted since the last report.
func (a *Allowlist) countLast() error {
	ctx, done := context.WithTimeout(context.Background(), parting)
	defer done()
	err := a.uses.Flush(ctx)
	if errors.Is(err, activity.ErrRefused) || fault.Is(err, vaultclient.ReasonVaultUnavailable) || errors.Is(err, context.DeadlineExceeded) {
		return nil // what could be saved is; a vault that has stopped with us is no failure
	}
	return err
}
