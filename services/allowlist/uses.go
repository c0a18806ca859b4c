package allowlist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/activity"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// lastReport is the time limit of the last report of uses. The vault may have stopped already.
const lastReport = time.Second

// newMeter returns the meter that counts key uses and reports them to the vault.
func newMeter(store kv.Store, vault *vaultclient.Vault, now func() time.Time) *activity.Meter {
	return activity.New(store, func(ctx context.Context, workspace, id string, uses []activity.Total) error {
		counts := make([]vaultclient.Count, len(uses))
		for i, u := range uses {
			counts[i] = vaultclient.Count{
				Secret: u.Secret, UID: u.UID, Version: u.Version, Used: u.Used, Failed: u.Failed, Opened: u.Opened, Last: u.Last,
			}
		}
		err := vault.Report(ctx, workspace, id, counts)
		if err != nil && ctx.Err() == nil && !vaultclient.Unavailable(err) {
			return fmt.Errorf("%w: %w", activity.ErrRefused, err)
		}
		return err
	}, now)
}

// count reports uses until the context ends.
func (a *Allowlist) count(ctx context.Context, logger *slog.Logger) {
	a.uses.Run(ctx, func(err error) {
		logger.WarnContext(ctx, "could not report key uses to the vault", slog.Any("error", err))
	})
}

// countLast saves and reports the uses since the last report.
func (a *Allowlist) countLast() error {
	ctx, done := context.WithTimeout(context.Background(), lastReport)
	defer done()
	err := a.uses.Flush(ctx)
	if errors.Is(err, activity.ErrRefused) || vaultclient.Unavailable(err) || errors.Is(err, context.DeadlineExceeded) {
		return nil // the counts are saved if possible; that the vault has stopped as well is not a failure
	}
	return err
}
