package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/credentials"
)

// TraceConfig configures the export of traces.
type TraceConfig struct {
	// Endpoint is the host and port of an OTLP collector that accepts gRPC. Default no
	// traces.
	Endpoint string `yaml:"endpoint"`
	// Insecure sends spans without TLS. Default: false.
	Insecure bool `yaml:"insecure"`
	// CAFile is a PEM file with the authorities of the collector's TLS certificate. Default
	// the system's.
	CAFile string `yaml:"ca_file"`
	// Ratio is the share of the traces that begin here to record, from 0 to 1. Traces that
	// began elsewhere are recorded if they are recorded there. Default all.
	Ratio *float64 `yaml:"ratio"`
}

func (c TraceConfig) check() error {
	var errs []error
	if c.Endpoint != "" {
		if _, _, err := net.SplitHostPort(c.Endpoint); err != nil {
			errs = append(errs, errors.New("traces.endpoint: must be host:port"))
		}
	}
	if c.Ratio != nil && (*c.Ratio < 0 || *c.Ratio > 1) {
		errs = append(errs, errors.New("traces.ratio: must be from 0 to 1"))
	}
	if c.Insecure && c.CAFile != "" {
		errs = append(errs, errors.New("traces: insecure and ca_file are mutually exclusive"))
	}
	return errors.Join(errs...)
}

func (c TraceConfig) sampler() sdktrace.Sampler {
	ratio := 1.0
	if c.Ratio != nil {
		ratio = *c.Ratio
	}
	return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))
}

func (c TraceConfig) security() (otlptracegrpc.Option, error) {
	if c.Insecure {
		return otlptracegrpc.WithInsecure(), nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read traces.ca_file: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("traces.ca_file: contains no certificate")
		}
	}
	return otlptracegrpc.WithTLSCredentials(credentials.NewTLS(cfg)), nil
}

// newTracer does not wait for the collector, because a service also runs without it.
func newTracer(ctx context.Context, cfg TraceConfig, service, version string, logger *slog.Logger) (*sdktrace.TracerProvider, error) {
	security, err := cfg.security()
	if err != nil {
		return nil, err
	}
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(cfg.Endpoint), security)
	if err != nil {
		return nil, fmt.Errorf("set up trace export: %w", err)
	}
	// Otherwise, package log would print export errors.
	lasting := context.WithoutCancel(ctx)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		logger.LogAttrs(lasting, slog.LevelWarn, "traces are lost", slog.Any("cause", err))
	}))
	logger.LogAttrs(ctx, slog.LevelInfo, "traces are exported", slog.String("endpoint", cfg.Endpoint))
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(cfg.sampler()),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service), attribute.String("service.version", version))),
	), nil
}

// Propagator propagates the trace of a request in the traceparent header. The other headers of the
// standard contain free text of the caller and are dropped.
func Propagator() propagation.TextMapPropagator { return traceparent{} }

type traceparent struct{ standard propagation.TraceContext }

const traceparentHeader = "traceparent"

func (t traceparent) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	t.standard.Inject(ctx, traceparentOnly{c})
}

func (t traceparent) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return t.standard.Extract(ctx, traceparentOnly{c})
}

func (traceparent) Fields() []string { return []string{traceparentHeader} }

type traceparentOnly struct{ propagation.TextMapCarrier }

func (c traceparentOnly) Get(key string) string {
	if key != traceparentHeader {
		return ""
	}
	return c.TextMapCarrier.Get(key)
}

func (c traceparentOnly) Set(key, value string) {
	if key == traceparentHeader {
		c.TextMapCarrier.Set(key, value)
	}
}
