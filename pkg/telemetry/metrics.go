package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Requests counts the requests of a gRPC server, under the names that dashboards
// for gRPC servers expect. A method is a full name such as
// /keyward.vault.v1.VaultService/GetSecret, or one word for all methods there are not:
// a label never comes from a caller.
type Requests struct {
	handled  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
}

// NewRequests returns the metrics, registered. Each program has one.
func NewRequests(r prometheus.Registerer) (*Requests, error) {
	q := &Requests{
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grpc_server_handled_total",
			Help: "Requests that were answered, by service, method and status code.",
		}, []string{"grpc_service", "grpc_method", "grpc_code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "grpc_server_handling_seconds",
			Help:    "Time from the arrival of a request to its answer, by service and method.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"grpc_service", "grpc_method"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "grpc_server_in_flight",
			Help: "Requests that wait for their answer, by service and method.",
		}, []string{"grpc_service", "grpc_method"}),
	}
	for _, c := range []prometheus.Collector{q.handled, q.seconds, q.inFlight} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// Begin notes that a request has arrived. Call what it returns with the name of
// the status code of the answer, such as OK, and the time it took.
func (q *Requests) Begin(service, method string) (end func(code string, took time.Duration)) {
	waiting := q.inFlight.WithLabelValues(service, method)
	waiting.Inc()
	return func(code string, took time.Duration) {
		waiting.Dec()
		q.handled.WithLabelValues(service, method, code).Inc()
		q.seconds.WithLabelValues(service, method).Observe(took.Seconds())
	}
}
