package telemetry_test

import (
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/keyward/keyward/pkg/telemetry"
)

func TestOnlyTraceparentIsPassedOn(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	p := telemetry.Propagator()
	ctx := p.Extract(t.Context(), propagation.MapCarrier{"traceparent": parent, "tracestate": "v=" + canary, "baggage": canary})
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() || span.TraceState().Len() != 0 {
		t.Errorf("Extract() = %v, want the parent without state", span)
	}
	out := propagation.MapCarrier{}
	p.Inject(trace.ContextWithRemoteSpanContext(ctx, span.WithTraceState(state(t))), out)
	if diff := cmp.Diff(propagation.MapCarrier{"traceparent": parent}, out); diff != "" {
		t.Errorf("Inject() (-want +got):\n%s", diff)
	}
}

func state(t *testing.T) trace.TraceState {
	t.Helper()
	s, err := trace.ParseTraceState("v=1")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWithoutEndpointThereAreNoSpans(t *testing.T) {
	t.Parallel()
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	_, span := observed.Tracer.Tracer("test").Start(t.Context(), "work")
	if observed.Traced || span.SpanContext().IsValid() {
		t.Error("spans are made although nobody wants them")
	}
	if err := observed.Close(t.Context()); err != nil {
		t.Errorf("Close() = %v, want nil", err)
	}
}

func TestServiceStartsWithoutItsCollector(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{Traces: telemetry.TraceConfig{Endpoint: "127.0.0.1:1", Insecure: true}}
	if _, err := telemetry.New(t.Context(), cfg, "test", io.Discard); err != nil {
		t.Errorf("New() with a collector that is down = %v, want nil", err)
	}
}
