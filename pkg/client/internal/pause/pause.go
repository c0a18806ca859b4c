// Package pause waits between attempts.
package pause

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// About returns a random duration between half of d and d, so that callers that failed together do
// not retry together. For d below 2 nanoseconds it returns d.
func About(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	var drawn [8]byte
	_, _ = rand.Read(drawn[:]) // never fails
	return d/2 + time.Duration(binary.BigEndian.Uint64(drawn[:])%uint64(d/2))
}

// For waits for d. It returns false if ctx ends first.
func For(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
