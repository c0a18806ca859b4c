package audit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// AtStartLimit is the number of entries that a service compares before it serves. That takes less
// than 100 milliseconds.
const AtStartLimit = 256

const (
	// sliceLimit is the number of entries and rows of one resource that a slice compares.
	sliceLimit = 1000
	// maxRestarts is the number of changes of a resource after which it is compared in one slice.
	maxRestarts = 3
)

// Config is the configuration of an [Auditor].
type Config struct {
	// Service is the label of the metrics.
	Service   string
	Store     kv.Store
	Log       *changelog.Log
	Resources Resources
	// Alarm receives the mismatches.
	Alarm  *Alarm
	Logger *slog.Logger
	// Share is the part of one core that the comparison may use. Default: 0.05.
	Share float64
	// Every is the minimum time between the beginnings of two passes. Default: 10 minutes.
	Every time.Duration
	// Slice is the time after which the comparison pauses. Default: 500 microseconds.
	Slice time.Duration
	// Save is the time after which the position of a pass is saved. Default: 10 seconds.
	Save time.Duration
}

// An Auditor compares all of a store with its change log, again and again.
//
// # Cost
//
// A pass holds a read transaction for one slice at a time, so that the store can reuse its pages
// and requests do not wait. Between the slices it sleeps, so that the CPU time of its thread stays
// below its share of one core. CPU time is counted because the wall time of a busy machine contains
// the time of others, so that a pass would take longer when the service has much to do. The
// collection of its garbage is not counted.
//
// A slice compares at most 1,000 entries and rows of a resource, and the next slices the others. If
// the resource changes between them, the comparison of the resource starts over.
//
// # Position
//
// A pass goes through the entries of the log and then through the own rows, in order. It saves its
// position every few seconds, and the next run of the program continues there. A program that
// restarts often therefore compares everything, too, in as much running time as one that does not.
// An attacker who can write to the file while the program is stopped can put an earlier position
// back, which delays the rest of the pass.
type Auditor struct {
	Config

	metrics metrics
	at      position
	saved   time.Time     // the time when the position was saved
	mark    time.Duration // the CPU time at the begin of the slice
}

// New returns an auditor. [Auditor.Run] starts it.
func New(cfg Config) *Auditor {
	cfg.Share, cfg.Every = cmp.Or(cfg.Share, 0.05), cmp.Or(cfg.Every, 10*time.Minute)
	cfg.Slice, cfg.Save = cmp.Or(cfg.Slice, 500*time.Microsecond), cmp.Or(cfg.Save, 10*time.Second)
	return &Auditor{Config: cfg, metrics: newMetrics(cfg.Service)}
}

// Collectors returns the metrics.
func (a *Auditor) Collectors() []prometheus.Collector { return a.metrics.all() }

// Newest compares the head and the newest entries, at most limit of them, with the rows of their
// resources. A service calls it before it serves. It reports mismatches to the alarm, and fails only if it
// could not compare.
func (a *Auditor) Newest(ctx context.Context, limit uint64) error {
	return a.Store.View(ctx, func(r kv.Reader) error {
		size, err := a.Log.CheckHead(r)
		if err != nil {
			return a.judge(ctx, AtStart, err)
		}
		compared := make(map[string]bool)
		for sequence := size; sequence > 0 && size-sequence < limit; sequence-- {
			e, err := changelog.CheckEntry(r, sequence-1)
			if err == nil && !compared[e.Resource] {
				compared[e.Resource] = true
				err = a.checkNamed(r, e.Resource)
			}
			if err := a.judge(ctx, AtStart, err); err != nil {
				return err
			}
		}
		return nil
	})
}

// Run compares until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	runtime.LockOSThread() // for threadTime
	defer runtime.UnlockOSThread()
	for {
		begin := time.Now()
		if err := a.Pass(ctx); err != nil && ctx.Err() == nil {
			a.Logger.WarnContext(ctx, "comparing the store with its change log failed, trying again", slog.Any("error", err))
		}
		if !wait(ctx, max(a.Every-time.Since(begin), time.Second)) {
			return
		}
	}
}

// Pass compares everything once, or the rest of a pass of an earlier run. It reports mismatches
// to the alarm, and fails only if it could not compare.
func (a *Auditor) Pass(ctx context.Context) (err error) {
	if a.at, err = a.resume(ctx); err != nil {
		return err
	}
	a.mark, a.saved = threadTime(), time.Now()
	a.metrics.began(a.at.begin)
	if a.at.stage == 0 {
		if err := a.passLog(ctx); err != nil {
			return err
		}
		a.at.stage, a.at.next = 1, nil
	}
	spaces := a.Resources.Spaces()
	for ; a.at.stage <= len(spaces); a.at.stage, a.at.next = a.at.stage+1, nil {
		if err := a.passSpace(ctx, spaces[a.at.stage-1]); err != nil {
			return err
		}
	}
	a.metrics.passed(a.at.begin)
	return a.forget(ctx)
}

// passLog checks the head and all entries.
func (a *Auditor) passLog(ctx context.Context) error {
	var size uint64
	err := a.slice(ctx, func(r kv.Reader) (err error) {
		size, err = a.Log.CheckHead(r)
		return a.judge(ctx, InBackground, err)
	})
	for next := a.at.sequence(); err == nil && next < size; a.at.setSequence(next) {
		err = a.slice(ctx, func(r kv.Reader) error {
			for begin := time.Now(); next < size && time.Since(begin) < a.Slice; next++ {
				if err := a.judge(ctx, InBackground, a.checkEntry(r, next)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return err
}

// checkEntry checks an entry, and that its resource has a row, unless it was deleted.
func (a *Auditor) checkEntry(r kv.Reader, sequence uint64) error {
	a.metrics.entries.Inc()
	e, err := changelog.CheckEntry(r, sequence)
	if err != nil {
		return err
	}
	key, err := a.Resources.Own(e.Resource)
	if err != nil || key == nil {
		return err
	}
	own, err := get(r, key)
	if err != nil || own != nil {
		return err
	}
	return Absent(r, e.Resource)
}

// passSpace checks the resources of all own rows in a space.
func (a *Auditor) passSpace(ctx context.Context, within kv.Range) error {
	within.Limit = page
	for more := true; more; {
		if len(a.at.next) > 0 {
			within.Start = a.at.next
		}
		var long *comparison
		err := a.slice(ctx, func(r kv.Reader) (err error) {
			more, long, err = a.checkSome(ctx, r, within)
			return err
		})
		if err == nil && long != nil {
			more, err = true, a.finish(ctx, within, long)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSome checks the resources of some own rows, and reports whether there may be more. It ends at
// a resource whose comparison is not complete.
func (a *Auditor) checkSome(ctx context.Context, r kv.Reader, within kv.Range) (more bool, long *comparison, err error) {
	begin := time.Now()
	for pair, err := range r.Scan(within) {
		if err == nil {
			long, err = a.checkPair(r, pair)
		}
		if err := a.judge(ctx, InBackground, err); err != nil || long != nil {
			return false, long, err
		}
		if pair.Key == nil {
			return false, nil, nil // a part of the file cannot be read
		}
		a.at.next, more = within.Behind(pair.Key).Start, true
		if time.Since(begin) > a.Slice {
			break
		}
	}
	return more, nil, nil
}

// checkPair checks the resource of a scanned own row. It returns the comparison if it is not complete.
func (a *Auditor) checkPair(r kv.Reader, own kv.Pair) (rest *comparison, err error) {
	if own.Value == nil {
		return nil, nil
	}
	a.metrics.rows.Inc()
	stated, err := a.stated(own)
	if err != nil {
		return nil, err
	}
	c := newComparison(a.Resources, stated)
	complete, err := c.step(r, own.Value, sliceLimit)
	if err != nil || complete {
		return nil, err
	}
	return c, nil
}

// finish completes a comparison in slices. It starts over if the resource changed since the last
// slice. If that happens too often, it compares the resource in one slice, so that frequent changes
// cannot prevent the comparison.
func (a *Auditor) finish(ctx context.Context, within kv.Range, c *comparison) error {
	key, err := a.Resources.Own(c.own.Name)
	if err != nil {
		return err
	}
	limit := sliceLimit
	for restarts, complete := 0, false; !complete; {
		err := a.slice(ctx, func(r kv.Reader) error {
			value, err := get(r, key)
			if err != nil || value == nil { // the next pass compares a deletion with the log
				complete = true
				return a.judge(ctx, InBackground, err)
			}
			stated, err := a.stated(kv.Pair{Key: key, Value: value})
			if err == nil && stated != c.own {
				c = newComparison(a.Resources, stated)
				if restarts++; restarts > maxRestarts {
					limit = math.MaxInt
				}
			}
			if err == nil {
				complete, err = c.step(r, value, limit)
			}
			complete = complete || err != nil
			return a.judge(ctx, InBackground, err)
		})
		if err != nil {
			return err
		}
	}
	a.at.next = within.Behind(key).Start
	return nil
}

// stated returns what an own row states.
func (a *Auditor) stated(own kv.Pair) (Resource, error) {
	stated, err := a.Resources.Resource(own)
	if err != nil {
		return Resource{}, fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return stated, nil
}

// checkNamed checks a resource by its name.
func (a *Auditor) checkNamed(r kv.Reader, resource string) error {
	key, err := a.Resources.Own(resource)
	if err != nil || key == nil {
		return err
	}
	own, err := get(r, key)
	switch {
	case err != nil:
		return err
	case own == nil:
		return Absent(r, resource)
	}
	stated, err := a.stated(kv.Pair{Key: key, Value: own})
	if err != nil {
		return err
	}
	return Check(r, a.Resources, stated, own)
}

// judge reports a mismatch and returns other errors.
func (a *Auditor) judge(ctx context.Context, by Finder, err error) error {
	if err = a.Alarm.Report(ctx, by, err); IsMismatch(err) {
		return nil
	}
	return err
}

// slice runs one slice of the work, after the pause that the one before it requires.
func (a *Auditor) slice(ctx context.Context, fn func(kv.Reader) error) error {
	if err := a.save(ctx); err != nil {
		return err
	}
	used := threadTime() - a.mark
	if !wait(ctx, time.Duration(float64(used)*(1/a.Share-1))) {
		return ctx.Err()
	}
	a.mark = threadTime()
	return a.Store.View(ctx, fn)
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
