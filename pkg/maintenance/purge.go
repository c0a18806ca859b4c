package maintenance

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// purgeEvery is the time between two purges, and the longest time that one waits for a view.
	purgeEvery = 20 * time.Second
	// ownShare is the share of the time that a purge uses that runs by itself, and requestedShare that of
	// one that a caller waits for.
	ownShare, requestedShare = 0.25, 0.75
)

// A Store erases what was deleted from it; see [github.com/keyward/keyward/pkg/kv/boltkv.DB.Purge].
type Store interface {
	Purge(ctx context.Context, share float64) (erased int64, err error)
	PurgePending() int64
}

// A Purger erases deleted data from the data file of a running service. It is safe for concurrent use.
type Purger struct {
	store  Store
	logger *slog.Logger
	// erased and completed are metrics, as is pending.
	erased    prometheus.Counter
	completed prometheus.Gauge
	pending   prometheus.GaugeFunc
}

// NewPurger returns a purger of the store of a service. [Purger.Run] starts it.
func NewPurger(service string, store Store, logger *slog.Logger) *Purger {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{
			Namespace: "keyward", Subsystem: "purge", Name: name, Help: help,
			ConstLabels: prometheus.Labels{"service": service},
		}
	}
	p := &Purger{
		store: store, logger: logger,
		erased:    prometheus.NewCounter(prometheus.CounterOpts(opts("erased_bytes_total", "Bytes of deleted data that were overwritten in the data file."))),
		completed: prometheus.NewGauge(prometheus.GaugeOpts(opts("last_complete_timestamp_seconds", "Time at which nothing was left of data that had been deleted 20 seconds before, in seconds since 1970; the start of the program before the first time."))),
		pending: prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("pending_bytes", "Bytes in free pages of the data file that are not erased yet. After a start, these are all free pages.")),
			func() float64 { return float64(store.PurgePending()) }),
	}
	p.completed.SetToCurrentTime()
	return p
}

// Collectors returns the metrics.
func (p *Purger) Collectors() []prometheus.Collector {
	return []prometheus.Collector{p.erased, p.completed, p.pending}
}

// Run erases what was deleted, again and again, until ctx ends. At the begin, it erases what an earlier
// process left.
func (p *Purger) Run(ctx context.Context) {
	ticks := time.NewTicker(purgeEvery)
	defer ticks.Stop()
	for {
		p.once(ctx)
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
	}
}

// once erases what was deleted until now. If a view is open that still sees it, the next time continues.
func (p *Purger) once(ctx context.Context) {
	if p.store.PurgePending() == 0 {
		p.completed.SetToCurrentTime()
		return
	}
	bounded, cancel := context.WithTimeout(ctx, purgeEvery)
	defer cancel()
	if _, err := p.purge(bounded, ownShare); err != nil && bounded.Err() == nil {
		p.logger.WarnContext(ctx, "erasing deleted data failed, trying again", slog.Any("error", err))
	}
}

// Purge erases all that was deleted before the call, and returns the number of bytes that it has
// overwritten. It waits for views that began before the deletion.
func (p *Purger) Purge(ctx context.Context) (erased uint64, err error) {
	return p.purge(ctx, requestedShare)
}

func (p *Purger) purge(ctx context.Context, share float64) (uint64, error) {
	erased, err := p.store.Purge(ctx, share)
	p.erased.Add(float64(erased))
	if err == nil {
		p.completed.SetToCurrentTime()
	}
	return uint64(erased), err
}
