package keyadmin

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/keyring"
)

type metrics struct {
	rows prometheus.Counter
}

func newMetrics(service string) metrics {
	return metrics{rows: prometheus.NewCounter(prometheus.CounterOpts{
		Name:        "keyward_keyring_rows_reauthenticated_total",
		Help:        "Rows that were authenticated again after a rotation of the keyring.",
		ConstLabels: prometheus.Labels{"service": service},
	})}
}

// Collectors returns the metrics.
func (a *Admin) Collectors() []prometheus.Collector {
	gauge := func(name, help string, value func(keyring.Info) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"service": a.Service},
		}, func() float64 { return value(a.Keys.Info()) })
	}
	return []prometheus.Collector{
		a.metrics.rows,
		gauge("keyward_keyring_primary_key_created_timestamp_seconds",
			"Time at which the key that encrypts was generated, in seconds since 1970, or 0 for a key of a release without rotation.",
			func(i keyring.Info) float64 {
				if i.Keys[0].Created.IsZero() {
					return 0
				}
				return float64(i.Keys[0].Created.Unix())
			}),
		gauge("keyward_keyring_roots", "Roots of the keyring: more than 1 while rows are authenticated again after a rotation.",
			func(i keyring.Info) float64 { return float64(len(i.Roots)) }),
	}
}
