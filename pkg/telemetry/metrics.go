package telemetry

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/buildinfo"
)

// newBuildInfo returns a metric that is always 1 and describes the build in its labels.
func newBuildInfo(build buildinfo.Info) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keyward_build_info",
		Help: "Always 1. The labels describe the build of the program.",
		ConstLabels: prometheus.Labels{
			"version": build.Version, "commit": build.Commit, "goversion": build.Go,
		},
	})
	g.Set(1)
	return g
}

// Requests counts the requests of a gRPC server, with the metric names that common dashboards for
// gRPC servers expect. A method is a full name such as /keyward.vault.v1.VaultService/GetSecret,
// or one word for all unknown methods, so that a label never comes from a caller.
type Requests struct {
	handled  *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec
	limited  prometheus.Counter
}

// NewRequests registers and returns the metrics. Each program has one.
func NewRequests(r prometheus.Registerer) (*Requests, error) {
	q := &Requests{
		handled: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "grpc_server_handled_total",
			Help: "Completed requests, by service, method, and status code.",
		}, []string{"grpc_service", "grpc_method", "grpc_code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "grpc_server_handling_seconds",
			Help:    "Time from the arrival of a request to its response, by service and method.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"grpc_service", "grpc_method"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "grpc_server_in_flight",
			Help: "Pending requests, by service and method.",
		}, []string{"grpc_service", "grpc_method"}),
		limited: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "keyward_rate_limited_total",
			Help: "Requests that were refused because their caller or address exceeded a limit.",
		}),
	}
	for _, c := range []prometheus.Collector{q.handled, q.seconds, q.inFlight, q.limited} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// Method returns the metrics of one method. A method without requests has no metrics.
func (q *Requests) Method(service, method string) *MethodRequests {
	return &MethodRequests{of: q, service: service, method: method}
}

// MethodRequests counts the requests of one method. It looks its metrics up once, because a
// lookup for each request costs more than counting.
type MethodRequests struct {
	of              *Requests
	service, method string

	once     sync.Once
	seconds  prometheus.Observer
	inFlight prometheus.Gauge
	handled  [codes.Unauthenticated + 1]atomic.Pointer[prometheus.Counter]
}

// Begin records that a request has arrived.
func (m *MethodRequests) Begin() {
	m.once.Do(func() {
		m.seconds = m.of.seconds.WithLabelValues(m.service, m.method)
		m.inFlight = m.of.inFlight.WithLabelValues(m.service, m.method)
	})
	m.inFlight.Inc()
}

// End records the status code of a request that began, and the time that it took.
func (m *MethodRequests) End(code codes.Code, took time.Duration) {
	m.inFlight.Dec()
	m.counter(code).Inc()
	m.seconds.Observe(took.Seconds())
}

func (m *MethodRequests) counter(code codes.Code) prometheus.Counter {
	if int(code) >= len(m.handled) { // no code of the contract
		return m.of.handled.WithLabelValues(m.service, m.method, code.String())
	}
	known := &m.handled[code]
	if c := known.Load(); c != nil {
		return *c
	}
	c := m.of.handled.WithLabelValues(m.service, m.method, code.String())
	known.Store(&c)
	return c
}

// Limited records that a request was refused because of a limit.
func (q *Requests) Limited() { q.limited.Inc() }

// Expiry reports when a certificate expires, for alerts.
type Expiry struct{ gauge prometheus.Gauge }

// NewExpiry registers and returns the metric. The name is the owner of the certificate, such as
// `server`.
func NewExpiry(r prometheus.Registerer, name string) (*Expiry, error) {
	e := &Expiry{gauge: prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "keyward_certificate_expiry_timestamp_seconds",
		Help:        "When the presented certificate expires, in seconds since 1970.",
		ConstLabels: prometheus.Labels{"certificate": name},
	})}
	return e, r.Register(e.gauge)
}

// Set records the current certificate.
func (e *Expiry) Set(cert tls.Certificate) {
	if cert.Leaf != nil {
		e.gauge.Set(float64(cert.Leaf.NotAfter.Unix()))
	}
}
