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
// A configuration may make unsafe choices, each acknowledged until a time. After it,
// messages are refused; so those who run the allowlist want to know beforehand. The
// registry keeps in memory when the acknowledgements of each endpoint end, next to the
// matcher and kept right as that is, so that metrics and lists cost the store nothing.

// expiresSoon is how long before its end an acknowledgement is spoken of.
const expiresSoon = 30 * 24 * time.Hour

// A legacy remembers when acknowledgements end, of the endpoints that have some.
type legacy struct {
	of   func(stored []byte) []time.Time
	mu   sync.Mutex
	ends map[Name][]time.Time
}

// set makes it agree with an endpoint, or forgets one that is nil.
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

// endsBefore reports whether an acknowledgement of an endpoint ends before a time.
func (l *legacy) endsBefore(name Name, before time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.ends[name], before.After)
}

// An Acknowledged counts the acknowledgements of unsafe choices of all endpoints.
type Acknowledged struct {
	// Active have more than 30 days left, ExpiresSoon fewer, and Expired none.
	Active, ExpiresSoon, Expired int
}

// Acknowledged counts the acknowledgements as they are now.
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

// warnOfLegacy says in the log, once a day, that acknowledgements end.
func (r *Registry) warnOfLegacy(ctx context.Context) {
	today := r.now().UTC().Truncate(24 * time.Hour)
	if !today.After(r.warned) {
		return
	}
	r.warned = today
	if a := r.Acknowledged(); a.ExpiresSoon > 0 || a.Expired > 0 {
		r.logger.WarnContext(ctx, "acknowledgements of unsafe choices end; list the endpoints with legacy_expires_before",
			slog.Int("within_30_days", a.ExpiresSoon), slog.Int("expired", a.Expired))
	}
}
