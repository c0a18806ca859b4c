package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// Config is the configuration of an [Auditor].
type Config struct {
	Store     kv.Store
	Log       *changelog.Log
	Resources Resources
	// Mismatch is called for each difference, in the goroutine of [Auditor.Run].
	Mismatch func(error)
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
	// Share is the part of one core that the comparison may use. Default: 0.05.
	Share float64
	// Pause is the time between two passes. Default: 10 minutes.
	Pause time.Duration
	// Slice is the time after which the comparison pauses. Default: 2 milliseconds.
	Slice time.Duration
}

// An Auditor compares all of a store with its change log, again and again. Each pass begins at a
// random entry, so that a program that restarts often compares all of them in time, too.
type Auditor struct {
	Config

	metrics metrics
	slice   time.Time // the begin of the current slice
}

// New returns an auditor. [Auditor.Run] starts it.
func New(cfg Config) (*Auditor, error) {
	cfg.Share, cfg.Pause, cfg.Slice = cmp.Or(cfg.Share, 0.05), cmp.Or(cfg.Pause, 10*time.Minute), cmp.Or(cfg.Slice, 2*time.Millisecond)
	a := &Auditor{Config: cfg, metrics: newMetrics()}
	return a, a.metrics.register(cfg.Metrics)
}

// Newest checks the head and the newest entries with their resources, at most limit of them. A
// service calls it before it serves.
func (a *Auditor) Newest(ctx context.Context, limit uint64) error {
	return a.Store.View(ctx, func(r kv.Reader) error {
		size, err := a.Log.CheckHead(r)
		if err != nil {
			return err
		}
		for sequence := size - min(size, limit); sequence < size; sequence++ {
			if err := a.checkEntry(r, sequence); err != nil {
				return err
			}
		}
		return nil
	})
}

// Run compares until ctx ends.
func (a *Auditor) Run(ctx context.Context) {
	for {
		begin := time.Now()
		err := a.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.Logger.WarnContext(ctx, "comparing the store with its change log failed, trying again", "error", err)
		default:
			a.metrics.passed(begin)
		}
		if !wait(ctx, a.Pause) {
			return
		}
	}
}

// Pass compares everything once. It reports differences to Config.Mismatch, and fails only if it
// could not compare.
func (a *Auditor) Pass(ctx context.Context) error {
	a.slice = time.Now()
	if err := a.passLog(ctx); err != nil {
		return err
	}
	for _, space := range a.Resources.Spaces() {
		if err := a.passSpace(ctx, space); err != nil {
			return err
		}
	}
	return nil
}

// passLog checks the head and, from a random entry on, all entries with their resources.
func (a *Auditor) passLog(ctx context.Context) error {
	var size uint64
	err := a.view(ctx, func(r kv.Reader) (err error) {
		size, err = a.Log.CheckHead(r)
		return a.judge(err)
	})
	if err != nil || size == 0 {
		return err
	}
	start := anywhere(size)
	for n := uint64(0); n < size; {
		err := a.view(ctx, func(r kv.Reader) error {
			for begin := time.Now(); n < size && time.Since(begin) < a.Slice; n++ {
				if err := a.judge(a.checkEntry(r, (start+n)%size)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// checkEntry checks an entry and, if it is the newest one of its resource, the resource.
func (a *Auditor) checkEntry(r kv.Reader, sequence uint64) error {
	a.metrics.entries.Inc()
	e, err := changelog.CheckEntry(r, sequence)
	if err != nil {
		return err
	}
	newest, err := changelog.List(r, changelog.Query{Resource: e.Resource, Limit: 1})
	if err != nil || newest[0].Sequence != sequence {
		return err
	}
	return Check(r, a.Resources, e.Resource)
}

// passSpace compares all own rows of a space with their newest entries, in order.
func (a *Auditor) passSpace(ctx context.Context, within kv.Range) error {
	within.Limit = page
	for {
		read := 0
		err := a.view(ctx, func(r kv.Reader) error {
			for pair, err := range r.Scan(within) {
				if err != nil {
					return a.judge(err)
				}
				within = within.Behind(pair.Key)
				read++
				if pair.Value == nil {
					continue
				}
				a.metrics.rows.Inc()
				if err := a.judge(a.checkOwn(r, pair)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || read < page {
			return err
		}
	}
}

func (a *Auditor) checkOwn(r kv.Reader, own kv.Pair) error {
	stated, err := a.Resources.Resource(own)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMismatch, err)
	}
	return Current(r, a.Resources, stated.Name, own.Value)
}

// judge reports a difference and returns other errors.
func (a *Auditor) judge(err error) error {
	if err == nil || !errors.Is(err, ErrMismatch) && !errors.Is(err, changelog.ErrTampered) && !errors.Is(err, kv.ErrCorrupt) {
		return err
	}
	a.metrics.mismatches.Inc()
	a.Mismatch(err)
	return nil
}

// view runs one slice of the work, and waits before it as long as the share requires.
func (a *Auditor) view(ctx context.Context, fn func(kv.Reader) error) error {
	used := time.Since(a.slice)
	if !wait(ctx, time.Duration(float64(used)*(1/a.Share-1))) {
		return ctx.Err()
	}
	a.slice = time.Now()
	return a.Store.View(ctx, fn)
}

// anywhere returns a random number below size.
func anywhere(size uint64) uint64 {
	var drawn [8]byte
	rand.Read(drawn[:])
	return binary.BigEndian.Uint64(drawn[:]) % size
}

// wait reports whether the time passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
