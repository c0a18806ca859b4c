package server

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/telemetry"
)

// broken is a stream of the library that panics when the chain uses it.
type broken struct {
	grpc.ServerTransportStream
	wire
}

func (broken) SetHeader(metadata.MD) error { panic("canary") }

func (broken) SendHeader(metadata.MD) error { panic("canary") }

func TestPanicOfAStepEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", &out)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{telemetry: observed}
	requests, err := telemetry.NewRequests(observed.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	for _, streams := range []bool{false, true} {
		m := &method{rpc: "some/method", streams: streams, requests: requests.Method("some", "method")}
		r := s.newRequest(grpc.NewContextWithServerTransportStream(t.Context(), broken{}), m)
		err = r.run(func() error { return nil })
		if status.Code(err) != codes.Internal {
			t.Errorf("run() of a method that streams (%v) = %v, want Internal", streams, err)
		}
	}
	observed.Flush()
	if text := out.String(); strings.Contains(text, "canary") || strings.Count(text, "value of type string") != 2 {
		t.Errorf("the log should name the panic and not its value: %s", text)
	}
}
