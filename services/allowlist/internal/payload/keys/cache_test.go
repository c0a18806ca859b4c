package keys_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

func TestAnObjectIsMadeOnceAndForgottenWhenUnused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cache keys.Cache[string]
		built := 0
		get := func(key string, want int) {
			t.Helper()
			object, err := cache.Get([]byte(key), time.Minute, func() (string, error) {
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
		get("one", 13) // others have replaced it
	})
}

func TestAnObjectThatCannotBeMadeIsNotKept(t *testing.T) {
	t.Parallel()
	var cache keys.Cache[string]
	failure := errors.New("no key")
	if _, err := cache.Get([]byte("key"), time.Minute, func() (string, error) { return "", failure }); !errors.Is(err, failure) {
		t.Errorf("Get() = %v, want the failure", err)
	}
	if got, err := cache.Get([]byte("key"), time.Minute, func() (string, error) { return "object", nil }); err != nil || got != "object" {
		t.Errorf("Get() after a failure = %q, %v", got, err)
	}
}

func TestDroppedObjectsAreErasedAndCallersGetCopies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var kept [][]byte
		cache := keys.Cache[[]byte]{
			Copy: func(b []byte) []byte {
				kept = append(kept, bytes.Clone(b))
				return kept[len(kept)-1]
			},
			Erase: func(b []byte) { clear(b) },
		}
		of := [32]byte{1}
		cache.Keep(&of, []byte("key"), time.Minute)
		inside := kept[0]
		got, ok := cache.Find(&of)
		if !ok || string(got) != "key" {
			t.Fatalf("Find = %q, %v", got, ok)
		}
		clear(got)
		if again, _ := cache.Find(&of); string(again) != "key" {
			t.Errorf("zeroing a caller's copy zeroed the cache: %q", again)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, ok := cache.Find(&of); ok || !bytes.Equal(inside, make([]byte, 3)) {
			t.Errorf("an unused key is cached, or was not erased: %q", inside)
		}
		for i := range 9 {
			cache.Keep(&[32]byte{byte(i)}, []byte("new"), time.Minute)
		}
		if oldest := kept[len(kept)-9]; !bytes.Equal(oldest, make([]byte, 3)) {
			t.Errorf("a key that was replaced was not erased: %q", oldest)
		}
	})
}
