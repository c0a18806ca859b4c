package audit

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	entries, rows, mismatches prometheus.Counter
	pass, duration            prometheus.Gauge
}

func newMetrics() metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "keyward", Subsystem: "audit", Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "keyward", Subsystem: "audit", Name: name, Help: help})
	}
	return metrics{
		entries:    counter("entries_total", "Entries of the change log that were compared with the store."),
		rows:       counter("rows_total", "Resources that were compared with the change log."),
		mismatches: counter("mismatches_total", "Differences between the store and its change log."),
		pass:       gauge("last_pass_timestamp_seconds", "Time at which everything was last compared, in seconds since 1970."),
		duration:   gauge("last_pass_duration_seconds", "Duration of the last comparison of everything."),
	}
}

func (m metrics) register(with prometheus.Registerer) error {
	if with == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m.entries, m.rows, m.mismatches, m.pass, m.duration} {
		if err := with.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// passed records the end of a pass.
func (m metrics) passed(begin time.Time) {
	m.pass.SetToCurrentTime()
	m.duration.Set(time.Since(begin).Seconds())
}
