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
			ring, err := keyring.Open(t.Context(), store, kek, "vault")
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

	if _, err := keyring.Open(t.Context(), store, newKEK(t), "vault"); !errors.Is(err, keyring.ErrWrongKey) {
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
		damage func(tx kv.Tx, keyset, root kv.Pair) error
	}{
		{"the keyset is gone", func(tx kv.Tx, keyset, _ kv.Pair) error { return tx.Delete(keyset.Key) }},
		{"the root is gone", func(tx kv.Tx, _, root kv.Pair) error { return tx.Delete(root.Key) }},
		{"the keyset is empty", func(tx kv.Tx, keyset, _ kv.Pair) error { return tx.Put(keyset.Key, nil) }},
		{"the root is empty", func(tx kv.Tx, _, root kv.Pair) error { return tx.Put(root.Key, nil) }},
		{"the root is cut short", func(tx kv.Tx, _, root kv.Pair) error { return tx.Put(root.Key, root.Value[:40]) }},
		{"the keyset stands for the root", func(tx kv.Tx, keyset, root kv.Pair) error { return tx.Put(root.Key, keyset.Value) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, kek := newStore(t), newKEK(t)
			openRing(t, store, kek, "vault")
			damage(t, store, tt.damage)
			stored := dump(t, store)
			if ring, err := keyring.Open(t.Context(), store, kek, "vault"); err == nil {
				t.Errorf("Open() = %v, want an error", ring)
			}
			if diff := cmp.Diff(stored, dump(t, store)); diff != "" {
				t.Errorf("Open() changed the store (-before +after):\n%s", diff)
			}
		})
	}
}

// A changed record is refused. Tink stores a description next to the encrypted keyset
// and does not read it, so a change there does nothing: the keys are the same.
func TestChangedRecordsNeverGiveOtherKeys(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	want := openRing(t, store, kek, "vault")
	for _, record := range dump(t, store) {
		tried, refused := 0, 0
		for i := 0; i < len(record.Value); i += 5 {
			tried++
			changed := bytes.Clone(record.Value)
			changed[i] ^= 1 << (i % 8)
			put(t, store, record.Key, changed)
			got, err := keyring.Open(t.Context(), store, kek, "vault")
			if err != nil {
				refused++
			} else if got.Derive("x") != want.Derive("x") || got.KeyID() != want.KeyID() {
				t.Errorf("Open() with byte %d of %q changed = %v with other keys, want an error", i, record.Key, got)
			}
		}
		if refused < tried/2 {
			t.Errorf("Open() refused %d of %d changes of %q, want most", refused, tried, record.Key)
		}
		put(t, store, record.Key, record.Value)
	}
}

func TestEndedContextMakesNoKeys(t *testing.T) {
	t.Parallel()
	store := newStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keyring.Open(ctx, store, newKEK(t), "vault"); !errors.Is(err, context.Canceled) {
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
		if _, err := keyring.Open(t.Context(), store, kek, "vault"); !errors.Is(err, failure) {
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
	ring, err := keyring.Open(t.Context(), store, kek, purpose)
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

// damage changes the two records of the only keyring of a store.
func damage(t testing.TB, store kv.Store, how func(tx kv.Tx, keyset, root kv.Pair) error) {
	t.Helper()
	pairs := dump(t, store)
	if len(pairs) != 2 {
		t.Fatalf("the store holds %d records, want keyset and root", len(pairs))
	}
	if err := store.Update(t.Context(), func(tx kv.Tx) error { return how(tx, pairs[0], pairs[1]) }); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherServicesStoreIsRefused(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	if _, err := keyring.Open(t.Context(), store, kek, "allowlist"); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Open(t.Context(), store, kek, "vault"); !errors.Is(err, keyring.ErrWrongStore) {
		t.Errorf("Open(store of another service) = %v, want ErrWrongStore", err)
	}
}
