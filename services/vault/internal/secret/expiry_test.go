package secret_test

import (
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

func (f *fixture) expire(t testing.TB, id string, e secret.Expiry) error {
	t.Helper()
	_, err := f.Update(t.Context(), secret.Call{}, name(id), secret.Change{Expiry: &e})
	return err
}

func wantRefused(t testing.TB, what string, err error, reason fault.Reason) {
	t.Helper()
	if !fault.Is(err, reason) {
		t.Errorf("%s = %v, want %s", what, err, reason)
	}
}

func TestAnExpiredSecretIsNotUsed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	sec := f.sealedFor(t, "key", "value 1 of key", "raw > AES-256-GCM(iv=random/12,tag=16)")
	f.addVersions(t, "key", 1)
	chain := secret.NewPurpose([]string{"raw > AES-256-GCM(iv=random/12,tag=16)"}, 0, false)
	resolve := func(number uint32) (secret.Resolved, error) {
		return f.Resolve(t.Context(), secret.Call{}, "allowlist", secret.Wanted{Name: sec.Name, UID: sec.UID, Number: number, Purpose: chain.Digest(), Seal: true})
	}
	bind := func(version uint32, rehearse bool) error {
		req := useFor("key", "again", chain.Chains[0])
		req.Version, req.Rehearse = version, rehearse
		_, _, err := f.Bind(t.Context(), secret.Call{}, name("key"), "allowlist", req)
		return err
	}
	at := f.clock.read().Add(time.Hour)
	if err := f.expire(t, "key", secret.Expiry{After: time.Hour}); err != nil {
		t.Fatal(err)
	}
	f.clock.set(at.Add(-1))
	if got, err := resolve(0); err != nil || !got.Expires.Equal(at) || !got.Time.Equal(f.clock.read()) {
		t.Errorf("just before: expires at %v, read at %v, %v, want %v and %v", got.Expires, got.Time, err, at, f.clock.read())
	}
	f.clock.set(at)
	for number := range uint32(3) { // the current one, one that was current before, and the current one by number
		_, err := resolve(number)
		wantRefused(t, "a resolve", err, secret.Expired)
		if refusal, _ := fault.From(err); refusal.Metadata["expire_time"] != at.Format(time.RFC3339Nano) || len(refusal.Metadata) != 1 {
			t.Errorf("the metadata is %v, want only the time", refusal.Metadata)
		}
		wantRefused(t, "a binding", bind(number, false), secret.Expired)
		wantRefused(t, "a rehearsal", bind(number, true), secret.Expired)
	}
	_, err := f.reserveOf(t, sec, 1, 1)
	wantRefused(t, "a reservation", err, secret.Expired)
	_, err = f.Resolve(t.Context(), secret.Call{}, "another", secret.Wanted{Name: sec.Name, UID: sec.UID, Purpose: chain.Digest()})
	wantRefused(t, "a workload without a binding", err, secret.NotBound)

	if _, err := f.Restore(t.Context(), secret.Call{}, name("key").Version(1), ""); err != nil {
		t.Errorf("a restored version = %v", err)
	}
	f.addVersions(t, "key", 1)
	_, err = resolve(0)
	wantRefused(t, "a resolve of a new version", err, secret.Expired)
	description := "changed"
	change := secret.Change{Description: &description, Expiry: &secret.Expiry{At: at}} // as it was read
	if _, err := f.Update(t.Context(), secret.Call{}, name("key"), change); err != nil {
		t.Errorf("an update that leaves the expiry as it is = %v", err)
	}
	wantRefused(t, "an expiry that is not in the future", f.expire(t, "key", secret.Expiry{At: at.Add(-1)}), fault.InvalidField)
	if err := f.expire(t, "key", secret.Expiry{}); err != nil {
		t.Fatal(err)
	}
	if got, err := resolve(0); err != nil || !got.Expires.IsZero() || got.Version != 3 {
		t.Errorf("without an expiry: version %d, %v", got.Version, err)
	}
	if err := bind(0, false); err != nil {
		t.Errorf("a binding without an expiry = %v", err)
	}
}

func TestASecretIsCreatedWithAnExpiryInTheFuture(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	draft := func(e secret.Expiry) error {
		_, err := f.Create(t.Context(), secret.Call{}, name("key"), secret.Draft{Usage: secret.Key, Value: value(t, "v"), Expiry: e, KeepVersions: 2})
		return err
	}
	wantRefused(t, "now", draft(secret.Expiry{At: f.clock.read()}), fault.InvalidField)
	if err := draft(secret.Expiry{At: f.clock.read().Add(1)}); err != nil {
		t.Fatal(err)
	}
	events, _, err := f.History(t.Context(), name("key"), secret.Page{Limit: 1})
	if err != nil || !events[0].Detail.NewExpires.Equal(f.clock.read().Add(1)) || !events[0].Detail.OldExpires.IsZero() || events[0].Detail.NewKeepVersions != 2 {
		t.Errorf("the entry is %+v, %v", events, err)
	}
}

// A workload that caches the value learns of a change of the expiry.
func TestAChangeOfTheExpiryIsWatched(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.create(t, "key", "v")
	w := f.watch(t, "acme", nil)
	begun := w.next(t)
	f.keep(t, "key", 5) // changes no value
	if err := f.expire(t, "key", secret.Expiry{After: time.Hour}); err != nil {
		t.Fatal(err)
	}
	notices, _ := w.heard(t, begun.Position.Sequence+2)
	if len(notices) != 1 || notices[0].Sequence != begun.Position.Sequence+1 {
		t.Errorf("the watch reports %+v, want only the change of the expiry", notices)
	}
}
