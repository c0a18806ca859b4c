//go:build !linux

package audit

import "time"

var start = time.Now()

// threadTime returns the wall time: the CPU time of a thread is only known on Linux. A comparison
// on a busy machine therefore uses less than its share.
func threadTime() time.Duration { return time.Since(start) }
