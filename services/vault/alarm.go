package vault

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// An alarm counts the times that stored data turned out to have been changed outside of the vault.
type alarm struct {
	count atomic.Uint64
	first sync.Once
	rang  chan struct{}
}

func (a *alarm) ring() {
	a.count.Add(1)
	a.first.Do(func() { close(a.rang) })
}

// Tampered returns a channel that is closed once stored data turns out to have been changed outside
// of the vault. The vault then refuses the requests that need the data, and should not be served
// any longer.
func (v *Vault) Tampered() <-chan struct{} { return v.alarm.rang }

// collector returns the metric of the alarm.
func (a *alarm) collector() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "keyward_vault_tampered_total",
		Help: "Requests and checks that found stored data that was changed outside of the vault.",
	}, func() float64 { return float64(a.count.Load()) })
}
