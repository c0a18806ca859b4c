package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

func rotate(t testing.TB, ring *keyring.Keyring) {
	t.Helper()
	if err := ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// opens fails unless a keyring opens a sealed "value".
func opens(ring *keyring.Keyring, sealed keyring.Sealed) error {
	plain, err := ring.OpenValue(sealed, place)
	if err == nil && string(plain.Reveal()) != "value" {
		err = errors.New("another value")
	}
	return err
}

func TestRotationKeepsWhatEarlierKeysSealed(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	ring := openRing(t, store, kek, "vault")
	before, derived := sealValue(t, ring, []byte("value")), ring.Derive("x")
	rotate(t, ring)
	after := sealValue(t, ring, []byte("value"))
	for name, ring := range map[string]*keyring.Keyring{"the same": ring, "a reopened": openRing(t, store, kek, "vault")} {
		if err := errors.Join(opens(ring, before), opens(ring, after)); err != nil {
			t.Errorf("%s keyring: OpenValue() after a rotation = %v", name, err)
		}
		if ring.KeyID() == before.KeyID || ring.KeyID() != after.KeyID {
			t.Errorf("%s keyring: KeyID() = %s, want that of the new key %s", name, ring.KeyID(), after.KeyID)
		}
		if ring.Derive("x") != derived {
			t.Errorf("%s keyring: Derive() changed", name)
		}
		info := ring.Info()
		if len(info.Keys) != 2 || info.Keys[0].State != keyring.Primary || info.Keys[1].State != keyring.Enabled || info.Keys[1].ID != before.KeyID {
			t.Errorf("%s keyring: Keys = %+v, want the new one as primary, then the old one", name, info.Keys)
		}
		if len(info.Roots) != 2 || info.Roots[0].Generation != 2 || len(ring.LogSeeds()) != 2 {
			t.Errorf("%s keyring: Roots = %+v, want generations 2 and 1", name, info.Roots)
		}
	}
}

func TestRewrappedValueOutlivesItsKey(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	ring := openRing(t, store, kek, "vault")
	old := sealValue(t, ring, []byte("value"))
	rotate(t, ring)
	rewrapped, changed, err := ring.Rewrap(old, place)
	if err != nil || !changed || !bytes.Equal(rewrapped.Ciphertext, old.Ciphertext) || rewrapped.KeyID != ring.KeyID() {
		t.Fatalf("Rewrap() = %+v, %t, %v, want the same ciphertext with a wrap of the new key", rewrapped, changed, err)
	}
	if _, changed, err := ring.Rewrap(rewrapped, place); changed || err != nil {
		t.Errorf("Rewrap(again) = %t, %v, want no change", changed, err)
	}
	elsewhere := place
	elsewhere.Version = 2
	if _, _, err := ring.Rewrap(old, elsewhere); err == nil {
		t.Error("Rewrap(for another version) succeeds, want an error")
	}
	if changed, err := ring.Destroy(t.Context(), old.KeyID, nil); err != nil || !changed {
		t.Fatalf("Destroy() = %t, %v", changed, err)
	}
	for name, ring := range map[string]*keyring.Keyring{"the same": ring, "a reopened": openRing(t, store, kek, "vault")} {
		if err := opens(ring, rewrapped); err != nil {
			t.Errorf("%s keyring: OpenValue(rewrapped) = %v", name, err)
		}
		if err := opens(ring, old); err == nil || errors.Is(err, keyring.ErrKeyDisabled) {
			t.Errorf("%s keyring: OpenValue(with the wrap of the destroyed key) = %v, want an error as for a changed value", name, err)
		}
		if got := ring.Info().Keys[1]; got.State != keyring.Destroyed || got.Destroyed.IsZero() {
			t.Errorf("%s keyring: the old key is %+v, want destroyed", name, got)
		}
	}
}

func TestDisabledKeyOpensNothingUntilItIsEnabled(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	old := sealValue(t, ring, []byte("value"))
	rotate(t, ring)
	for _, step := range []struct {
		name    string
		do      func(context.Context, string, keyring.Also) (bool, error)
		changed bool
		opens   error
	}{
		{"Enable", ring.Enable, false, nil},
		{"Disable", ring.Disable, true, keyring.ErrKeyDisabled},
		{"Disable again", ring.Disable, false, keyring.ErrKeyDisabled},
		{"Enable after that", ring.Enable, true, nil},
	} {
		called := false
		changed, err := step.do(t.Context(), old.KeyID, func(kv.Tx) error { called = true; return nil })
		if err != nil || changed != step.changed || called != step.changed {
			t.Errorf("%s = %t, %v, with the transaction %t; want a change: %t", step.name, changed, err, called, step.changed)
		}
		if err := opens(ring, old); !errors.Is(err, step.opens) {
			t.Errorf("after %s: OpenValue() = %v, want %v", step.name, err, step.opens)
		}
	}
}

func TestKeysThatCannotChange(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	old := ring.KeyID()
	rotate(t, ring)
	if _, err := ring.Destroy(t.Context(), old, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		do     func(context.Context, string, keyring.Also) (bool, error)
		id     string
		reason fault.Reason
	}{
		{"Destroy the primary key", ring.Destroy, ring.KeyID(), keyring.ReasonInUse},
		{"Disable the primary key", ring.Disable, ring.KeyID(), keyring.ReasonInUse},
		{"Enable a destroyed key", ring.Enable, old, keyring.ReasonDestroyed},
		{"Disable a destroyed key", ring.Disable, old, keyring.ReasonDestroyed},
		{"Destroy an unknown key", ring.Destroy, "00000000", keyring.ReasonNotFound},
		{"Enable an unknown key", ring.Enable, "ffffffff", keyring.ReasonNotFound},
	} {
		if changed, err := tt.do(t.Context(), tt.id, nil); changed || !fault.Is(err, tt.reason) {
			t.Errorf("%s = %t, %v, want %s", tt.name, changed, err, tt.reason)
		}
	}
	if changed, err := ring.Destroy(t.Context(), old, nil); changed || err != nil {
		t.Errorf("Destroy(a destroyed key) = %t, %v, want no change", changed, err)
	}
}

func TestKeyringHasLimits(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	var err error
	rotations := 0
	for ; err == nil && rotations < 100; rotations++ {
		err = ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil })
	}
	if !fault.Is(err, keyring.ReasonFull) || rotations != 8 {
		t.Fatalf("rotation %d with all roots = %v, want KEYRING_FULL at the 8th", rotations, err)
	}
	for ; rotations < 100; rotations++ {
		if changed, err := ring.Retire(t.Context(), nil); err != nil || !changed && rotations == 8 {
			t.Fatalf("Retire() = %t, %v", changed, err)
		}
		if err = ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil }); err != nil {
			break
		}
	}
	if got := len(ring.Info().Keys); !fault.Is(err, keyring.ReasonFull) || got != 50 {
		t.Errorf("the keyring takes %d keys, then %v; want 50, then KEYRING_FULL", got, err)
	}
}

// Generations are one byte, which keyrings of many years use again.
func TestGenerationsAreUsedAgain(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	ring := openRing(t, store, kek, "vault")
	for range 300 {
		old := ring.KeyID()
		rotate(t, ring)
		_, err := ring.Destroy(t.Context(), old, nil)
		if _, err2 := ring.Retire(t.Context(), nil); errors.Join(err, err2) != nil {
			t.Fatal(err, err2)
		}
	}
	info := openRing(t, store, kek, "vault").Info()
	if got := info.Roots[0].Generation; len(info.Roots) != 1 || got != 301%255 {
		t.Errorf("after 300 rotations, the root has the generation %d, want %d", got, 301%255)
	}
	if len(info.Keys) != 101 {
		t.Errorf("after 300 rotations, %d keys are listed, want the primary one and the last 100 destroyed ones", len(info.Keys))
	}
}

// A change that is not stored has no effect, and a caller's part of it neither.
func TestChangeThatFailsHasNoEffect(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	store := kvtest.Faulty(kvtest.Rerun(newStore(t)))
	kek := newKEK(t)
	ring := openRing(t, store, kek, "vault")
	old, seeds := ring.KeyID(), ring.LogSeeds()
	row := []byte("row")
	write := func(tx kv.Tx, _ [keyring.RootSize]byte) error { return tx.Put(row, nil) }
	for name, fail := range map[string]func() error{
		"the commit fails": func() error {
			store.FailCommits(failure)
			defer store.FailCommits(nil)
			return ring.Rotate(t.Context(), write)
		},
		"the caller's part fails": func() error {
			return ring.Rotate(t.Context(), func(tx kv.Tx, next [keyring.RootSize]byte) error {
				return errors.Join(write(tx, next), failure)
			})
		},
	} {
		if err := fail(); !errors.Is(err, failure) {
			t.Errorf("%s: Rotate() = %v, want the failure", name, err)
		}
		if ring.KeyID() != old || len(ring.LogSeeds()) != len(seeds) {
			t.Errorf("%s: the keyring changed", name)
		}
		if got := dump(t, store); len(got) != 1 {
			t.Errorf("%s: the store has %d rows, want that of the keyring", name, len(got))
		}
	}
}

// A commit whose outcome is unknown may have been stored. Another change then must not overwrite it.
func TestChangeAfterAnUnknownOutcomeIsRefused(t *testing.T) {
	t.Parallel()
	failure := errors.New("failure")
	store := kvtest.Faulty(newStore(t))
	kek := newKEK(t)
	ring := openRing(t, store, kek, "vault")
	store.FailReplies(failure)
	err := ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil })
	store.FailReplies(nil)
	if !errors.Is(err, failure) {
		t.Fatalf("Rotate() = %v, want the failure", err)
	}
	if err := ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil }); !fault.Is(err, fault.Contention) {
		t.Errorf("Rotate() after an unknown outcome = %v, want CONTENTION", err)
	}
	if got := len(openRing(t, store, kek, "vault").Info().Keys); got != 2 {
		t.Errorf("the reopened keyring has %d keys, want both", got)
	}
}

// keks are providers by URI.
type keks map[string]tink.AEAD

func (k keks) providers(uris ...string) keyring.Providers {
	return keyring.Providers{URI: uris[0], Further: uris[1:], Open: func(ctx context.Context, uri string) (tink.AEADWithContext, error) {
		if k[uri] == nil {
			return nil, keyring.ErrUnavailable
		}
		return keyring.Local(uri, k[uri]).Open(ctx, uri)
	}}
}

func TestProviderIsReplaced(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	keys := keks{"a:": newKEK(t), "b:": newKEK(t)}
	reopen := func(providers keyring.Providers) (*keyring.Keyring, error) {
		store, err := boltkv.Open(path, boltkv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		ring, err := keyring.Open(t.Context(), store, providers, "vault")
		if err != nil {
			store.Close()
		}
		return ring, err
	}
	closeStore := func(ring *keyring.Keyring) { keyring.StoreOf(ring).Close() }

	ring, err := reopen(keys.providers("a:", "b:"))
	if err != nil {
		t.Fatal(err)
	}
	sealed := sealValue(t, ring, []byte("value"))
	if err := ring.Wrap(t.Context(), "c:", nil); !fault.Is(err, fault.InvalidField) {
		t.Errorf("Wrap(a provider that is not configured) = %v, want INVALID_FIELD", err)
	}
	if err := ring.Wrap(t.Context(), "b:", nil); err != nil || ring.Info().Provider != "b:" {
		t.Fatalf("Wrap() = %v, then the provider is %s, want b:", err, ring.Info().Provider)
	}
	closeStore(ring)

	if _, err := reopen(keks{"a:": keys["a:"]}.providers("a:")); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("Open() with the replaced provider = %v, want ErrWrongKey", err)
	}
	if _, err := reopen(keks{"a:": keys["a:"]}.providers("a:", "b:")); !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("Open() without the new provider = %v, want ErrUnavailable", err)
	}
	// The configuration decides: it still names the first provider, which wraps the keyring again.
	ring, err = reopen(keys.providers("a:", "b:"))
	if err != nil || ring.Info().Provider != "a:" || opens(ring, sealed) != nil {
		t.Fatalf("Open() with both providers = %v, %v, want the configured one, and the value", ring, err)
	}
	closeStore(ring)
	// The URI is only a hint: the key file moved.
	ring, err = reopen(keks{"moved:": keys["a:"]}.providers("moved:"))
	if err != nil || ring.Info().Provider != "moved:" || opens(ring, sealed) != nil {
		t.Errorf("Open() with the same key elsewhere = %v, %v, want the value", ring, err)
	}
}

func TestProviderOutOfReachChangesNothing(t *testing.T) {
	t.Parallel()
	store, keys := newStore(t), keks{"a:": newKEK(t)}
	ring, err := keyring.Open(t.Context(), store, keys.providers("a:"), "vault")
	if err != nil {
		t.Fatal(err)
	}
	sealed, before := sealValue(t, ring, []byte("value")), dump(t, store)
	kek := keys["a:"]
	delete(keys, "a:")
	err = ring.Rotate(t.Context(), func(kv.Tx, [keyring.RootSize]byte) error { return nil })
	if !errors.Is(err, keyring.ErrProvider) || !errors.Is(err, keyring.ErrUnavailable) {
		t.Errorf("Rotate() without the provider = %v, want ErrProvider and ErrUnavailable", err)
	}
	if !bytes.Equal(dump(t, store)[0].Value, before[0].Value) || opens(ring, sealed) != nil {
		t.Error("the keyring changed, or does not open values without the provider")
	}
	keys["a:"] = kek
	rotate(t, ring)
}

func TestKeyringOfAnEarlierReleaseIsConverted(t *testing.T) {
	t.Parallel()
	store, kek := newStore(t), newKEK(t)
	pairs, sealed, seed, err := keyring.EarlierRows(kek, "vault", "text", "context")
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		put(t, store, pair.Key, pair.Value)
	}
	if _, err := keyring.Open(t.Context(), store, keyring.Local("file:key", newKEK(t)), "vault"); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("Open(another key) = %v, want ErrWrongKey", err)
	}
	if got := dump(t, store); len(got) != 2 {
		t.Fatalf("Open(another key) left %d rows, want both", len(got))
	}
	for range 2 {
		ring := openRing(t, store, kek, "vault")
		text, err := ring.Open(sealed, []byte("context"))
		if err != nil || string(text) != "text" {
			t.Errorf("Open() of an earlier text = %q, %v", text, err)
		}
		if ring.LogSeeds()[0] != seed || ring.Derive("change log") != seed {
			t.Error("the key of the change log is another one than before")
		}
		if got := dump(t, store); len(got) != 1 {
			t.Errorf("the store has %d rows, want only the record", len(got))
		}
	}
	rotate(t, openRing(t, store, kek, "vault"))
}
