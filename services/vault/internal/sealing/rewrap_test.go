package sealing_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/services/vault/internal/sealing"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// reopen returns the stored keyring.
func (f *fixture) reopen(t *testing.T) *keyring.Keyring {
	t.Helper()
	ring, err := keyring.Open(t.Context(), f.kv, keyring.Local("file:key", f.kek), "vault")
	check(t, err)
	return ring
}

func wantDependents(t *testing.T, keys *sealing.Keys, want map[string]uint64) {
	t.Helper()
	got, err := keys.DependsOn(t.Context())
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("DependsOn = %v, %v, want %v", got, err, want)
	}
}

func TestPairsOfARunningVaultFollowThePrimaryKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys := f.open(t)
	wantDependents(t, keys, map[string]uint64{f.ring.KeyID(): 1})
	var ids []string
	for range 3 {
		ids = append(ids, keys.List()[0].ID)
		check(t, vaulttest.AddPrimary(t.Context(), f.kv, f.kek))
		f.ring, f.now = f.reopen(t), f.now.Add(time.Hour)
		check(t, keys.Rotate(t.Context(), f.ring))
		check(t, keys.Rotate(t.Context(), f.ring)) // again, which does nothing
	}
	slices.Reverse(ids)
	listed := keys.List()
	if len(listed) != 4 || !listed[0].Expires.IsZero() {
		t.Fatalf("after three rotations, the keys are %v", listed)
	}
	for i, key := range listed[1:] {
		expires := f.now.UTC().Truncate(time.Second).Add(sealing.Retention - time.Duration(i)*time.Hour)
		if key.ID != ids[i] || !key.Expires.Equal(expires) {
			t.Errorf("the replaced key %d is %v, want %s", i+1, key, ids[i])
		}
	}
	wantDependents(t, keys, map[string]uint64{f.ring.KeyID(): 4})

	check(t, vaulttest.DropKeys(t.Context(), f.kv, f.kek))
	f.ring = f.reopen(t)
	if again := f.open(t).List(); !slices.EqualFunc(again, listed, func(a, b sealing.Key) bool { return a.ID == b.ID && a.Expires.Equal(b.Expires) }) {
		t.Errorf("without the earlier keys, the keys are %v, want %v", again, listed)
	}
}

func TestPairsAreSealedAgainUnderThePrimaryKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys, old := f.open(t), f.ring
	check(t, vaulttest.AddPrimary(t.Context(), f.kv, f.kek))
	f.ring = f.reopen(t)
	check(t, keys.Rewrap(t.Context(), old))
	wantDependents(t, keys, map[string]uint64{old.KeyID(): 1})
	before := keys.List()
	check(t, keys.Rewrap(t.Context(), f.ring))
	wantDependents(t, keys, map[string]uint64{f.ring.KeyID(): 1})
	if after := keys.List(); len(after) != 1 || after[0].ID != before[0].ID || !after[0].Expires.IsZero() {
		t.Errorf("the keys are %v, want %v", after, before)
	}
}
