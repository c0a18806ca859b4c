package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

func TestKeyringSurvivesReopening(t *testing.T) {
	t.Parallel()
	path, kek := filepath.Join(t.TempDir(), "store"), newKEK(t)

	store := openStore(t, path)
	first := openRing(t, store, kek, "vault")
	sealed, err := first.Seal([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}

	second := openRing(t, openStore(t, path), kek, "vault")
	if got, want := second.KeyID(), first.KeyID(); got != want {
		t.Errorf("KeyID() after reopening = %q, want %q", got, want)
	}
	if first.Derive("page tokens") != second.Derive("page tokens") {
		t.Error("Derive() differs after reopening")
	}
	if got, err := second.Open(sealed, []byte("context")); err != nil || string(got) != "text" {
		t.Errorf("Open() after reopening = %q, %v, want what was sealed", got, err)
	}
}

func TestFirstStartsAtTheSameMomentAgree(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	rings := make([]*keyring.Keyring, 16)
	var group sync.WaitGroup
	for i := range rings {
		group.Go(func() {
			ring, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "vault")
			if err != nil {
				t.Errorf("Open() = %v", err)
				return
			}
			rings[i] = ring
		})
	}
	group.Wait()
	if t.Failed() {
		return
	}
	for _, ring := range rings {
		if ring.KeyID() != rings[0].KeyID() || ring.Derive("x") != rings[0].Derive("x") {
			t.Errorf("%v has other keys than %v", ring, rings[0])
		}
	}
}

func TestWrongKeyIsToldAndChangesNothing(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	before := openRing(t, store, kek, "vault")
	stored := dump(t, store)

	if _, err := keyring.Open(t.Context(), store, keyring.Local("file:key", newKEK(t)), "vault"); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("Open(another key) = %v, want ErrWrongKey", err)
	}
	if diff := cmp.Diff(stored, dump(t, store)); diff != "" {
		t.Errorf("Open(another key) changed the store (-before +after):\n%s", diff)
	}
	if after := openRing(t, store, kek, "vault"); after.Derive("x") != before.Derive("x") {
		t.Error("the right key opens another keyring than before")
	}
}

func TestPurposesAreApart(t *testing.T) {
	t.Parallel()
	kek := newKEK(t)
	vault, allowlist := openRing(t, newStore(t), kek, "vault"), openRing(t, newStore(t), kek, "allowlist")

	if vault.Derive("x") == allowlist.Derive("x") {
		t.Error("two keyrings derive the same key")
	}
	if vault.Derive("x") == vault.Derive("y") {
		t.Error("two purposes derive the same key")
	}
	sealed, err := vault.Seal([]byte("text"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := allowlist.Open(sealed, nil); err == nil {
		t.Error("the allowlist's keyring opens what the vault's has sealed")
	}
}

func TestSealedTextOpensInItsContextOnly(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed, err := ring.Seal([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	for _, context := range []string{"", "contex", "context\x00", "Context"} {
		if _, err := ring.Open(sealed, []byte(context)); err == nil {
			t.Errorf("Open(%q) succeeds, want an error", context)
		}
	}
	for i := range sealed {
		for bit := range 8 {
			changed := bytes.Clone(sealed)
			changed[i] ^= 1 << bit
			if _, err := ring.Open(changed, []byte("context")); err == nil {
				t.Errorf("Open() with bit %d of byte %d flipped succeeds, want an error", bit, i)
			}
		}
	}
}

func TestDamagedKeyringIsNeverReplaced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(tx kv.Tx, record kv.Pair) error
	}{
		{"the record is empty", func(tx kv.Tx, record kv.Pair) error { return tx.Put(record.Key, nil) }},
		{"the record is cut short", func(tx kv.Tx, record kv.Pair) error { return tx.Put(record.Key, record.Value[:40]) }},
		{"the record is gone", func(tx kv.Tx, record kv.Pair) error {
			return errors.Join(tx.Put([]byte("row"), nil), tx.Delete(record.Key))
		}},
		{"there is another row", func(tx kv.Tx, record kv.Pair) error {
			return tx.Put(kv.NewKey("keyring").Text("vault").Text("root"), record.Value)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, kek := newStore(t), newKEK(t)
			openRing(t, store, kek, "vault")
			record := dump(t, store)[0]
			if err := store.Update(t.Context(), func(tx kv.Tx) error { return tt.damage(tx, record) }); err != nil {
				t.Fatal(err)
			}
			stored := dump(t, store)
			if ring, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "vault"); err == nil {
				t.Errorf("Open() = %v, want an error", ring)
			}
			if diff := cmp.Diff(stored, dump(t, store)); diff != "" {
				t.Errorf("Open() changed the store (-before +after):\n%s", diff)
			}
		})
	}
}

func TestChangedRecordIsRefused(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	openRing(t, store, kek, "vault")
	record := dump(t, store)[0]
	for i := range record.Value {
		changed := bytes.Clone(record.Value)
		changed[i] ^= 1 << (i % 8)
		put(t, store, record.Key, changed)
		if ring, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "vault"); err == nil {
			t.Errorf("Open() with byte %d changed = %v, want an error", i, ring)
		}
	}
}

func TestEndedContextMakesNoKeys(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keyring.Open(ctx, store, keyring.Local("file:key", newKEK(t)), "vault"); !errors.Is(err, context.Canceled) {
		t.Errorf("Open(cancelled) = %v, want context.Canceled", err)
	}
	if got := dump(t, store); len(got) != 0 {
		t.Errorf("Open(cancelled) stored %d records, want none", len(got))
	}
}

func TestFirstStartThatFailsCanBeRepeated(t *testing.T) {
	t.Parallel()
	failure := errors.New("disk is full")
	for name, fail := range map[string]func(*kvtest.FaultyStore, error){
		"reading fails":                          (*kvtest.FaultyStore).FailViews,
		"writing fails":                          (*kvtest.FaultyStore).FailUpdates,
		"the commit fails":                       (*kvtest.FaultyStore).FailCommits,
		"the commit succeeds but nobody says so": (*kvtest.FaultyStore).FailReplies,
	} {
		store, kek := kvtest.Faulty(kvtest.Rerun(newStore(t))), newKEK(t)
		fail(store, failure)
		if _, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "vault"); !errors.Is(err, failure) {
			t.Errorf("%s: Open() = %v, want %v", name, err, failure)
		}
		fail(store, nil)
		first, second := openRing(t, store, kek, "vault"), openRing(t, store, kek, "vault")
		if first.Derive("x") != second.Derive("x") {
			t.Errorf("%s: later starts have different keys", name)
		}
	}
}

func TestNothingPrintsAKey(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	var buffer bytes.Buffer
	slog.New(slog.NewTextHandler(&buffer, nil)).Info("test", "ring", ring, "holder", struct{ Ring *keyring.Keyring }{ring})
	outputs := []string{buffer.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, ring), fmt.Sprintf(verb, struct{ Ring *keyring.Keyring }{ring}))
	}
	for _, output := range outputs {
		if !strings.Contains(output, "keyring vault (key ") || strings.Contains(output, "[]byte") {
			t.Errorf("a keyring is printed as %q, want its name and nothing more", output)
		}
	}
}

func newKEK(t testing.TB) tink.AEAD {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := kek.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	key, err := kek.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func openStore(t testing.TB, path string) kv.Store {
	t.Helper()
	store, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func newStore(t testing.TB) kv.Store {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "store"))
}

func openRing(t testing.TB, store kv.Store, kek tink.AEAD, purpose string) *keyring.Keyring {
	t.Helper()
	ring, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), purpose)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func newRing(t testing.TB) *keyring.Keyring {
	t.Helper()
	return openRing(t, newStore(t), newKEK(t), "vault")
}

// dump returns all that a store holds.
func dump(t testing.TB, store kv.Store) (pairs []kv.Pair) {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) error {
		for pair, err := range r.Scan(kv.Range{Limit: 100}) {
			if err != nil {
				return err
			}
			pairs = append(pairs, pair)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pairs
}

func put(t testing.TB, store kv.Store, key, value []byte) {
	t.Helper()
	if err := store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(key, value) }); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherServicesStoreIsRefused(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	if _, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "allowlist"); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(t.Context(), store, keyring.Local("file:key", kek), "vault"); !errors.Is(err, keyring.ErrWrongStore) {
		t.Errorf("Open(store of another service) = %v, want ErrWrongStore", err)
	}
}
