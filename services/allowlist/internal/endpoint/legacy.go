package endpoint

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// # Unsafe choices
//
// A configuration may make unsafe choices, each acknowledged until a time. After that time,
// messages are refused, so operators need to know in advance. The registry caches the end times of
// the acknowledgements of each endpoint, and updates them together with the matcher, so that
// metrics and lists do not read the store.

// expiresSoon is the time before its end at which an acknowledgement is reported.
const expiresSoon = 30 * 24 * time.Hour

// A legacy holds the end times of acknowledgements by endpoint.
type legacy struct {
	of   func(stored []byte) []time.Time
	mu   sync.Mutex
	ends map[Name][]time.Time
}

// set updates the entry of an endpoint, or deletes it if e is nil.
func (l *legacy) set(name Name, e *Endpoint) {
	var ends []time.Time
	if e != nil && e.Encryption.Configured() {
		ends = l.of(e.Encryption.Stored)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ends) == 0 {
		delete(l.ends, name)
		return
	}
	l.ends[name] = ends
}

// endsBefore reports whether any acknowledgement of an endpoint ends before a time.
func (l *legacy) endsBefore(name Name, before time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.ends[name], before.After)
}

// An Acknowledged counts the acknowledgements of unsafe choices of all endpoints.
type Acknowledged struct {
	// Active counts those with more than 30 days left, ExpiresSoon those with less, and Expired those
	// that have ended.
	Active, ExpiresSoon, Expired int
}

// Acknowledged returns the current counts.
func (r *Registry) Acknowledged() Acknowledged {
	r.legacy.mu.Lock()
	defer r.legacy.mu.Unlock()
	now := r.now()
	var a Acknowledged
	for _, ends := range r.legacy.ends {
		for _, end := range ends {
			switch left := end.Sub(now); {
			case left <= 0:
				a.Expired++
			case left < expiresSoon:
				a.ExpiresSoon++
			default:
				a.Active++
			}
		}
	}
	return a
}

// showAcknowledged registers the counts as metrics.
func (r *Registry) showAcknowledged(metrics prometheus.Registerer) error {
	for state, count := range map[string]func(Acknowledged) int{
		"active":       func(a Acknowledged) int { return a.Active },
		"expires_soon": func(a Acknowledged) int { return a.ExpiresSoon },
		"expired":      func(a Acknowledged) int { return a.Expired },
	} {
		err := metrics.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "keyward_legacy_acknowledgements",
			Help:        "Acknowledgements of unsafe choices: expires_soon ends within 30 days; expired refuses messages.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(count(r.Acknowledged())) }))
		if err != nil {
			return err
		}
	}
	return nil
}

// warnOfLegacy logs a warning, once a day, if acknowledgements end soon.
func (r *Registry) warnOfLegacy(ctx context.Context) {
	today := r.now().UTC().Truncate(24 * time.Hour)
	if !today.After(r.warned) {
		return
	}
	r.warned = today
	if a := r.Acknowledged(); a.ExpiresSoon > 0 || a.Expired > 0 {
		r.logger.WarnContext(ctx, "acknowledgements of unsafe choices end soon; list the endpoints with legacy_expires_before",
			slog.Int("within_30_days", a.ExpiresSoon), slog.Int("expired", a.Expired))
	}
}
