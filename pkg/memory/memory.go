// Package memory limits how long secrets stay in the memory of a program, and keeps the memory
// from leaving it.
//
// Code that owns plaintext overwrites it after use. This package does the rest:
//
//   - [Do] erases what libraries leave behind: registers, stack, and heap objects such as
//     the key schedule of a cipher, which starts with the key.
//   - [Collect] runs the garbage collector soon after the last use, so that these objects do
//     not stay in an idle program for minutes.
//   - [Protect] prevents core dumps of the program and swapping of its memory.
//
// # Cost
//
// The runtime records each heap object that a function inside [Do] allocates, to erase it when it
// is freed. This takes about a microsecond. A function inside Do should therefore be small: it
// creates a cipher or derives a key, and does not serve a request.
package memory

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// The pace of [Collect].
const (
	// quiet is the time after the last use until garbage is collected.
	quiet = 2 * time.Second
	// longest is the maximum time that garbage stays in a program that is never quiet, unless its
	// work triggers collections, as it does under load.
	longest = 20 * time.Second
	// generations is the number of consecutive collections that erase all garbage. The contents of a
	// [sync.Pool] survive one collection. Objects that a library attaches to a key with a weak
	// pointer and a cleanup survive until the cleanup has run.
	generations = 3
)

// uses counts the uses of secrets. Like the garbage collector, it belongs to the whole program.
var uses atomic.Uint64

// Used reports to [Collect] that a secret was used outside of [Do].
func Used() { uses.Add(1) }

// Do runs f and erases the data that f leaves in registers and on its stack. Heap objects of f are
// erased when the garbage collector frees them. Without GOEXPERIMENT=runtimesecret, nothing is
// erased.
func Do(f func()) {
	Used()
	do(f)
}

// Erased is [Do] for a function with a result.
func Erased[T any](f func() (T, error)) (result T, err error) {
	Do(func() { result, err = f() })
	return result, err
}

// Collect runs the garbage collector after secrets were used and the program has become quiet,
// until ctx ends. While requests arrive, their own garbage triggers collections, and Collect costs
// nothing.
func Collect(ctx context.Context) {
	tick := time.NewTicker(quiet / 2)
	defer tick.Stop()
	c := collector{seen: uses.Load()}
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if c.due(now, uses.Load(), collections()) {
				runtime.GC()
			}
		}
	}
}

// A collector decides when to collect.
type collector struct {
	seen  uint64    // uses, at the last look
	last  time.Time // when a use was seen last
	dirty bool      // a use was seen that may have left something
	since time.Time // when the first such use was seen
	done  uint64    // collections by then
	left  int       // collections that are still to be made, one at each look
}

// due reports whether to collect, given the numbers of uses and collections so far.
func (c *collector) due(now time.Time, uses, collections uint64) bool {
	if uses != c.seen {
		c.seen, c.last = uses, now
		if !c.dirty {
			c.dirty, c.since, c.done = true, now, collections
		}
	}
	switch {
	case c.left > 0:
		c.left--
		return true
	case !c.dirty:
		return false
	case now.Sub(c.last) >= quiet:
		c.dirty, c.left = false, generations-1
		return true
	case collections >= c.done+generations:
		// Earlier secrets have been erased; later ones may still be in memory.
		c.since, c.done = now, collections
		return false
	case now.Sub(c.since) >= longest:
		c.since, c.done, c.left = now, collections+generations, generations-1
		return true
	}
	return false
}

// collections returns the number of collections so far.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
