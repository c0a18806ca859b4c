package derive

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
)

func slowDeriver(iterations int) *Deriver {
	return New(keys.Derivation{Function: keys.PBKDF2, Hash: crypto.SHA256, Iterations: iterations})
}

// isCached reports whether a derived key is cached.
func isCached(t *testing.T, d *Deriver, secret, salt string, n int) bool {
	t.Helper()
	of, err := d.hash([]byte(secret), []byte(salt), n)
	if err != nil {
		t.Fatal(err)
	}
	_, ok := d.derived.Find(&of)
	return ok
}

func TestDerivedKeysAreCachedBySecretAndSalt(t *testing.T) {
	t.Parallel()
	d := slowDeriver(1000)
	derive := func(secret, salt string, n int) []byte {
		m := new(message.Message)
		key, err := d.Key(m, []byte(secret), []byte(salt), n)
		if err != nil {
			t.Fatal(err)
		}
		return append(key, byte(m.Work/1000))
	}
	first := derive("secret", "salt", 32)
	tests := []struct {
		name, secret, salt string
		n                  int
		cached             bool
	}{
		{"the same", "secret", "salt", 32, true},
		{"another secret", "Secret", "salt", 32, false},
		{"another salt", "secret", "Salt", 32, false},
		{"another length", "secret", "salt", 16, false},
		{"the boundary moved", "secrets", "alt", 32, false},
	}
	for _, tt := range tests {
		got := derive(tt.secret, tt.salt, tt.n)
		if work := got[tt.n]; (work == 0) != tt.cached || bytes.Equal(got[:tt.n], first[:tt.n]) != (tt.cached || tt.n == 16) {
			t.Errorf("%s: derived %x with %d work", tt.name, got[:tt.n], work)
		}
	}
	clear(first)
	if got := derive("secret", "salt", 32); bytes.Equal(got[:32], make([]byte, 32)) {
		t.Error("what a caller zeroes is zeroed in the cache")
	}
}

func TestKeysOfSentSaltsAreNotCached(t *testing.T) {
	t.Parallel()
	d := slowDeriver(1000)
	d.Sent = 8
	for range 2 {
		m := new(message.Message)
		if _, err := d.Key(m, []byte("secret"), []byte("salt"), 32); err != nil || m.Work == 0 {
			t.Errorf("derive with a salt that is sent = %v with %d work", err, m.Work)
		}
	}
	if isCached(t, d, "secret", "salt", 32) {
		t.Error("a key with a sent salt is cached")
	}
}

func TestTheWorkOfAMessageIsBounded(t *testing.T) {
	t.Parallel()
	d := slowDeriver(message.WorkLimit/4 + 2)
	d.Sent = 8
	m := &message.Message{Work: message.WorkLimit - d.work + 2}
	if _, err := d.Key(m, nil, nil, 16); !errors.Is(err, message.ErrTooMuchWork) {
		t.Errorf("derive over the limit: %v", err)
	}
}

func TestDerivingFromManyGoroutines(t *testing.T) {
	t.Parallel()
	d := slowDeriver(2)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				secret := fmt.Append(nil, (i*j)%11)
				got, err := d.Key(new(message.Message), secret, nil, 32)
				want, _ := d.Derive(secret, nil, 32)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("derive(%s) = %x, %v, want %x", secret, got, err, want)
				}
			}
		})
	}
	all.Wait()
}

func TestWorkGrowsWithWhatIsDerived(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		hash crypto.Hash
		n    int
		want int
	}{{crypto.SHA1, 20, 1}, {crypto.SHA1, 48, 3}, {crypto.SHA256, 32, 1}, {crypto.SHA256, 33, 2}, {crypto.SHA512, 64, 2}} {
		m := new(message.Message)
		d := New(keys.Derivation{Function: keys.PBKDF2, Hash: tt.hash, Iterations: 1000})
		if _, err := d.Key(m, []byte("secret"), []byte("salt"), tt.n); err != nil || m.Work != 1000*tt.want {
			t.Errorf("%v for %d bytes: %d work, %v, want %d", tt.hash, tt.n, m.Work, err, 1000*tt.want)
		}
	}
}

// The contract documents how many values of each kind one message may have.
func TestAMessageMayMakeTheWorkThatTheContractSays(t *testing.T) {
	t.Parallel()
	if message.WorkLimit != 10_000_000 || message.WorkLimit/message.PublicKeyWork != 10_000 || message.WorkLimit/message.PrivateKeyWork != 1_000 || message.WorkLimit/message.PgpWork != 100 {
		t.Errorf("a message may make %d iterations, %d public keys, %d private ones, %d OpenPGP", message.WorkLimit, message.WorkLimit/message.PublicKeyWork, message.WorkLimit/message.PrivateKeyWork, message.WorkLimit/message.PgpWork)
	}
	m := new(message.Message)
	if err := m.Spend(message.WorkLimit); err != nil || !errors.Is(m.Spend(1), message.ErrTooMuchWork) {
		t.Errorf("spend of all: %v, and one more is not too much", err)
	}
}
