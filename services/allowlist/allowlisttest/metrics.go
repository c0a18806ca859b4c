package allowlisttest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
)

// Metric returns the value of a metric without labels.
func (k *Kit) Metric(t testing.TB, name string) float64 {
	t.Helper()
	families, err := k.Metrics.Gather()
	Must(t, err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// Labeled returns the value of a metric that has one label.
func (k *Kit) Labeled(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := k.Metrics.Gather()
	Must(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() == name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	t.Fatalf("there is no metric %s with label %s", name, label)
	return 0
}

// Counts returns the key uses of an endpoint as `secret/version=used,failed`.
func (c Client) Counts(t testing.TB, id string) map[string]bool {
	t.Helper()
	counts := make(map[string]bool)
	for _, use := range c.Get(t, id).GetKeyUses() {
		_, secret, _ := strings.Cut(use.GetSecret(), "/secrets/")
		counts[fmt.Sprintf("%s/%d=%d,%d", secret, use.GetVersion(), use.GetUsed(), use.GetFailed())] = true
		if (use.GetUsed() > 0) != use.GetLastUseTime().IsValid() {
			t.Errorf("%s was used %d times, the last time at %v", secret, use.GetUsed(), use.GetLastUseTime())
		}
	}
	return counts
}

// Stored returns how many records the allowlist stores in a key space.
func (k *Kit) Stored(t testing.TB, space string) int {
	t.Helper()
	n := 0
	Must(t, k.Store.View(t.Context(), func(reader kv.Reader) error {
		n = 0
		for _, err := range reader.Scan(kv.Prefix(kv.NewKey(space), 1000)) {
			if err != nil {
				return err
			}
			n++
		}
		return nil
	}))
	return n
}
