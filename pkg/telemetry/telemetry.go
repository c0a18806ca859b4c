// Package telemetry provides structured logs, metrics, traces, and the request ID that connects
// them.
//
// # Sensitive data
//
// The package redacts sensitive data. The logger of [NewLogger] prints REDACTED for an attribute
// whose key names a credential, and prints only the type of messages, bytes, and anything else
// that could contain a request. Metrics are labeled by method and code. Spans carry the name of a
// known method and never a name from a request. Of a caller's headers, only `traceparent` and an
// `x-request-id` that is a UUID are used.
//
// This is a second line of defense. The first is that the code passes no sensitive data to a
// logger.
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

	"github.com/keyward/keyward/pkg/buildinfo"
)

// A Config configures logs and traces. All fields are optional.
type Config struct {
	// Log configures the log.
	Log LogConfig `yaml:"log"`
	// Traces configures the export of traces. Default: no export.
	Traces TraceConfig `yaml:"traces"`
}

// Check returns all errors in the configuration.
func (c Config) Check() error {
	return errors.Join(c.Log.check(), c.Traces.check())
}

// Telemetry is the logger, metrics, and tracer of a program.
type Telemetry struct {
	// Log is the program's logger.
	Log *slog.Logger
	// Metrics are the metrics that /metrics returns. Parts of the program register their collectors
	// with it.
	Metrics *prometheus.Registry
	// Tracer creates spans. Without an endpoint, they are dropped.
	Tracer trace.TracerProvider
	// Traced reports whether spans are exported.
	Traced bool

	service string
	buffer  *buffer
	stop    func(context.Context) error
}

// New returns the telemetry of a program with a name such as `vault`. It logs to w. The first line
// describes the build.
//
// Lines are collected for up to 100 ms before they are written. Warnings and errors are written at
// once, with all lines before them. Call Close to write the last lines.
func New(ctx context.Context, cfg Config, service string, w io.Writer) (*Telemetry, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("check telemetry configuration: %w", err)
	}
	lines := newBuffer(w, service)
	t := &Telemetry{
		Log:     slog.New(urgent{NewLogger(lines, cfg.Log.level(), service).Handler(), lines}),
		Metrics: prometheus.NewRegistry(),
		Tracer:  noop.NewTracerProvider(),
		service: service,
		buffer:  lines,
		stop:    func(context.Context) error { return nil },
	}
	build := buildinfo.Read()
	t.Metrics.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newBuildInfo(build),
		lines.dropped,
	)
	t.Log.LogAttrs(ctx, slog.LevelInfo, "starting", slog.String("version", build.Version),
		slog.String("commit", build.Commit), slog.String("date", build.Date), slog.String("go", build.Go))
	if cfg.Traces.Endpoint == "" {
		return t, nil
	}
	provider, err := newTracer(ctx, cfg.Traces, service, build.Version, t.Log)
	if err != nil {
		return nil, err
	}
	t.Tracer, t.Traced, t.stop = provider, true, provider.Shutdown
	return t, nil
}

// Flush writes the lines that were logged before.
func (t *Telemetry) Flush() { t.buffer.flush() }

// Close sends pending spans until ctx ends, and writes the last lines of the log. Lines that are
// logged later are still written.
func (t *Telemetry) Close(ctx context.Context) error {
	defer t.buffer.flushSoon() //nolint:contextcheck // it has a limit of its own
	if err := t.stop(ctx); err != nil {
		return fmt.Errorf("flush traces: %w", err)
	}
	return nil
}
