package cache

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/sensitive"
)

// TestARestartOfTheVaultKeepsTheCache also covers the runs after which it must not.
func TestARestartOfTheVaultKeepsTheCache(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		covers func(run string, changes uint64) bool
		asks   int
	}{
		"its log was verified up to the position":     {func(run string, changes uint64) bool { return run == "1" && changes == 3 }, 1},
		"its log was not verified up to the position": {func(string, uint64) bool { return false }, 2},
		"logs are not verified":                       {nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t, Config{MaxStale: time.Minute, Covers: tt.covers})
			k.vault.run = "1"
			k.vault.rotate("other")
			k.vault.rotate("key")
			k.vault.rotate("changed")
			k.run(t)
			k.wants(t, "before", ref("key"), 1)
			k.vault.rerun("2", func() {
				k.vault.versions["changed"]++
				k.vault.log = append(k.vault.log, "changed")
			})
			k.caughtUp(t)
			k.wants(t, "after the restart", ref("key"), 1)
			k.wantAsks(t, "in total", tt.asks)
			k.wants(t, "a secret that was changed meanwhile", ref("changed"), 2)
		})
	}
}

// TestAVaultThatIsNotAdmittedKeepsNothingFresh replaces the data of the vault by a longer history with
// the same epoch.
func TestAVaultThatIsNotAdmittedKeepsNothingFresh(t *testing.T) {
	t.Parallel()
	refused := errors.New("rolled back")
	var tried atomic.Int32
	k := newKit(t, Config{
		MaxStale: time.Minute, Covers: func(string, uint64) bool { return true },
		Admit: func(_ context.Context, run string) error {
			if run != "2" {
				return nil
			}
			tried.Add(1)
			return refused
		},
	})
	k.vault.run = "1"
	k.vault.rotate("key")
	k.run(t)
	k.wants(t, "before", ref("key"), 1)
	k.vault.rerun("2", func() { k.vault.log = []string{"key", "forged", "forged"} })
	await(t, "a second stream to be refused", func() bool { return tried.Load() > 1 })
	k.memory.mu.Lock()
	heard := k.memory.heard
	k.memory.mu.Unlock()
	if heard.run != "1" {
		t.Errorf("the cache follows %v", heard)
	}
	k.clock.advance(2 * time.Minute)
	if got, err := k.resolve(t.Context(), ref("key")); !errors.Is(err, refused) {
		t.Errorf("Resolve = version %d, %v, want the refusal", got.Version, err)
	}
	k.vault.rerun("3", func() { k.vault.log = []string{"key"} }) // the newest file is back
	k.caughtUp(t)
	k.wants(t, "with the newest file", ref("key"), 1)
}

// TestAnAnswerThatTheNextRunMayLackIsDropped caches answers that were read after the position of the
// watch: the run that follows may have lost these changes.
func TestAnAnswerThatTheNextRunMayLackIsDropped(t *testing.T) {
	t.Parallel()
	c, _ := still(t)
	fly := func(secret string, at position) {
		f := &flight{done: make(chan struct{})}
		c.flights[ref(secret)] = f
		c.fly(t.Context(), ref(secret), f, func(context.Context, Ref) (answer, error) {
			return answer{Value: Value{Plain: sensitive.New([]byte("value")), Version: 1}, at: at}, nil
		})
	}
	fly("known", position{epoch: "epoch", sequence: 10})
	fly("later", position{epoch: "epoch", sequence: 11})
	if err := c.begin(true, position{epoch: "epoch", run: "next", sequence: 10}); err != nil {
		t.Fatal(err)
	}
	fly("late", position{epoch: "epoch", sequence: 10}) // of the run before
	fly("next", position{epoch: "epoch", run: "next", sequence: 10})
	for secret, want := range map[string]bool{"known": true, "later": false, "late": false, "next": true} {
		if _, cached := c.get(ref(secret)); cached != want {
			t.Errorf("%s is cached: %t, want %t", secret, cached, want)
		}
	}
}

func TestDropDropsEverything(t *testing.T) {
	t.Parallel()
	k := newKit(t, Config{MaxStale: time.Minute})
	k.vault.rotate("key")
	k.run(t)
	k.wants(t, "before", ref("key"), 1)
	k.Drop()
	k.caughtUp(t)
	k.wants(t, "after", ref("key"), 1)
	k.wantAsks(t, "in total", 2)
	newKit(t, Config{}).Drop() // caches nothing
}
