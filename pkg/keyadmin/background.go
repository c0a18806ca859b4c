package keyadmin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/kv"
)

const (
	// share is the part of the time that authenticating rows again may take, so that requests hardly
	// notice it.
	share = 0.25
	// examined is the number of rows of one step.
	examined = 500
	// pause is the time before a step that failed is tried again.
	pause = 10 * time.Second
)

// Run authenticates rows again that depend on earlier roots, and then erases these roots, until ctx
// ends.
func (a *Admin) Run(ctx context.Context) {
	for {
		if err := a.retire(ctx); err != nil && ctx.Err() == nil {
			a.Logger.WarnContext(ctx, "authenticating rows again failed, trying again", slog.Any("error", err))
			if !wait(ctx, pause) {
				return
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
		}
	}
}

// retire erases earlier roots, after it made sure that no row depends on them.
func (a *Admin) retire(ctx context.Context) error {
	if len(a.Keys.Info().Roots) == 1 {
		return nil
	}
	for {
		newest := a.Keys.Info().Roots[0].Generation
		written, err := a.reauthenticate(ctx)
		if err != nil {
			return err
		}
		if written > 0 {
			continue
		}
		done, err := a.erase(ctx, newest)
		if done || err != nil {
			return err
		}
	}
}

// erase removes all roots but the newest, unless another one came in the meantime.
func (a *Admin) erase(ctx context.Context, newest byte) (done bool, err error) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.Keys.Info().Roots[0].Generation != newest {
		return false, nil
	}
	failpoint.Hit(failpoint.RetirementDue)
	// The entry makes the log sign its head with the newest key, before the earlier ones are gone.
	if _, err := a.Keys.Retire(ctx, a.record(changelog.System(a.Service), RetiredRoots, "")); err != nil {
		return false, a.providerFault(ctx, err)
	}
	failpoint.Hit(failpoint.RetirementStored)
	if err := a.Keys.Authenticate(a.Store); err != nil {
		return false, fmt.Errorf("forget earlier roots: %w", err)
	}
	failpoint.Hit(failpoint.RetirementForgotten)
	if err := a.Log.Use(a.Keys.LogSeeds()); err != nil {
		return false, fmt.Errorf("forget earlier keys of the change log: %w", err)
	}
	return true, nil
}

// reauthenticate examines all rows once, and returns how many it wrote.
func (a *Admin) reauthenticate(ctx context.Context) (written uint64, err error) {
	var after []byte
	for {
		begin := time.Now()
		next, n, err := a.Store.Reauthenticate(ctx, after, examined)
		if err != nil && !errors.Is(err, kv.ErrCorrupt) { // no root would make a damaged row readable
			return written, err
		}
		written += uint64(n)
		a.metrics.rows.Add(float64(n))
		if next == nil {
			return written, nil
		}
		after = next
		if !wait(ctx, time.Duration(float64(time.Since(begin))*(1/share-1))) {
			return written, ctx.Err()
		}
	}
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
