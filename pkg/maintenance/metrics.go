package maintenance

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	last, size, interval prometheus.Gauge
	failures             prometheus.Counter
}

func newMetrics(service string, scheduled Schedule) metrics {
	labels := prometheus.Labels{"service": service}
	m := metrics{
		last: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_backup_last_success_timestamp_seconds",
			Help: "Time of the last complete backup since the start, or of the newest one in the folder of scheduled backups, in seconds since 1970, or 0 before the first one.", ConstLabels: labels,
		}),
		size: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_backup_size_bytes", Help: "Size of the last complete backup, or 0 before the first one.", ConstLabels: labels,
		}),
		interval: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_backup_interval_seconds", Help: "Time between two scheduled backups, or 0 without a schedule.", ConstLabels: labels,
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyward_backup_failures_total", Help: "Backups that failed, except those whose caller went away.", ConstLabels: labels,
		}),
	}
	if scheduled.Folder != "" {
		m.interval.Set(scheduled.withDefaults().Every.Seconds())
	}
	return m
}

// succeeded records a complete backup.
func (m metrics) succeeded(at time.Time, size int64) {
	m.last.Set(float64(at.Unix()))
	m.size.Set(float64(size))
}

// Collectors returns the metrics.
func (b *Backups) Collectors() []prometheus.Collector {
	return []prometheus.Collector{b.metrics.last, b.metrics.size, b.metrics.interval, b.metrics.failures}
}
