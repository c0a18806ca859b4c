package allowlist

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Around is the environment of an allowlist in a test.
type Around struct {
	// Now is the clock.
	Now func() time.Time
	// Pace is the interval of each background task.
	Pace time.Duration
	// Reconcile is the interval between comparisons with the vault. Zero means never.
	Reconcile time.Duration
	// Wrap changes how the store behaves.
	Wrap func(kv.Store) kv.Store
	// Metrics registers the metrics.
	Metrics prometheus.Registerer
	// Step is called between the steps of a save.
	Step func(string) error
}

// Open is New in the environment of a test.
func Open(ctx context.Context, cfg Config, logger *slog.Logger, around Around) (*Allowlist, error) {
	return open(ctx, cfg, logger, surroundings{
		now: around.Now, wrap: around.Wrap, step: around.Step, metrics: around.Metrics,
		intervals: endpoint.Intervals{Sweep: around.Pace, Reconcile: around.Reconcile, Retry: around.Pace},
	})
}

// Flush saves and reports the key uses now.
func (a *Allowlist) Flush(ctx context.Context) error { return a.uses.Flush(ctx) }
