package allowlist

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Around is what tests decide about the surroundings of an allowlist.
type Around struct {
	// Now is the clock.
	Now func() time.Time
	// Pace is the time between two looks of each background task.
	Pace time.Duration
	// Reconcile is the time between two comparisons with the vault; zero: none.
	Reconcile time.Duration
	// Wrap makes the store behave otherwise.
	Wrap func(kv.Store) kv.Store
	// Metrics registers what there is to see.
	Metrics prometheus.Registerer
	// Step is called between the steps of a save.
	Step func(string) error
}

// Open is New in the surroundings of a test.
func Open(ctx context.Context, cfg Config, logger *slog.Logger, around Around) (*Allowlist, error) {
	return open(ctx, cfg, logger, surroundings{
		now: around.Now, wrap: around.Wrap, step: around.Step, metrics: around.Metrics,
		intervals: endpoint.Intervals{Sweep: around.Pace, Reconcile: around.Reconcile, Retry: around.Pace},
	})
}

// Flush saves and reports the uses of keys now.
func (a *Allowlist) Flush(ctx context.Context) error { return a.uses.Flush(ctx) }
