package secret

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/kv"
)

// # Dates for operators
//
// Metrics show how many secrets expire soon or should have been rotated. The dates have no index, so
// all secrets are read in the background, in short transactions and in a small part of the time. A scrape
// only returns what was counted last.

const (
	// dueEvery is the time between two counts, and dueShare the part of the time that a count uses.
	dueEvery = 5 * time.Minute
	firstDue = 20 * time.Second // after the start, which has other work
	dueShare = 0.1
	// dueSlice is the number of secrets that one transaction reads.
	dueSlice = 500
)

// soon are the times before the expiry of a secret at which metrics show it, by their label.
var soon = map[string]time.Duration{"7d": 7 * 24 * time.Hour, "30d": 30 * 24 * time.Hour}

// A due is the metrics.
type due struct {
	expiring *prometheus.GaugeVec
	expired  prometheus.Gauge
	overdue  prometheus.Gauge
}

func newDue() due {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	d := due{
		expiring: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "keyward_secrets_expiring",
			Help: "Secrets with bindings that have not expired and expire within the time, counted every 5 minutes.",
		}, []string{"within"}),
		expired: gauge("keyward_secrets_expired",
			"Secrets with bindings that have expired, so that what needs them fails, counted every 5 minutes."),
		overdue: gauge("keyward_secrets_rotation_overdue",
			"Secrets whose rotation_period has passed since their current version was added, counted every 5 minutes."),
	}
	d.show(tally{})
	return d
}

// Collectors returns the metrics of the secrets.
func (s *Store) Collectors() []prometheus.Collector {
	return []prometheus.Collector{s.due.expiring, s.due.expired, s.due.overdue}
}

// A tally is the numbers of one count.
type tally struct {
	expiring         map[string]int
	expired, overdue int
}

// add counts a secret. Deleted ones, and those that nothing refers to, cannot fail.
func (t *tally) add(s *Secret, now time.Time) {
	if !s.DeletedAt.IsZero() {
		return
	}
	if s.RotationPeriod > 0 && s.RotationDue.Before(now) {
		t.overdue++
	}
	if s.References == 0 || s.Expires.IsZero() {
		return
	}
	if !now.Before(s.Expires) {
		t.expired++
		return
	}
	for label, within := range soon {
		if s.Expires.Before(now.Add(within)) {
			t.expiring[label]++
		}
	}
}

// show publishes the numbers.
func (d due) show(t tally) {
	for label := range soon {
		d.expiring.WithLabelValues(label).Set(float64(t.expiring[label]))
	}
	d.expired.Set(float64(t.expired))
	d.overdue.Set(float64(t.overdue))
}

// keepCounting counts again and again until ctx ends.
func (s *Store) keepCounting(ctx context.Context) {
	for wait := firstDue; pause(ctx, wait) == nil; wait = dueEvery {
		if err := s.countDue(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, kv.ErrClosed) {
			s.logger.WarnContext(ctx, "counting the secrets that expire failed; the metrics show the last numbers", slog.Any("error", err))
		}
	}
}

// countDue counts all secrets once. One that cannot be read is not counted; the comparison with the
// change log reports it.
func (s *Store) countDue(ctx context.Context) error {
	count := tally{expiring: make(map[string]int)}
	var position []byte
	for more := true; more; {
		begin := time.Now()
		err := s.kv.View(ctx, func(r kv.Reader) (err error) {
			position, more, err = count.read(r, position, s.now())
			return err
		})
		if err != nil {
			return err
		}
		if err := pause(ctx, time.Duration(float64(time.Since(begin))*(1/dueShare-1))); err != nil {
			return err
		}
	}
	s.due.show(count)
	return nil
}

// read counts some secrets after the key last. It returns the key at which to continue, and whether
// there may be more.
func (t *tally) read(r kv.Reader, last []byte, now time.Time) (next []byte, more bool, err error) {
	var l listed
	for pair, err := range r.Scan(allSecrets(kv.NewKey(spaceSecret), dueSlice).Behind(last)) {
		damaged := errors.Is(err, kv.ErrCorrupt) && pair.Key != nil
		if err != nil && !damaged {
			return nil, false, err
		}
		next, more = pair.Key, true
		if pair.Value != nil && !damaged && l.parse(Name{}, pair.Value) == nil {
			t.add(&l.secret, now)
		}
	}
	return next, more, nil
}
