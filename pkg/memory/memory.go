// Package memory keeps secrets from outliving their use in the memory of a program, and the
// memory from leaving it.
//
// Code that owns plaintext overwrites it after use. This package does what such code cannot:
//
//   - [Do] erases what libraries leave behind: registers, stack, and heap objects such as
//     the key schedule of a cipher, which begins with the key.
//   - [Collect] runs the garbage collector soon after the last use, so that these objects
//     do not stay for minutes in a program that idles.
//   - [Protect] keeps the program from being dumped, and its memory from being swapped.
//
// # Cost
//
// Each heap object that a function inside [Do] allocates is noted, so that it is erased when
// it is freed, which costs about a microsecond. So a function inside Do is small: it
// makes a cipher or derives a key, and does not serve a request.
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
	// quiet is how long nothing was used until garbage is collected.
	quiet = 2 * time.Second
	// longest is how long garbage may stay in a program that is never quiet, unless its work
	// causes collections, as it does under load.
	longest = 20 * time.Second
	// generations is how many collections erase all garbage, one after the other. What a
	// [sync.Pool] holds survives one. What a library keeps for as long as a key, by a weak
	// pointer and a cleanup, survives until the cleanup has run, which takes a while.
	generations = 3
)

// uses counts how often secrets were used. It belongs to the whole program, as the garbage
// collector does.
var uses atomic.Uint64

// Used tells [Collect] that a secret was used outside of [Do].
func Used() { uses.Add(1) }

// Do runs f, and erases what f leaves behind in registers and on its stack. What f
// allocates is erased when the garbage collector frees it. If the program was built without
// GOEXPERIMENT=runtimesecret, nothing is erased.
func Do(f func()) {
	Used()
	do(f)
}

// Erased is [Do] for a function with a result.
func Erased[T any](f func() (T, error)) (result T, err error) {
	Do(func() { result, err = f() })
	return result, err
}

// Collect collects garbage when secrets were used and the program is quiet since, until ctx
// ends. While requests come, their own garbage causes collections, and Collect costs
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

// due reports whether to collect, after so many uses and collections.
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
		// What was used by then is gone; what was used since may be there.
		c.since, c.done = now, collections
		return false
	case now.Sub(c.since) >= longest:
		c.since, c.done, c.left = now, collections+generations, generations-1
		return true
	}
	return false
}

// collections returns how many collections there were.
func collections() uint64 {
	sample := []metrics.Sample{{Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
