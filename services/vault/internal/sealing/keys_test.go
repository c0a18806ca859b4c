package sealing_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/client/seal"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/sealing"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const (
	name    = "workspaces/acme/secrets/key"
	request = "request"
)

// A fixture is a store over a real file that runs every closure twice.
type fixture struct {
	kv   kv.Store
	kek  tink.AEAD
	ring *keyring.Keyring
	now  time.Time
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	folder := t.TempDir()
	check(t, kek.CreateFile(filepath.Join(folder, "key")))
	key, err := kek.File(filepath.Join(folder, "key"))
	check(t, err)
	db, err := boltkv.Open(filepath.Join(folder, "store"), boltkv.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	f := &fixture{kv: kvtest.Rerun(db), kek: key, now: time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)}
	f.ring, err = keyring.Open(t.Context(), f.kv, keyring.Local("file:key", key), "vault")
	check(t, err)
	return f
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) clock() time.Time { return f.now }

// open opens the keys as a start of the vault does.
func (f *fixture) open(t testing.TB) *sealing.Keys {
	t.Helper()
	keys, err := sealing.Open(t.Context(), f.kv, f.ring, f.clock)
	check(t, err)
	return keys
}

// turn gives the keyring another key, as an operator does.
func (f *fixture) turn(t *testing.T) {
	t.Helper()
	before := f.ring.KeyID()
	check(t, vaulttest.AddPrimary(t.Context(), f.kv, f.kek))
	var err error
	f.ring, err = keyring.Open(t.Context(), f.kv, keyring.Local("file:key", f.kek), "vault")
	check(t, err)
	_, err = f.ring.Retire(t.Context(), nil) // a keyring has few roots, and nothing here depends on them
	check(t, err)
	if f.ring.KeyID() == before {
		t.Fatal("the keyring has no other key")
	}
}

// rows returns the stored rows by key.
func (f *fixture) rows(t *testing.T) map[string][]byte {
	t.Helper()
	rows := make(map[string][]byte)
	check(t, f.kv.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Prefix(kv.NewKey("sealing-key"), 100)) {
			if err != nil {
				return err
			}
			rows[string(pair.Key)] = pair.Value
		}
		return nil
	}))
	return rows
}

// put replaces the stored rows.
func (f *fixture) put(t *testing.T, rows map[string][]byte) {
	t.Helper()
	old := f.rows(t)
	check(t, f.kv.Update(t.Context(), func(tx kv.Tx) error {
		for key := range old {
			if err := tx.Delete([]byte(key)); err != nil {
				return err
			}
		}
		for key, value := range rows {
			if err := tx.Put([]byte(key), value); err != nil {
				return err
			}
		}
		return nil
	}))
}

// sealTo seals a string at the time of the fixture.
func (f *fixture) sealTo(t testing.TB, key sealing.Key) sealing.Sealed {
	t.Helper()
	public, err := seal.NewKey(key.Public)
	check(t, err)
	value, err := public.Seal([]byte("value"), seal.Place{Secret: name, RequestID: request, Time: f.now, Text: true})
	check(t, err)
	return fromProto(value)
}

func fromProto(pb *vaultv1.SealedValue) sealing.Sealed {
	return sealing.Sealed{KeyID: pb.GetKeyId(), Time: pb.GetSealTime().AsTime(), Ciphertext: pb.GetCiphertext(), Text: pb.GetText()}
}

// wantOpen fails the test unless the value opens, or is refused because of the field.
func wantOpen(t *testing.T, what string, keys *sealing.Keys, value sealing.Sealed, field string) {
	t.Helper()
	plain, err := keys.Open(value, name, request)
	if wantRefused(t, what, err, field); field == "" && string(plain.Reveal()) != "value" {
		t.Errorf("%s: Open returns another value", what)
	}
}

// wantRefused fails the test unless err is nil, or refuses because of the field.
func wantRefused(t *testing.T, what string, err error, field string) {
	t.Helper()
	if field == "" {
		check(t, err)
		return
	}
	refusal, ok := fault.From(err)
	if !ok || refusal.Reason != sealing.Refused || len(refusal.Violations) != 1 || refusal.Violations[0].Field != field {
		t.Errorf("%s: %v, want a refusal because of %s", what, err, field)
	}
}

func TestThereIsAKeyForEachKeyOfTheKeyring(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.open(t).List()
	if again := f.open(t).List(); len(first) != 1 || len(again) != 1 || again[0].ID != first[0].ID {
		t.Fatalf("keys = %v, after a restart %v, want the same key", first, again)
	}
	value := f.sealTo(t, first[0])
	f.turn(t)
	f.now = f.now.Add(time.Minute)
	keys := f.open(t)
	now := keys.List()
	if len(now) != 2 || now[0].ID == first[0].ID || !now[0].Expires.IsZero() || now[1].ID != first[0].ID {
		t.Fatalf("keys = %v, want a new one before %v", now, first)
	}
	if want := f.now.Truncate(time.Second).Add(30 * 24 * time.Hour); !now[1].Expires.Equal(want) {
		t.Errorf("the first key expires at %v, want %v", now[1].Expires, want)
	}
	wantOpen(t, "a value for the replaced key", keys, value, "")
	wantOpen(t, "a value for the new key", keys, f.sealTo(t, now[0]), "")
	if again := f.open(t).List(); len(again) != 2 || !again[1].Expires.Equal(now[1].Expires) {
		t.Errorf("keys after a restart = %v, want %v", again, now)
	}
}

func TestReplacedKeysAreForgotten(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.open(t).List()[0]
	f.turn(t)
	keys := f.open(t)
	f.now = f.now.Add(sealing.Retention - time.Second)
	if more, err := keys.Forget(t.Context()); err != nil || !more || len(keys.List()) != 2 {
		t.Errorf("Forget before the time = %v, %v, and %d keys are left", more, err, len(keys.List()))
	}
	wantOpen(t, "a second before", keys, f.sealTo(t, first), "")
	f.now = f.now.Add(time.Second)
	late := f.sealTo(t, first)
	if len(keys.List()) != 1 {
		t.Errorf("keys = %v, want only the newest", keys.List())
	}
	wantOpen(t, "expired", keys, late, sealing.Field+".key_id")
	wantOpen(t, "expired, after a restart", f.open(t), late, sealing.Field+".key_id")
	if more, err := keys.Forget(t.Context()); err != nil || more || len(f.rows(t)) != 1 {
		t.Errorf("Forget = %v, %v, and %d rows are left", more, err, len(f.rows(t)))
	}
	wantOpen(t, "the newest", keys, f.sealTo(t, keys.List()[0]), "")
	if more, err := f.open(t).Forget(t.Context()); err != nil || more {
		t.Errorf("Forget without expired keys = %v, %v", more, err)
	}
}

func TestManyKeysAreForgottenSomeAtATime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for range 20 {
		f.open(t)
		f.turn(t)
	}
	keys := f.open(t)
	f.now = f.now.Add(sealing.Retention + time.Hour)
	for calls := 1; ; calls++ {
		more, err := keys.Forget(t.Context())
		check(t, err)
		if !more {
			if calls < 2 || len(f.rows(t)) != 1 {
				t.Errorf("after %d calls, %d rows are left", calls, len(f.rows(t)))
			}
			return
		}
	}
}

func TestRowsThatWereTamperedWithDoNotOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.open(t)
	before := f.rows(t)
	f.turn(t)
	f.open(t)
	good := f.rows(t)
	var replaced, newest string
	for key := range good {
		if newest = key; before[key] != nil {
			replaced = key
		}
	}
	for key := range good {
		if key != replaced {
			newest = key
		}
	}
	with := func(changes map[string][]byte) map[string][]byte {
		rows := make(map[string][]byte)
		for key, value := range good {
			rows[key] = value
		}
		for key, value := range changes {
			if rows[key] = value; value == nil {
				delete(rows, key)
			}
		}
		return rows
	}
	edit := func(key, old, new string) map[string][]byte {
		text := strings.Replace(string(good[key]), old, new, 1)
		if text == string(good[key]) {
			t.Fatalf("%s is not in %s", old, text)
		}
		return with(map[string][]byte{key: []byte(text)})
	}
	for what, rows := range map[string]map[string][]byte{
		"swapped":                with(map[string][]byte{replaced: good[newest], newest: good[replaced]}),
		"copied":                 with(map[string][]byte{replaced: good[newest]}),
		"put back":               with(map[string][]byte{replaced: before[replaced]}),
		"the newest key removed": with(map[string][]byte{newest: nil}),
		"a later expiry":         edit(replaced, `"expires":"2030`, `"expires":"2031`),
		"another time":           edit(newest, `"created":"2030`, `"created":"2029`),
		"another keyring":        edit(newest, f.ring.KeyID(), "00000000"),
		"another form":           with(map[string][]byte{newest: append([]byte{2}, good[newest][1:]...)}),
		"no JSON":                with(map[string][]byte{newest: good[newest][:10]}),
		"empty":                  with(map[string][]byte{newest: {}}),
		"another vault's":        with(map[string][]byte{newest: elsewhere(t)}),
		"another place":          with(map[string][]byte{newest: nil, string(kv.NewKey("sealing-key").Text("0123456789abcdef")): good[newest]}),
		"an invalid key":         with(map[string][]byte{"sealing-key\x00id": good[newest]}),
	} {
		f.put(t, rows)
		if keys, err := sealing.Open(t.Context(), f.kv, f.ring, f.clock); err == nil {
			t.Errorf("%s: Open = %v, want an error", what, keys.List())
		}
	}
	f.put(t, good)
	f.open(t)
}

// elsewhere returns a row of another vault.
func elsewhere(t *testing.T) []byte {
	t.Helper()
	f := newFixture(t)
	f.open(t)
	for _, row := range f.rows(t) {
		return row
	}
	return nil
}
