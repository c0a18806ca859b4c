package audit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
)

// A Reaction is what a service does after a mismatch, in addition to the log message and the metric.
// The empty Reaction is Stop.
type Reaction string

// The reactions. Each refuses the requests that need the data.
const (
	// Stop reports the service as NOT_SERVING until it starts again. Requests that arrive anyway are
	// answered if they need other data, so that an operator can look at the service.
	Stop Reaction = "stop"
	// AlarmOnly reports the service as SERVING.
	AlarmOnly Reaction = "alarm"
)

// Check returns an error about an unknown reaction.
func (r Reaction) Check() error {
	switch r {
	case "", Stop, AlarmOnly:
		return nil
	}
	return errors.New("integrity: must be stop or alarm")
}

// A Finder is the part of a service that found changed data.
type Finder string

// The finders.
const (
	// AtStart is [Auditor.Newest].
	AtStart Finder = "start"
	// InBackground is [Auditor.Run].
	InBackground Finder = "background"
	// ByRequest is a transaction of the service, for a request or for background work.
	ByRequest Finder = "request"
)

// IsMismatch reports whether an error says that stored data was changed by something other than the
// service: a row with another MAC, a log that does not match itself or its head, or rows that
// contradict the log or each other.
func IsMismatch(err error) bool {
	return errors.Is(err, ErrMismatch) || errors.Is(err, changelog.ErrTampered) || errors.Is(err, kv.ErrCorrupt)
}

// An Alarm receives the mismatches of a service. It counts them, logs at most one message a second,
// and closes a channel if the service should no longer be used. It is safe for concurrent use.
type Alarm struct {
	logger   *slog.Logger
	found    *prometheus.CounterVec
	silence  time.Duration
	reaction Reaction
	stopped  chan struct{}

	mu       sync.Mutex
	rang     bool
	last     time.Time // of the last message
	unlogged int
}

// NewAlarm returns the alarm of a service.
func NewAlarm(service string, reaction Reaction, logger *slog.Logger) *Alarm {
	a := &Alarm{
		logger: logger, silence: time.Second, reaction: reaction, stopped: make(chan struct{}),
		found: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "keyward", Subsystem: "audit", Name: "mismatches_total",
			Help:        "Stored data that was changed outside of the service, by service and by what found it.",
			ConstLabels: prometheus.Labels{"service": service},
		}, []string{"found_by"}),
	}
	for _, by := range []Finder{AtStart, InBackground, ByRequest} {
		a.found.WithLabelValues(string(by))
	}
	return a
}

// Collector returns the metric of the mismatches.
func (a *Alarm) Collector() prometheus.Collector { return a.found }

// Stopped returns a channel that is closed by the first mismatch, unless the reaction is AlarmOnly.
func (a *Alarm) Stopped() <-chan struct{} { return a.stopped }

// Report notes an error if it is a mismatch, and returns it. The error must not contain names.
func (a *Alarm) Report(ctx context.Context, by Finder, err error) error {
	if !IsMismatch(err) {
		return err
	}
	a.found.WithLabelValues(string(by)).Inc()
	first, suppressed, write := a.note(time.Now())
	if first && a.reaction != AlarmOnly {
		close(a.stopped)
	}
	if write {
		a.logger.LogAttrs(ctx, slog.LevelError, "stored data was changed outside of the service; keep the data file and compare it with a backup",
			slog.String("found_by", string(by)), slog.Any("error", err), slog.Int("suppressed", suppressed))
	}
	return err
}

// note reports whether a mismatch is the first one, and whether to log it, with the number of
// mismatches that were not logged since the last message.
func (a *Alarm) note(now time.Time) (first bool, suppressed int, write bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first, a.rang = !a.rang, true
	if !first && now.Sub(a.last) < a.silence {
		a.unlogged++
		return first, 0, false
	}
	suppressed, a.unlogged, a.last = a.unlogged, 0, now
	return first, suppressed, true
}

// Watch returns a store that reports the mismatches of its transactions to the alarm.
func (a *Alarm) Watch(store kv.Store) kv.Store { return watched{store, a} }

type watched struct {
	kv.Store
	alarm *Alarm
}

// View implements [kv.Store].
func (w watched) View(ctx context.Context, fn func(kv.Reader) error) error {
	return w.alarm.Report(ctx, ByRequest, w.Store.View(ctx, fn))
}

// Update implements [kv.Store].
func (w watched) Update(ctx context.Context, fn func(kv.Tx) error) error {
	return w.alarm.Report(ctx, ByRequest, w.Store.Update(ctx, fn))
}
