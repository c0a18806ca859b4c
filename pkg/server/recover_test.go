package server

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/telemetry"
)

func TestPanicOfAStepEndsOneRequestOnly(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &Server{log: telemetry.NewLogger(&out, slog.LevelInfo, "test")}
	err := s.recovered(t.Context(), "/some/method", func(context.Context) error { panic("canary") })
	if status.Code(err) != codes.Internal {
		t.Errorf("recovered() = %v, want Internal", err)
	}
	if text := out.String(); strings.Contains(text, "canary") || !strings.Contains(text, "value of type string") {
		t.Errorf("the log should name the panic and not its value: %s", text)
	}
}
