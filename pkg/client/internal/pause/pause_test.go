package pause_test

import (
	"context"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/client/internal/pause"
)

func TestPauseIsBetweenAHalfAndTheWhole(t *testing.T) {
	t.Parallel()
	for _, d := range []time.Duration{0, 1, 2, 3, time.Second} {
		for range 100 {
			if got := pause.About(d); got < d/2 || got > d {
				t.Errorf("About(%v) = %v", d, got)
			}
		}
	}
}

func TestPauseEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if pause.For(ctx, time.Hour) {
		t.Error("For outlasted its context")
	}
	if !pause.For(t.Context(), time.Millisecond) {
		t.Error("For returned false before its context ended")
	}
}
