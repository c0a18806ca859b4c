package memory

import (
	"context"
	"log/slog"
)

// Protect keeps the memory of this program from being dumped and, where the limits allow
// it, from being swapped. It comes before any secret. [Watch] logs what it achieved.
func Protect() { protect() }

// Watch logs how the memory is protected, and runs [Collect] until ctx ends.
func Watch(ctx context.Context, logger *slog.Logger) {
	p := protection()
	level := slog.LevelInfo
	if !p.undumpable {
		level = slog.LevelWarn
	}
	logger.Log(ctx, level, "protection of the memory", "undumpable", p.undumpable, "locked", p.locked, "erased", erases)
	go Collect(ctx)
}

// state is how the memory is protected.
type state struct {
	// undumpable: no core dump is written, and only root reads the memory.
	undumpable bool
	// locked: no part of the memory is swapped.
	locked bool
}
