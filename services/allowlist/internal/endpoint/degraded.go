package endpoint

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// degraded shows the number of endpoints whose proof of verification is missing and which are
// deactivated after their grace period. It follows the changes of endpoints, so that a scrape reads
// nothing.
type degraded struct {
	gauge prometheus.Gauge
	mu    sync.Mutex
	names map[Name]struct{}
}

func newDegraded() *degraded {
	return &degraded{
		gauge: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "keyward_endpoints_degraded",
			Help: "Endpoints whose proof of verification is missing. They are deactivated after their grace period.",
		}),
		names: make(map[Name]struct{}),
	}
}

// set updates the entry of an endpoint, or deletes it if e is nil.
func (d *degraded) set(name Name, e *Endpoint) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e != nil && e.Verification.Degraded() {
		d.names[name] = struct{}{}
	} else {
		delete(d.names, name)
	}
	d.gauge.Set(float64(len(d.names)))
}
