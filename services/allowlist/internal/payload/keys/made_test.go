package keys_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func TestAnObjectIsMadeOnceAndForgottenWhenUnused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var made keys.Made[string]
		built := 0
		get := func(key string, want int) {
			t.Helper()
			object, err := made.Get([]byte(key), time.Minute, func() (string, error) {
				built++
				return "of " + key, nil
			})
			if err != nil || object != "of "+key || built != want {
				t.Errorf("Get(%q) = %q, %v after %d were built, want %d", key, object, err, built, want)
			}
		}
		get("one", 1)
		get("two", 2)
		for range 5 {
			time.Sleep(40 * time.Second)
			get("one", 2)
		}
		get("two", 3)
		time.Sleep(2 * time.Minute)
		get("one", 4)
		for i := range 8 {
			get(string(rune('a'+i)), 5+i)
		}
		get("one", 13) // others have taken its place
	})
}

func TestAnObjectThatCannotBeMadeIsNotKept(t *testing.T) {
	t.Parallel()
	var made keys.Made[string]
	failure := errors.New("no key")
	if _, err := made.Get([]byte("key"), time.Minute, func() (string, error) { return "", failure }); !errors.Is(err, failure) {
		t.Errorf("Get() = %v, want the failure", err)
	}
	if got, err := made.Get([]byte("key"), time.Minute, func() (string, error) { return "object", nil }); err != nil || got != "object" {
		t.Errorf("Get() after a failure = %q, %v", got, err)
	}
}
