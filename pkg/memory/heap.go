package memory

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Room lets the heap grow to a number of bytes before the garbage collector runs. A server with a
// small heap otherwise collects it hundreds of times a second, which costs a third of its CPU time.
// A larger heap is collected when it has doubled, as usual.
//
// [Collect] still bounds the time that garbage with secrets stays in memory. Call Room once, at the
// start of a program.
func Room(bytes uint64) {
	debug.SetGCPercent(percent(bytes, live()))
	// The cleanup runs after the next collection, and calls Room again.
	runtime.AddCleanup(new(marker), Room, bytes)
}

// A marker becomes garbage at once. It is not empty, because the runtime allocates empty objects in
// one place that it never frees.
type marker struct{ _ *byte }

// live returns the bytes that survived the last collection.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// The growth with which Go starts, and the smallest heap that it collects with that growth.
const (
	usual    = 100
	smallest = 4 << 20
)

// percent returns the growth, in percent, from the live bytes to the room, and at least the usual
// growth.
func percent(room, live uint64) int {
	// The runtime scales the smallest heap by the growth.
	most := max(room*usual/smallest, usual)
	if live >= room {
		return usual
	}
	return int(min(max((room-live)*100/max(live, 1), usual), most))
}
