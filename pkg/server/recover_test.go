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

func TestPanicOfAStepEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", &out)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{telemetry: observed}
	r := s.newRequest(grpc.NewContextWithServerTransportStream(t.Context(), broken{}), &method{rpc: "some/method"})
	err = r.run(func() error { return nil })
	if status.Code(err) != codes.Internal {
		t.Errorf("run() = %v, want Internal", err)
	}
	observed.Flush()
	if text := out.String(); strings.Contains(text, "canary") || !strings.Contains(text, "value of type string") {
		t.Errorf("the log should name the panic and not its value: %s", text)
	}
}
