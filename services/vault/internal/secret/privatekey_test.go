package secret

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/services/vault/internal/publickey"
)

// newDrawer returns a store that can only generate values, with a limit of concurrent private
// keys.
func newDrawer(places int) *Store {
	return &Store{random: rand.Reader, drawing: make(chan struct{}, places)}
}

func TestGeneratedPrivateKeyIsOfItsKind(t *testing.T) {
	t.Parallel()
	s := newDrawer(1)
	for kind, want := range map[Kind]string{
		RSA2048: "RSA-2048", RSA3072: "RSA-3072", RSA4096: "RSA-4096",
		ECP256: "EC-P256", ECP384: "EC-P384", Ed25519: "Ed25519", X25519: "X25519",
	} {
		value, err := NewRandom(kind)
		if err != nil {
			t.Fatalf("NewRandom(%d) = %v", kind, err)
		}
		drawn, err := s.draw(t.Context(), value, Key, noUse)
		if err != nil {
			t.Fatalf("draw of %s = %v", want, err)
		}
		if got, err := publickey.Parse(drawn.public); err != nil || got.Algorithm != want {
			t.Errorf("the key is of kind %q, %v, want %s", got.Algorithm, err, want)
		}
		if n := drawn.plain.Len(); n > MaxValue {
			t.Errorf("%s has %d bytes, more than a value may", want, n)
		}
	}
}

func TestOnlyKeysKeepThePublicPartAndFacts(t *testing.T) {
	t.Parallel()
	m := material{public: []byte("SPKI"), facts: &Facts{Private: true}}
	for usage, want := range map[Usage]Stored{
		Key: {Public: m.public, Facts: m.facts}, Parameter: {}, Credential: {},
	} {
		if diff := cmp.Diff(want, m.sealed(keyring.Sealed{}, usage)); diff != "" {
			t.Errorf("the stored form of a %s differs (-want +got):\n%s", usage, diff)
		}
	}
}

// TestGeneratingPrivateKeysIsLimited occupies the only place: a private key waits until the
// context ends, and a random value does not wait.
func TestGeneratingPrivateKeysIsLimited(t *testing.T) {
	t.Parallel()
	s := newDrawer(1)
	s.drawing <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.draw(ctx, Value{kind: Ed25519}, Key, noUse); !errors.Is(err, context.Canceled) {
		t.Errorf("draw without a free place = %v, want %v", err, context.Canceled)
	}
	if _, err := s.draw(ctx, Value{kind: AES256}, Key, noUse); err != nil {
		t.Errorf("draw of a random value = %v", err)
	}
	<-s.drawing
	if _, err := s.draw(t.Context(), Value{kind: Ed25519}, Key, noUse); err != nil || len(s.drawing) != 0 {
		t.Errorf("draw with a free place = %v, and keeps %d places", err, len(s.drawing))
	}
}

func noUse(*material) error { return nil }
