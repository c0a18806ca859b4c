package secret_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// rotate gives a stopped vault another primary key.
func (s *stoppable) rotate(t testing.TB) {
	t.Helper()
	check(t, vaulttest.AddPrimary(t.Context(), s.db, s.kek))
	s.edit(t, nil)
}

// drop removes all keys but the primary one from a stopped vault.
func (s *stoppable) drop(t testing.TB) {
	t.Helper()
	check(t, vaulttest.DropKeys(t.Context(), s.db, s.kek))
	s.edit(t, nil)
}

// rewrap makes a pass of small steps.
func (f *fixture) rewrap(t testing.TB) (all secret.RewrapStep) {
	t.Helper()
	for first := true; first || all.Next != nil; first = false {
		step, err := f.RewrapSome(t.Context(), all.Next, 3)
		check(t, err)
		all.Next, all.Secrets, all.Rewrapped = step.Next, all.Secrets+step.Secrets, all.Rewrapped+step.Rewrapped
		all.Failed, all.Left = all.Failed+step.Failed, all.Left+step.Left
		if step.Err != nil {
			all.Err = step.Err
		}
	}
	return all
}

// wantDependents fails the test unless this many versions depend on the primary key, and no version on
// another one. One pair for sealed values depends on each primary key that the vault had.
func (f *fixture) wantDependents(t testing.TB, versions uint64) {
	t.Helper()
	check(t, f.RewrapSealing(t.Context()))
	got, err := f.DependsOn(t.Context())
	check(t, err)
	if len(got) != 1 || got[f.keys.KeyID()] < versions+1 || got[f.keys.KeyID()] > versions+3 {
		t.Errorf("DependsOn = %v, want %d versions and some pairs under %s", got, versions, f.keys.KeyID())
	}
}

// A trace is what callers and the log see of a secret.
type trace struct {
	Secret   secret.Secret
	Versions []secret.Version
	History  []secret.Event
}

func (f *fixture) trace(t testing.TB, id string) (seen trace) {
	t.Helper()
	var err error
	seen.Secret, _, err = f.Get(t.Context(), name(id))
	check(t, err)
	seen.Versions, _, err = f.Versions(t.Context(), name(id), secret.Page{Limit: 1000})
	check(t, err)
	seen.History, _, err = f.History(t.Context(), name(id), secret.Page{Limit: 1000})
	check(t, err)
	return seen
}

// sameTrace are the differences of traces, without the wraps of data keys.
func sameTrace(before, after trace) string {
	return cmp.Diff(before, after, cmpopts.IgnoreFields(keyring.Sealed{}, "KeyID", "WrappedKey"), cmpopts.IgnoreUnexported(changelog.Entry{}),
		cmpopts.EquateEmpty())
}

// wantIntact fails the test if the comparison with the log finds anything.
func (s *stoppable) wantIntact(t testing.TB) {
	t.Helper()
	alarm := audit.NewAlarm("vault", audit.Stop, slog.New(slog.NewTextHandler(t.Output(), nil)))
	a := audit.New(audit.Config{Store: s.db, Log: s.log, Resources: secret.Rows{}, Alarm: alarm, Share: 1})
	check(t, a.Pass(t.Context()))
	select {
	case <-alarm.Stopped():
		t.Error("the comparison with the log finds changed data")
	default:
	}
	if s.alarms() != 0 {
		t.Errorf("%d alarms:\n%s", s.alarms(), s.heard.String())
	}
}

func (f *fixture) wantResolved(t testing.TB, made secret.Secret, number uint32, want string) {
	t.Helper()
	got, err := f.resolve(t.Context(), made.Name, made.UID, number)
	if err != nil || string(got.Plain.Reveal()) != want {
		t.Errorf("Resolve(%s, %d) = %q, %v, want %q", made.Name.ID, number, got.Plain.Reveal(), err, want)
	}
}

func TestARewrapLeavesNoTraceButTheWraps(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	made := s.create(t, "key", "the first value")
	s.bind(t, "key", "bank", "op")
	for i := range 70 { // more than one transaction holds
		s.rotateTo(t, fmt.Sprintf("the value of version %d", i+2))
	}
	s.changeVersion(t, 3, secret.Disabled)
	s.changeVersion(t, 4, secret.Destroyed)
	for i := range 10 {
		s.create(t, fmt.Sprintf("other-%d", i), fmt.Sprintf("another value %d", i))
	}
	_, err := s.Create(t.Context(), secret.Call{}, name("parameter"), secret.Draft{Usage: secret.Parameter, Value: value(t, string(make([]byte, 60_000)))})
	check(t, err)
	s.create(t, "deleted", "a value of a deleted secret")
	before := s.trace(t, "key")
	old := s.keys.KeyID()

	s.rotate(t)
	check(t, s.Delete(t.Context(), secret.Call{}, name("deleted"), secret.Deletion{}))
	counts, err := s.DependsOn(t.Context())
	if err != nil || counts[old] < 81 {
		t.Errorf("before the rewrap, DependsOn = %v, %v, want at least 81 for %s", counts, err, old)
	}
	got := s.rewrap(t)
	if got.Secrets != 12 || got.Rewrapped != 81 || got.Failed != 0 || got.Left != 0 {
		t.Errorf("the rewrap did %+v", got)
	}
	if again := s.rewrap(t); again.Secrets != 12 || again.Rewrapped != 0 {
		t.Errorf("another rewrap did %+v", again)
	}
	s.wantDependents(t, 81)
	if diff := sameTrace(before, s.trace(t, "key")); diff != "" {
		t.Errorf("the secret differs after a rewrap (-before +after):\n%s", diff)
	}
	s.drop(t)
	if diff := sameTrace(before, s.trace(t, "key")); diff != "" {
		t.Errorf("the secret differs without the old key (-before +after):\n%s", diff)
	}
	s.wantResolved(t, made, 1, "the first value")
	for number := uint32(5); number <= 71; number++ {
		s.wantResolved(t, made, number, fmt.Sprintf("the value of version %d", number))
	}
	s.changeVersion(t, 3, secret.Enabled)
	s.wantResolved(t, made, 3, "the value of version 3")
	s.wantIntact(t)
}

func TestARewrapKeepsTheReasonOfADeletion(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	s.grace = grace
	made := s.create(t, "key", "the value")
	check(t, s.StateWhole(t.Context(), made.Name, 1))
	s.rotate(t)
	s.delete(t, "key", false)
	if got := s.rewrap(t); got.Rewrapped != 1 || s.actions(t, "key")[0] != secret.Rewrapped {
		t.Fatalf("the rewrap did %+v and logged %v", got, s.actions(t, "key"))
	}
	_, err := s.resolve(t.Context(), made.Name, made.UID, 0)
	if refusal, ok := fault.From(err); !ok || refusal.Reason != secret.NotFound || refusal.Metadata["delete_reason"] != "why" {
		t.Errorf("Resolve after the rewrap = %v, want the reason of the deletion", err)
	}
}

// Entries of an earlier release state the wraps.
func TestRowsOfAnEarlierReleaseGetAnEntryOnce(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	var before []trace
	for i := range 12 {
		id := fmt.Sprintf("key-%d", i)
		s.create(t, id, "the first value of "+id)
		_, err := s.Update(t.Context(), secret.Call{}, name(id), secret.Change{Value: value(t, "the second value of "+id)})
		check(t, err)
		check(t, s.StateWhole(t.Context(), name(id), 1))
		check(t, s.StateWhole(t.Context(), name(id), 2))
		before = append(before, s.trace(t, id))
	}
	s.rotate(t)
	if got := s.rewrap(t); got.Rewrapped != 24 || got.Failed != 0 || got.Left != 0 {
		t.Errorf("the rewrap did %+v", got)
	}
	s.wantDependents(t, 24)
	for i, seen := range before {
		after := s.trace(t, fmt.Sprintf("key-%d", i))
		if len(after.History) != len(seen.History)+1 || after.History[0].Action != secret.Rewrapped || after.History[0].Version != 0 {
			t.Errorf("the history of secret %d is %v", i, after.History)
			continue
		}
		after.History = after.History[1:]
		after.Secret.LastChange, after.Secret.Rewrites = seen.Secret.LastChange, seen.Secret.Rewrites
		for v := range after.Versions {
			after.Versions[v].LastChange = seen.Versions[v].LastChange
		}
		if diff := sameTrace(seen, after); diff != "" {
			t.Errorf("secret %d differs after a rewrap (-before +after):\n%s", i, diff)
		}
	}
	s.rotate(t)
	size := len(s.trace(t, "key-0").History)
	if got := s.rewrap(t); got.Rewrapped != 24 {
		t.Errorf("the second rewrap did %+v", got)
	}
	if got := len(s.trace(t, "key-0").History); got != size {
		t.Errorf("the second rewrap added %d entries", got-size)
	}
	s.drop(t)
	s.wantDependents(t, 24)
	s.wantIntact(t)
}

// An attacker has write access to the file, even with the secret for MACs.
func TestARewrapHidesNoAttack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		attack func(t *testing.T, first, second []byte) (rows map[uint32][]byte)
	}{
		{"versions are swapped", func(_ *testing.T, first, second []byte) map[uint32][]byte {
			return map[uint32][]byte{1: second, 2: first}
		}},
		{"a version has another value", func(t *testing.T, first, second []byte) map[uint32][]byte {
			forged, err := secret.WithValue(first, second)
			check(t, err)
			return map[uint32][]byte{1: forged}
		}},
	} {
		for when, rewraps := range map[string]bool{"before a rewrap": false, "after a rewrap": true} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				t.Parallel()
				s := newStoppable(t)
				made := s.create(t, "key", "the first value")
				s.bind(t, "key", "bank", "op")
				s.rotateTo(t, "the second value")
				s.create(t, "other", "a value of another secret")
				s.rotate(t)
				if rewraps {
					s.rewrap(t)
				}
				first, second := secret.VersionKey(made.Name, made.UID, 1), secret.VersionKey(made.Name, made.UID, 2)
				rows := make(map[string][]byte)
				for number, row := range tt.attack(t, s.stored(t, first), s.stored(t, second)) {
					rows[string(secret.VersionKey(made.Name, made.UID, number))] = row
				}
				s.edit(t, rows)
				if !rewraps {
					got := s.rewrap(t)
					if got.Failed != len(rows) || got.Rewrapped != 3-len(rows) || !errors.Is(got.Err, audit.ErrMismatch) {
						t.Errorf("the rewrap did %+v", got)
					}
				}
				if _, err := s.resolve(t.Context(), made.Name, made.UID, 1); !errors.Is(err, audit.ErrMismatch) {
					t.Errorf("Resolve = %v, want ErrMismatch", err)
				}
				if s.alarms() == 0 {
					t.Error("there is no alarm")
				}
			})
		}
	}
}

// The row has the value and the state of the current one, so nothing but its key protects it.
func TestARowOfBeforeARewrapIsHarmlessWhileItsKeyExists(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	made := s.create(t, "key", "the first value")
	s.bind(t, "key", "bank", "op")
	at := secret.VersionKey(made.Name, made.UID, 1)
	before := s.stored(t, at)
	s.rotate(t)
	s.rewrap(t)
	s.edit(t, map[string][]byte{string(at): before})
	s.wantResolved(t, made, 1, "the first value")
	s.wantIntact(t)
	if counts, err := s.DependsOn(t.Context()); err != nil || len(counts) != 2 {
		t.Errorf("DependsOn = %v, %v, want the old key, too", counts, err)
	}

	s.rewrap(t)
	check(t, s.RewrapSealing(t.Context()))
	s.drop(t)
	s.edit(t, map[string][]byte{string(at): before})
	if got, err := s.resolve(t.Context(), made.Name, made.UID, 1); !errors.Is(err, audit.ErrMismatch) || got.Plain.Len() > 0 {
		t.Errorf("Resolve without the key = %v, want ErrMismatch", err)
	}
	if s.alarms() != 1 {
		t.Errorf("%d alarms, want 1", s.alarms())
	}
	if got := s.rewrap(t); got.Failed != 1 || !errors.Is(got.Err, audit.ErrMismatch) {
		t.Errorf("the rewrap did %+v", got)
	}
}

// A switching store calls a function before each update.
type switching struct {
	kv.Store
	before func()
}

func (s *switching) Update(ctx context.Context, fn func(kv.Tx) error) error {
	s.before()
	return s.Store.Update(ctx, fn)
}

func TestAValueThatWasSealedBeforeARotationIsStoredUnderTheNewKey(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	old := f.keys
	check(t, vaulttest.AddPrimary(t.Context(), f.kv, f.kek))
	rotated, err := keyring.Open(t.Context(), f.kv, keyring.Local("file:key", f.kek), "vault")
	check(t, err)
	store := &switching{Store: f.kv, before: func() {}}
	f.kv = store
	f.Store = f.open(t)
	made := f.create(t, "key", "the first value")
	store.before = func() { f.SetKeys(rotated) }
	_, err = f.Create(t.Context(), secret.Call{}, name("created"), secret.Draft{Usage: secret.Key, Value: value(t, "a created value")})
	check(t, err)
	f.SetKeys(old)
	_, err = f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "the second value")})
	check(t, err)
	f.bind(t, "key", "bank", "op")
	for id, want := range map[string]string{"created": rotated.KeyID(), "key": rotated.KeyID()} {
		if _, stored, err := f.Get(t.Context(), name(id)); err != nil || stored.Sealed.KeyID != want {
			t.Errorf("the value of %s depends on %q, %v, want %q", id, stored.Sealed.KeyID, err, want)
		}
	}
	f.wantResolved(t, made, 2, "the second value")
}

func TestCallersDoAnythingDuringARewrap(t *testing.T) {
	t.Parallel()
	s := newStoppable(t)
	const secrets, callers = 60, 6
	made := make([]secret.Secret, secrets)
	for i := range made {
		id := fmt.Sprintf("key-%02d", i)
		made[i] = s.create(t, id, "the first value of "+id)
		s.bind(t, id, "bank", "op")
	}
	s.rotate(t)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for n := caller; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				of, version := made[n%secrets], made[n%secrets].Name.Version(1)
				var err error
				switch n / secrets % 4 {
				case 0:
					_, err = s.Disable(t.Context(), secret.Call{}, version, "")
				case 1:
					_, err = s.Enable(t.Context(), secret.Call{}, version, "")
				case 2:
					_, err = s.Update(t.Context(), secret.Call{}, of.Name, secret.Change{Value: value(t, fmt.Sprintf("value %d of caller %d", n, caller))})
				default:
					_, err = s.resolve(t.Context(), of.Name, of.UID, 1)
					if fault.Is(err, secret.VersionDisabled) {
						err = nil
					}
				}
				if err != nil {
					t.Errorf("a caller = %v", err)
					return
				}
			}
		})
	}
	for left := 1; left > 0; {
		got := s.rewrap(t)
		if got.Failed != 0 {
			t.Errorf("the rewrap did %+v", got)
		}
		left = got.Left
	}
	close(done)
	wg.Wait()
	check(t, s.RewrapSealing(t.Context()))
	if counts, err := s.DependsOn(t.Context()); err != nil || len(counts) != 1 || counts[s.keys.KeyID()] < secrets {
		t.Errorf("DependsOn = %v, %v, want the primary key only", counts, err)
	}
	s.drop(t)
	for i, of := range made {
		if _, err := s.Enable(t.Context(), secret.Call{}, of.Name.Version(1), ""); err != nil {
			t.Error(err)
		}
		s.wantResolved(t, of, 1, fmt.Sprintf("the first value of key-%02d", i))
	}
	s.wantIntact(t)
}

func TestVersionsAreCountedForDisplay(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "the first value")
	f.Close()
	f.Store = f.open(t)
	for {
		keys, counted := f.Shown()
		if counted {
			if len(keys) != 1 || keys[f.keys.KeyID()] != 1 {
				t.Errorf("Shown = %v, want 1 version under %s", keys, f.keys.KeyID())
			}
			return
		}
	}
}
