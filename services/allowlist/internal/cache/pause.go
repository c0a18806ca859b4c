package cache

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"time"
)

// pause waits for a random time between d/2 and d, so that replicas that lost the vault together
// do not reconnect together. It returns false if ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	timer := time.NewTimer(d/2 + time.Duration(binary.BigEndian.Uint64(random[:])%uint64(d/2)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
