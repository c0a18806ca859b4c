package cache

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the metrics of the cache.
type metrics struct {
	hits, misses prometheus.Counter
	connected    prometheus.Gauge
	beat         atomic.Int64 // time of the last message, in nanoseconds since 1970
}

// newMetrics returns the registered metrics. They are not registered if the registry is nil.
func newMetrics(r prometheus.Registerer, now func() time.Time) (*metrics, error) {
	m := &metrics{
		hits: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyward_key_cache_hits_total",
			Help: "Lookups of secrets that were cached.",
		}),
		misses: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyward_key_cache_misses_total",
			Help: "Lookups of secrets that had to be resolved at the vault.",
		}),
		connected: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_vault_watch_connected",
			Help: "1 while the vault reports changes, 0 while it does not.",
		}),
	}
	m.beat.Store(now().UnixNano())
	stale := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyward_key_cache_stale_seconds",
		Help: "Time since the vault last confirmed the cached secrets, or since the start.",
	}, func() float64 { return time.Duration(now().UnixNano() - m.beat.Load()).Seconds() })
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.hits, m.misses, m.connected, stale} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}
