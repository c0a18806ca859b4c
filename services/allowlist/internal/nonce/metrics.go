package nonce

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/budget"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// The outcomes of calls to the vault, and the states of a version that need attention.
const (
	granted   = "granted"
	exhausted = "exhausted"
	failed    = "failed"
	warning   = "warning"
)

func newAsked() *prometheus.CounterVec {
	asked := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "keyward_nonce_reservations_total",
		Help: "Blocks of nonces that were requested from the vault, by outcome.",
	}, []string{"outcome"})
	for _, outcome := range []string{granted, exhausted, failed} {
		asked.WithLabelValues(outcome) // a first failure counts as an increase only after a zero
	}
	return asked
}

// outcome returns the outcome of a call to the vault.
func outcome(err error) string {
	switch {
	case err == nil:
		return granted
	case fault.Is(err, vaultclient.ReasonNoncesExhausted):
		return exhausted
	default:
		return failed
	}
}

// register registers the metrics. None contains the name of a secret.
func (l *Ledger) register(metrics prometheus.Registerer) error {
	gauge := func(state string) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "keyward_nonce_budget_versions",
			Help:        "Key versions in use with at least 1/16 of their nonce budget used (warning) or all of it (exhausted).",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return l.inState(state) })
	}
	for _, c := range []prometheus.Collector{l.asked, gauge(warning), gauge(exhausted)} {
		if err := metrics.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// inState counts the versions in a state.
func (l *Ledger) inState(state string) float64 {
	count := 0.0
	for _, b := range l.blocks.Values() {
		if b.state() == state {
			count++
		}
	}
	return count
}

// state returns the state of a block's version, or an empty string if it needs no attention.
func (b *block) state() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.exhausted != nil:
		return exhausted
	case b.budget > 0 && budget.Warned(b.used, b.budget):
		return warning
	default:
		return ""
	}
}
