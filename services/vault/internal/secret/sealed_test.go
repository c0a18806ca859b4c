package secret_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/client/seal"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/replay"
	"github.com/keyward/keyward/services/vault/internal/sealing"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// sealed returns a value that is sealed at the time of the fixture.
func (f *fixture) sealed(t testing.TB, id, requestID, text string) secret.Value {
	t.Helper()
	setting, err := f.Sealing(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	key, err := seal.NewKey(setting.Keys[0].Public)
	if err != nil {
		t.Fatal(err)
	}
	value, err := key.Seal([]byte(text), seal.Place{Secret: name(id).String(), RequestID: requestID, Time: f.clock.read(), Text: true})
	if err != nil {
		t.Fatal(err)
	}
	return secret.NewSealed(sealing.Sealed{
		KeyID: value.GetKeyId(), Time: value.GetSealTime().AsTime(), Ciphertext: value.GetCiphertext(), Text: true,
	}).Acknowledged("to be read in a test")
}

// called returns the call of a request. All of them have the same content.
func (f *fixture) called(t testing.TB, caller, requestID string) secret.Call {
	t.Helper()
	ledger := replay.NewLedger(f.keys.Derive("ledger"), f.clock.read)
	request, err := ledger.Request(caller, "Create", requestID, nil)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Call{Author: changelog.Author{Actor: changelog.Actor{Subject: caller}}, Request: request, RequestID: requestID}
}

func TestASealedValueIsNotTakenAgainLater(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	value := f.sealed(t, "key", "r", "value")
	use := func(caller string) error {
		_, err := f.Update(t.Context(), f.called(t, caller, "r"), name("key"), secret.Change{Value: value})
		return err
	}
	f.create(t, "key", "first")
	if err := use("ann"); err != nil {
		t.Fatal(err)
	}
	begin := f.clock.read()
	for _, at := range []time.Duration{0, time.Minute, time.Hour, 2 * time.Hour, replay.Lifetime - time.Second} {
		f.clock.set(begin.Add(at))
		if err := use("ann"); err != nil {
			t.Errorf("a repetition %v later = %v", at, err)
		}
		if err := use("bob"); !fault.Is(err, sealing.Refused) {
			t.Errorf("another owner's use %v later = %v, want a refusal", at, err)
		}
	}
	f.clock.set(begin.Add(replay.Lifetime))
	for _, caller := range []string{"ann", "bob"} {
		if err := use(caller); !fault.Is(err, sealing.Refused) {
			t.Errorf("%s's use a day later = %v, want a refusal", caller, err)
		}
	}
	f.clock.set(begin) // setting the clock back revives nothing
	if err := use("bob"); !fault.Is(err, sealing.Refused) {
		t.Errorf("a use after the clock was set back = %v, want a refusal", err)
	}
	got, _, err := f.Get(t.Context(), name("key"))
	if err != nil || got.Last != 2 {
		t.Errorf("there are %d versions, %v, want 2", got.Last, err)
	}
}

// The records of uses must not accumulate, and must fit in the transaction of a change.
func TestUsesOfSealedValuesAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	count := func() (n int) {
		err := f.kv.View(t.Context(), func(r kv.Reader) error {
			n = 0
			for _, err := range r.Scan(kv.Prefix([]byte("replay"), 1000)) {
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	create := func(id string) {
		t.Helper()
		labels := make(map[string]string)
		for i := range 64 {
			labels[fmt.Sprint("label-", i)] = strings.Repeat("x", 60)
		}
		_, err := f.Create(t.Context(), f.called(t, "ann", id), name(id), secret.Draft{
			Usage: secret.Key, Labels: labels, Value: f.sealed(t, id, id, "a value of "+strings.Repeat("z", 20)+id),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		create(fmt.Sprint("early-", i))
	}
	f.clock.advance(replay.Lifetime + time.Second)
	for i := range 10 {
		create(fmt.Sprint("late-", i))
	}
	if got := count(); got != 40 {
		t.Errorf("%d rows remember requests and uses, want 4 for each of the 10 of today", got)
	}
}

// The store zeroes the plaintext that it opened, not the sealed value.
func TestOpeningLeavesTheSealedValueAsItIs(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	value := f.sealed(t, "key", "r", "value")
	draft := secret.Draft{Usage: secret.Key, Value: value, Description: "holds value itself"}
	if _, err := f.Create(t.Context(), f.called(t, "ann", "r"), name("key"), draft); err == nil {
		t.Fatal("a description that contains the value is accepted")
	}
	draft.Description = ""
	if _, err := f.Create(t.Context(), f.called(t, "ann", "r"), name("key"), draft); err != nil {
		t.Errorf("the same value, without the description = %v", err)
	}
}
