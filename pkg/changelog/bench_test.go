package changelog_test

import (
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// The cost of a log record: the same durable puts with and without one, in turns, so
// that a disk or a machine that others use as well slows both alike. `ratio` is the
// rate with records over the rate without, the median of all turns, and `cpu-ratio`
// that of the processor time that a put takes. With a TMPDIR in memory, it
// shows the cost without the disk.
//
// The changes are either to things next to each other in the store or spread over it,
// as they are when many secrets change.
func BenchmarkRecord(b *testing.B) {
	for _, callers := range []int{16, 64} {
		for _, spread := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/spread=%t", callers, spread), func(b *testing.B) {
				benchmarkRecord(b, callers, newPutter(b, false, spread), newPutter(b, true, spread))
			})
		}
	}
}

func benchmarkRecord(b *testing.B, callers int, raw, logged *putter) {
	const turn = 2000
	var ratios []float64
	var without, with cost
	for n := 0; n < b.N; n += turn {
		r, l := raw.put(b, callers, turn), logged.put(b, callers, turn)
		ratios = append(ratios, float64(r.wall)/float64(l.wall))
		without, with = without.plus(r), with.plus(l)
	}
	slices.Sort(ratios)
	puts := float64(len(ratios) * turn)
	b.ReportMetric(ratios[len(ratios)/2], "ratio")
	b.ReportMetric(puts/without.wall.Seconds(), "raw/s")
	b.ReportMetric(puts/with.wall.Seconds(), "logged/s")
	b.ReportMetric(float64(without.cpu)/float64(with.cpu), "cpu-ratio")
	b.ReportMetric(float64(without.cpu.Microseconds())/puts, "raw-cpu-us")
	b.ReportMetric(float64(with.cpu.Microseconds())/puts, "logged-cpu-us")
}

// A cost is what some puts took, of time and of the processors.
type cost struct{ wall, cpu time.Duration }

func (c cost) plus(d cost) cost { return cost{wall: c.wall + d.wall, cpu: c.cpu + d.cpu} }

// cpu returns how long processors have worked for this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkPut is one of the two by itself, for profiles and for its allocations.
func BenchmarkPut(b *testing.B) {
	for _, logged := range []bool{false, true} {
		for _, spread := range []bool{false, true} {
			b.Run(fmt.Sprintf("logged=%t/spread=%t", logged, spread), func(b *testing.B) {
				p := newPutter(b, logged, spread)
				b.ReportAllocs()
				b.ResetTimer()
				p.put(b, 64, b.N)
			})
		}
	}
}

// A putter makes durable puts of 512 bytes, each with a log record or none.
type putter struct {
	log   *changelog.Log
	store kv.Store
	entry changelog.Entry
	keys  atomic.Uint64
	// spread is whether keys are in no order.
	spread bool
}

func newPutter(b *testing.B, logged, spread bool) *putter {
	b.Helper()
	log, store := newLog(b)
	p := &putter{store: store, entry: entry("a", "s"), spread: spread}
	if logged {
		p.log = log
	}
	p.entry.Actor = changelog.Actor{Subject: "https://issuer.example ann", Roles: []string{"owner"}, Authentication: "oidc", Address: "192.0.2.1"}
	p.entry.UID, p.entry.Fields, p.entry.RequestID = "abcdefghijklmnopqrstuvwxyz", []string{"value"}, "0123456789abcdef"
	p.entry.Detail = []byte(`{"old_description":"the old one","new_description":"the new one"}`)
	return p
}

// put makes count puts with so many callers, and returns what they took.
func (p *putter) put(b *testing.B, callers, count int) cost {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(count))
	done := make(chan error, callers)
	begin, used := time.Now(), cpu(b)
	for range callers {
		go func() {
			value := make([]byte, 512)
			for left.Add(-1) >= 0 {
				if err := p.one(b, value); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
	return cost{wall: time.Since(begin), cpu: cpu(b) - used}
}

func (p *putter) one(b *testing.B, value []byte) error {
	const resources = 10_000
	n, e := p.keys.Add(1), p.entry
	if p.spread {
		n = n * 0x9E3779B97F4A7C15 % resources
		e.Resource = "workspaces/a/secrets/s-" + strconv.FormatUint(n, 10)
	}
	return p.store.Update(b.Context(), func(tx kv.Tx) error {
		if p.log != nil {
			if err := p.log.Append(tx, e, changelog.Row{Value: value}); err != nil {
				return err
			}
		}
		return tx.Put(kv.NewKey("value").Uint(n), value)
	})
}

func BenchmarkList(b *testing.B) {
	changes, store := newLog(b)
	for range 20 {
		err := store.Update(b.Context(), func(tx kv.Tx) error {
			for range 50 {
				if err := changes.Append(tx, entry("a", "s")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		list(b, store, changelog.Query{Scope: "workspaces/a", Limit: 50})
	}
}
