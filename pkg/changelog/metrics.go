package changelog

import (
	"context"
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/kv"
)

// Measure returns a metric with the size of the log in a store, which it reads at each scrape. The service
// is its label. It is not a number while the store cannot be read.
func Measure(store kv.Store, service string) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "keyward_log_size", Help: "Entries of the change log.", ConstLabels: prometheus.Labels{"service": service},
	}, func() float64 {
		var size uint64
		err := store.View(context.Background(), func(r kv.Reader) (err error) {
			size, err = Size(r)
			return err
		})
		if err != nil {
			return math.NaN()
		}
		return float64(size)
	})
}
