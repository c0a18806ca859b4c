package memory

import (
	"context"
	"log/slog"
)

// Protect prevents core dumps of this program and, where the limits allow it, swapping of its
// memory. Call it before any secret is loaded. [Watch] logs the result.
func Protect() { protect() }

// Watch logs the memory protection, and runs [Collect] until ctx ends.
func Watch(ctx context.Context, logger *slog.Logger) {
	p := protection()
	level := slog.LevelInfo
	if !p.undumpable {
		level = slog.LevelWarn
	}
	logger.Log(ctx, level, "memory protection", "undumpable", p.undumpable, "locked", p.locked, "erased", erases)
	go Collect(ctx)
}

// state describes the memory protection.
type state struct {
	// undumpable means that no core dump is written and that only root can read the memory.
	undumpable bool
	// locked means that no part of the memory is swapped.
	locked bool
}
