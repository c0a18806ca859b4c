package audit

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	entries, rows         prometheus.Counter
	begin, pass, duration prometheus.Gauge
}

func newMetrics(service string) metrics {
	labels := prometheus.Labels{"service": service}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "keyward", Subsystem: "audit", Name: name, Help: help, ConstLabels: labels})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "keyward", Subsystem: "audit", Name: name, Help: help, ConstLabels: labels})
	}
	return metrics{
		entries:  counter("entries_total", "Entries of the change log that were checked."),
		rows:     counter("rows_total", "Resources that were compared with the change log."),
		begin:    gauge("pass_begin_timestamp_seconds", "Time at which the current comparison of everything began, in seconds since 1970, or 0 between two of them."),
		pass:     gauge("last_pass_timestamp_seconds", "Time at which the last comparison of everything ended, in seconds since 1970."),
		duration: gauge("last_pass_duration_seconds", "Duration of the last comparison of everything."),
	}
}

func (m metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.entries, m.rows, m.begin, m.pass, m.duration}
}

func (m metrics) began(at time.Time) { m.begin.Set(float64(at.Unix())) }

// passed records the end of a pass.
func (m metrics) passed(begin time.Time) {
	m.begin.Set(0)
	m.pass.SetToCurrentTime()
	m.duration.Set(time.Since(begin).Seconds())
}
