package auth_test

import (
	"testing"
	"time"
	"unsafe"

	"github.com/keyward/keyward/pkg/fault"
)

// jump sets the wall clock forward, or back, by whole seconds. The monotonic clock
// does not notice, as when an operator sets the time or the machine slept.
func (c *clock) jump(t *testing.T, d time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.now
	// Package time has no other way to make such a time: the first word of one is a
	// flag, 33 bits of seconds and 30 bits of nanoseconds.
	*(*uint64)(unsafe.Pointer(&c.now)) += uint64(d/time.Second) << 30
	if wall, monotonic := c.now.Round(0).Sub(before.Round(0)), c.now.Sub(before); wall != d || monotonic != 0 {
		t.Fatalf("the clocks jumped by %v and %v, want %v and 0", wall, monotonic, d)
	}
}

func TestRememberedTokenEndsWhenTheClockJumpsBeyondItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	if _, err := w.authn.Authenticate(ctx); err != nil {
		t.Fatal(err)
	}
	w.clock.jump(t, 2*time.Hour)
	if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
		t.Errorf("Authenticate = %v for a token that expired while the machine slept", err)
	}
	fresh := bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))
	if _, err := w.authn.Authenticate(fresh); err != nil {
		t.Errorf("Authenticate = %v for a token of the new time", err)
	}
}

func TestClockThatIsSetBackRefusesTheFutureUntilItIsSetRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := "Bearer " + w.token(t, "olivia", nil)
	ctx := bearing(t.Context(), "authorization", token)
	w.clock.jump(t, -2*time.Hour)
	if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
		t.Errorf("Authenticate = %v for a token of the future", err)
	}
	w.clock.jump(t, 2*time.Hour)
	if _, err := w.authn.Authenticate(ctx); err != nil {
		t.Errorf("Authenticate = %v when the clock is right again", err)
	}
}
