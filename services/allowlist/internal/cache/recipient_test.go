package cache

import (
	"errors"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/transit"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// sealFor makes the vault encrypt its answers to the recipient of the request.
func (k *kit) sealFor(t testing.TB, change func(*vaultv1.ResolveSecretResponse)) {
	t.Helper()
	sealer, err := transit.NewSealer(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	k.vault.set(func() {
		k.vault.sealing = func(req *vaultv1.ResolveSecretRequest, res *vaultv1.ResolveSecretResponse) {
			to, err := sealer.For(req.GetRecipient())
			if err != nil {
				t.Errorf("For(the recipient of the cache) = %v", err)
				return
			}
			sealed := to.Seal(res.GetValue(), transit.Place{Name: req.GetName(), UID: req.GetUid(), Version: res.GetVersion()})
			res.Value, res.SealedValue = nil, &vaultv1.SealedForRecipient{
				EncapsulatedKey: sealed.EncapsulatedKey, Ciphertext: sealed.Ciphertext,
			}
			if change != nil {
				change(res)
			}
		}
	})
}

func TestAnswersAreEncryptedForTheCache(t *testing.T) {
	t.Parallel()
	for _, maxStale := range []time.Duration{0, time.Minute} {
		k := newKit(t, Config{MaxStale: maxStale})
		k.vault.rotate("key")
		k.sealFor(t, nil)
		k.wants(t, "encrypted", ref("key"), 1)
		k.clock.advance(time.Hour) // another key pair
		k.wants(t, "encrypted for another key pair", ref("key"), 1)
		k.vault.set(func() { k.vault.sealing = nil })
		k.wants(t, "from a vault of an earlier release", ref("key"), 1)
	}
}

func TestAnAnswerThatWasMovedIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{})
	k.vault.rotate("key")
	for name, change := range map[string]func(*vaultv1.ResolveSecretResponse){
		"of another version": func(res *vaultv1.ResolveSecretResponse) { res.Version++ },
		"that was changed":   func(res *vaultv1.ResolveSecretResponse) { res.SealedValue.Ciphertext[20] ^= 1 },
		"that is empty":      func(res *vaultv1.ResolveSecretResponse) { res.SealedValue.Ciphertext = nil },
		"with a key cut": func(res *vaultv1.ResolveSecretResponse) {
			res.SealedValue.EncapsulatedKey = res.GetSealedValue().GetEncapsulatedKey()[:31]
		},
		"with a low-order key": func(res *vaultv1.ResolveSecretResponse) { res.SealedValue.EncapsulatedKey = make([]byte, 32) },
	} {
		k.sealFor(t, change)
		if _, err := k.resolve(t.Context(), ref("key")); !errors.Is(err, transit.ErrOpen) {
			t.Errorf("Resolve of an answer %s = %v, want ErrOpen", name, err)
		}
	}
}

func TestUnusedValuesAreDropped(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("used")
	k.vault.rotate("unused")
	k.run(t)
	k.wants(t, "at first", ref("used"), 1)
	k.wants(t, "at first", ref("unused"), 1)
	k.memory.mu.Lock()
	dropped := k.memory.kept.Values()
	k.memory.mu.Unlock()
	for range 3 {
		k.clock.advance(30 * time.Second)
		k.caughtUp(t) // another heartbeat
		k.wants(t, "used continuously", ref("used"), 1)
	}
	await(t, "the unused value to be dropped", func() bool {
		k.memory.mu.Lock()
		defer k.memory.mu.Unlock()
		return k.memory.kept.Len() == 1
	})
	k.wantAsks(t, "the used value is cached", 2)
	zeroed := 0
	k.memory.mu.Lock()
	defer k.memory.mu.Unlock()
	for _, e := range dropped {
		if string(e.Plain.Reveal()) == string(make([]byte, e.Plain.Len())) {
			zeroed++
		}
	}
	if zeroed != 3 { // both of the unused one, and the version of the used one
		t.Errorf("%d values were overwritten, want 3", zeroed)
	}
}
