package secret_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/services/vault/internal/secret"
)

// wantDue checks the metrics after a count: those that are not named are 0.
func (f *fixture) wantDue(t testing.TB, when string, want map[string]float64) {
	t.Helper()
	if err := f.CountDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(f.Collectors()...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			if value := m.GetGauge().GetValue(); value != 0 {
				got[name] = value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the metrics %s differ (-want +got):\n%s", when, diff)
	}
}

func TestMetricsShowWhatExpiresAndWhatShouldBeRotated(t *testing.T) {
	t.Parallel()
	const chain, day = "raw > AES-256-GCM(iv=random/12,tag=16)", 24 * time.Hour
	f := newFixture(t)
	f.grace = day
	f.Store = f.open(t)
	f.wantDue(t, "of an empty vault", map[string]float64{})
	for id, left := range map[string]time.Duration{"days": 5 * day, "weeks": 20 * day, "months": 60 * day, "deleted": 5 * day} {
		f.sealedFor(t, id, "value of "+id, chain)
		if err := f.expire(t, id, secret.Expiry{After: left}); err != nil {
			t.Fatal(err)
		}
	}
	f.create(t, "unused", "value of unused")
	if err := f.expire(t, "unused", secret.Expiry{After: 5 * day}); err != nil {
		t.Fatal(err)
	}
	period := 30 * day
	f.create(t, "rotated", "value of rotated")
	if _, err := f.Update(t.Context(), secret.Call{}, name("rotated"), secret.Change{RotationPeriod: &period}); err != nil {
		t.Fatal(err)
	}
	f.delete(t, "deleted", true)
	f.wantDue(t, "at first", map[string]float64{"keyward_secrets_expiring 7d": 1, "keyward_secrets_expiring 30d": 2})
	f.clock.advance(15 * day)
	f.wantDue(t, "after 15 days", map[string]float64{
		"keyward_secrets_expiring 7d": 1, "keyward_secrets_expiring 30d": 1, "keyward_secrets_expired": 1,
	})
	f.clock.advance(16 * day)
	f.wantDue(t, "after 31 days", map[string]float64{
		"keyward_secrets_expiring 30d": 1, "keyward_secrets_expired": 2, "keyward_secrets_rotation_overdue": 1,
	})
	if err := f.expire(t, "days", secret.Expiry{}); err != nil {
		t.Fatal(err)
	}
	f.addVersions(t, "rotated", 1)
	f.wantDue(t, "after an owner acted", map[string]float64{"keyward_secrets_expiring 30d": 1, "keyward_secrets_expired": 1})
}

// The count reads in several transactions.
func TestMetricsCountMoreSecretsThanOneTransactionReads(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const secrets = 1001
	period := time.Hour
	for i := range secrets {
		draft := secret.Draft{Value: value(t, fmt.Sprintf("value %d", i)), RotationPeriod: period}
		if _, err := f.Create(t.Context(), secret.Call{}, name(fmt.Sprintf("s%04d", i)), draft); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.advance(2 * period)
	f.wantDue(t, "of many secrets", map[string]float64{"keyward_secrets_rotation_overdue": secrets})
}
