// Package telemetry is how a running service is observed: structured logs,
// metrics, traces, and the request id that ties them together.
//
// # What never gets out
//
// The package knows what must not be observed. The logger of [NewLogger] prints
// REDACTED in place of an attribute whose key names a credential, and only the
// type of a message, of bytes, and of anything else that could carry a request.
// Metrics are labelled by method and code. Spans carry the name of a method of
// ours and never a name out of a request. Of the headers of a caller, only a
// `traceparent` and an `x-request-id` that is a UUID are taken over.
//
// It is a second line: the first is that nobody hands such a thing to a logger.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// A Config is what an operator decides about observation. Every field is optional.
type Config struct {
	// Log is the configuration of the log.
	Log LogConfig `yaml:"log"`
	// Traces is the destination of traces. Without an endpoint there are no traces.
	Traces TraceConfig `yaml:"traces"`
}

// Check returns all that is wrong with the configuration.
func (c Config) Check() error {
	return errors.Join(c.Log.check(), c.Traces.check())
}

// Telemetry is what the parts of one program observe themselves with.
type Telemetry struct {
	// Log is the program's logger.
	Log *slog.Logger
	// Metrics is what /metrics shows. Parts register their collectors with it.
	Metrics *prometheus.Registry
	// Tracer makes spans; without an endpoint, ones that go nowhere.
	Tracer trace.TracerProvider
	// Traced tells whether spans go anywhere.
	Traced bool

	stop func(context.Context) error
}

// New returns the telemetry of a program with the given name, such as `vault`. It
// logs to w, which must allow writes from many goroutines.
func New(ctx context.Context, cfg Config, service string, w io.Writer) (*Telemetry, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check telemetry configuration: %w", err)
	}
	t := &Telemetry{
		Log:     NewLogger(w, cfg.Log.level(), service),
		Metrics: prometheus.NewRegistry(),
		Tracer:  noop.NewTracerProvider(),
		stop:    func(context.Context) error { return nil },
	}
	t.Metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	if cfg.Traces.Endpoint == "" {
		return t, nil
	}
	provider, err := newTracer(ctx, cfg.Traces, service, t.Log)
	if err != nil {
		return nil, err
	}
	t.Tracer, t.Traced, t.stop = provider, true, provider.Shutdown
	return t, nil
}

// Close sends the spans that wait. It gives up when ctx ends.
func (t *Telemetry) Close(ctx context.Context) error {
	if err := t.stop(ctx); err != nil {
		return fmt.Errorf("flush traces: %w", err)
	}
	return nil
}
