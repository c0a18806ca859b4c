package secret_test

import (
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

func (f *fixture) check(t testing.TB, id string, number uint32, text string) (secret.Checked, error) {
	t.Helper()
	return f.Check(t.Context(), secret.Call{}, name(id), number, value(t, text))
}

// wrong makes checks of another value, each at a time when the rate allows it.
func (f *fixture) wrong(t testing.TB, id string, number uint32, count int) {
	t.Helper()
	for range count {
		f.clock.advance(time.Hour)
		if got, err := f.check(t, id, number, "another value"); err != nil || got.Same {
			t.Fatalf("Check(another value) = %+v, %v", got, err)
		}
	}
}

func TestCheckComparesWholeValues(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "the first value")
	f.add(t, made, value(t, "the second value"))
	for _, tt := range []struct {
		what, text string
		number     uint32
		want       secret.Checked
	}{
		{"the current value", "the second value", 0, secret.Checked{Same: true, Version: 2, Left: 20}},
		{"an earlier value", "the first value", 1, secret.Checked{Same: true, Version: 1, Left: 20}},
		{"the value of another version", "the first value", 0, secret.Checked{Version: 2, Left: 19}},
		{"a part of the value", "the second valu", 2, secret.Checked{Version: 2, Left: 18}},
		{"a longer value", "the second value\n", 2, secret.Checked{Version: 2, Left: 17}},
		{"another length", "x", 1, secret.Checked{Version: 1, Left: 19}},
		{"another case", "The first value", 1, secret.Checked{Version: 1, Left: 18}},
	} {
		f.clock.advance(time.Hour)
		if got, err := f.check(t, "key", tt.number, tt.text); err != nil || got != tt.want {
			t.Errorf("%s: Check = %+v, %v, want %+v", tt.what, got, err, tt.want)
		}
	}
	if _, err := f.check(t, "key", 3, "x"); !fault.Is(err, secret.VersionNotFound) {
		t.Errorf("Check of version 3 = %v, want %s", err, secret.VersionNotFound)
	}
	if _, err := f.check(t, "other", 0, "x"); !fault.Is(err, secret.NotFound) {
		t.Errorf("Check of another secret = %v, want %s", err, secret.NotFound)
	}
}

func TestCheckChangesNothingThatAnyoneSees(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "the value")
	f.bind(t, "key", "bank", "op")
	before, position := f.get(t, "key"), secret.Position{Epoch: f.Epoch()}
	for _, text := range []string{"the value", "another value"} {
		if _, err := f.check(t, "key", 0, text); err != nil {
			t.Fatal(err)
		}
	}
	after := f.get(t, "key")
	if after.Etag() != before.Etag() || !after.Updated.Equal(before.Updated) {
		t.Errorf("the etag is %s at %v, want %s at %v", after.Etag(), after.Updated, before.Etag(), before.Updated)
	}
	f.wantStated(t, "checked", made)
	events, _, err := f.History(t.Context(), made.Name, secret.Page{Limit: 2})
	if err != nil || events[0].Action != secret.ValueChecked || events[0].Detail.Same || events[0].Version != 1 || !events[1].Detail.Same {
		t.Errorf("the history is %+v, %v", events, err)
	}
	if notices, _ := f.watch(t, "acme", &position).heard(t, 4); len(notices) != 0 {
		t.Errorf("the watch sends %+v", notices)
	}
}

func TestFiveChecksAnHourAreAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "the value")
	f.create(t, "other", "the value")
	for range 5 {
		if _, err := f.check(t, "key", 0, "the value"); err != nil {
			t.Fatal(err)
		}
	}
	size := len(f.actions(t, "key"))
	if _, err := f.check(t, "key", 0, "the value"); !fault.Is(err, fault.RateLimited) || len(f.actions(t, "key")) != size {
		t.Errorf("a sixth check = %v, want %s and no entry", err, fault.RateLimited)
	}
	if _, err := f.check(t, "other", 0, "the value"); err != nil {
		t.Errorf("a check of another secret = %v", err)
	}
}

// Many callers guess at once, while the vault restarts so often that the rate limits no one.
func TestConcurrentCallersGetTwentyAnswers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "1234")
	var answered, locked atomic.Int64
	var callers sync.WaitGroup
	for range 13 {
		s := f.open(t)
		for range 5 {
			guess := value(t, "0000")
			callers.Go(func() {
				switch _, err := s.Check(t.Context(), secret.Call{}, name("key"), 0, guess); {
				case err == nil:
					answered.Add(1)
				case fault.Is(err, secret.CheckLocked):
					locked.Add(1)
				default:
					t.Errorf("Check = %v", err)
				}
			})
		}
	}
	callers.Wait()
	if answered.Load() != 20 || locked.Load() != 45 {
		t.Errorf("%d callers were answered and %d were locked out, want 20 and 45", answered.Load(), locked.Load())
	}
	f.Store = f.open(t)
	if _, err := f.check(t, "key", 0, "1234"); !fault.Is(err, secret.CheckLocked) {
		t.Errorf("the right value after a restart = %v, want %s", err, secret.CheckLocked)
	}
}

// An owner who stores values of their own gets no more guesses at the value before.
func TestAnotherValueAllowsNoMoreGuessesAtTheOneBefore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "1234")
	f.wrong(t, "key", 1, 12)
	for _, keep := range []bool{true, false} {
		if _, err := f.Update(t.Context(), secret.Call{}, made.Name, secret.Change{Value: value(t, "mine"), KeepCurrent: keep}); err != nil {
			t.Fatal(err)
		}
		f.wrong(t, "key", 1, 4)
	}
	refused := func(what string) {
		t.Helper()
		f.clock.advance(time.Hour)
		if _, err := f.check(t, "key", 1, "1234"); !fault.Is(err, secret.CheckLocked) {
			t.Errorf("%s: Check = %v, want %s", what, err, secret.CheckLocked)
		}
	}
	refused("after 20 guesses")
	if _, err := f.Restore(t.Context(), secret.Call{}, secret.VersionName{Name: made.Name, Number: 1}, ""); err != nil {
		t.Fatal(err)
	}
	refused("current again")
	if got, err := f.check(t, "key", 3, "mine"); err != nil || !got.Same || got.Left != 20 {
		t.Errorf("the new version: Check = %+v, %v", got, err)
	}
	f.wrong(t, "key", 3, 20)
	f.add(t, made, value(t, "more"))
	refused("after one more value")
	if got, err := f.check(t, "key", 4, "more"); err != nil || !got.Same || got.Left != 20 {
		t.Errorf("the newest version: Check = %+v, %v", got, err)
	}
}

func TestADeletionWithAGraceResetsNoCount(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "key", "1234")
	f.wrong(t, "key", 0, 20)
	f.delete(t, "key", false)
	f.undelete(t, "key")
	if _, err := f.check(t, "key", 0, "1234"); !fault.Is(err, secret.CheckLocked) {
		t.Errorf("Check = %v, want %s", err, secret.CheckLocked)
	}
}

func TestCheckReadsADisabledVersionButNotADestroyedOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	made := f.create(t, "key", "the value")
	f.add(t, made, value(t, "the next value"))
	f.change(t, f.Disable, 1)
	if got, err := f.check(t, "key", 1, "the value"); err != nil || !got.Same {
		t.Errorf("Check of a disabled version = %+v, %v", got, err)
	}
	if _, err := f.Destroy(t.Context(), secret.Call{}, secret.VersionName{Name: made.Name, Number: 1}, secret.Deletion{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.check(t, "key", 1, "the value"); !fault.Is(err, secret.VersionDestroyed) {
		t.Errorf("Check of a destroyed version = %v, want %s", err, secret.VersionDestroyed)
	}
}

func TestASealedValueIsCheckedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "the value")
	sealed := f.sealed(t, "key", "r", "the value")
	for i, caller := range []string{"ann", "ann", "ben"} {
		got, err := f.Check(t.Context(), f.called(t, caller, "r"), name("key"), 0, sealed)
		switch {
		case i == 0 && (err != nil || !got.Same):
			t.Errorf("Check of a sealed value = %+v, %v", got, err)
		case i > 0 && err == nil:
			t.Errorf("%s checked the sealed value again: %+v", caller, got)
		}
	}
	if got, err := f.Check(t.Context(), f.called(t, "ann", "r"), name("key"), 0, f.sealed(t, "key", "r", "the value")); err != nil || !got.Same {
		t.Errorf("Check of the value sealed again = %+v, %v", got, err)
	}
	if got := len(f.actions(t, "key")); got != 3 {
		t.Errorf("the log has %d entries, want the creation and 2 checks", got)
	}
	if _, err := f.Update(t.Context(), f.called(t, "ben", "r"), name("key"), secret.Change{Value: sealed}); err == nil {
		t.Error("a sealed value that was checked is stored")
	}
}

func TestCheckRequiresSealedValuesLikeTheWorkspace(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "the value")
	if _, err := f.SetSealing(t.Context(), secret.Call{}, "acme", secret.SealingChange{Required: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.check(t, "key", 0, "the value"); !fault.Is(err, secret.SealingRequired) {
		t.Errorf("Check = %v, want %s", err, secret.SealingRequired)
	}
}

func TestCheckConvertsAKeyAsItIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	jwk, err := json.Marshal(map[string]string{"kty": "oct", "k": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"})
	if err != nil {
		t.Fatal(err)
	}
	f.create(t, "key", string(jwk))
	if got, err := f.check(t, "key", 0, string(jwk)); err != nil || !got.Same {
		t.Errorf("Check of the JWK = %+v, %v", got, err)
	}
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = byte(i)
	}
	if got, err := f.check(t, "key", 0, string(raw)); err != nil || !got.Same {
		t.Errorf("Check of the bytes of the JWK = %+v, %v", got, err)
	}
	if _, err := f.Create(t.Context(), secret.Call{}, name("parameter"), secret.Draft{Usage: secret.Parameter, Value: value(t, string(jwk))}); err != nil {
		t.Fatal(err)
	}
	if got, err := f.check(t, "parameter", 0, string(raw)); err != nil || got.Same {
		t.Errorf("a parameter was converted: %+v, %v", got, err)
	}
}
