package rewrap

import "github.com/prometheus/client_golang/prometheus"

type metrics []prometheus.Collector

func newMetrics(o *Operation) metrics {
	gauge := func(name, help string, value func(State) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "keyward", Subsystem: "rewrap", Name: name, Help: help,
		}, func() float64 {
			s, _ := o.State()
			return value(s)
		})
	}
	return metrics{
		gauge("running", "Whether data keys are being wrapped under the primary key.", func(s State) float64 {
			if s.Phase == IsRunning {
				return 1
			}
			return 0
		}),
		gauge("secrets_done", "Secrets that the last RewrapSecrets has examined.", func(s State) float64 { return float64(s.Done) }),
		gauge("secrets", "Secrets at the start of the last RewrapSecrets.", func(s State) float64 { return float64(s.Total) }),
		gauge("failed_versions", "Versions whose data keys the last RewrapSecrets could not open.", func(s State) float64 { return float64(s.Failed) }),
	}
}
