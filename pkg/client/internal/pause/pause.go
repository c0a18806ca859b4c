// Package pause waits between attempts.
package pause

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// About returns a time between a half of d and d, by chance, so that many who failed
// together do not come back together. Of d below 2 nanoseconds it returns d.
func About(d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	var drawn [8]byte
	_, _ = rand.Read(drawn[:]) // never fails
	return d/2 + time.Duration(binary.BigEndian.Uint64(drawn[:])%uint64(d/2))
}

// For waits for d and reports whether ctx goes on.
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
