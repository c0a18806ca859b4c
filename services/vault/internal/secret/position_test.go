package secret_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A hooked store calls a function before each view.
type hooked struct {
	kv.Store
	before func()
}

func (h *hooked) View(ctx context.Context, fn func(kv.Reader) error) error {
	if h.before != nil {
		h.before()
	}
	return h.Store.View(ctx, fn)
}

// A value that is cached with a position must reflect all changes before the position. Here, each
// change after the first two adds a version, so the position 2 requires version 1.
func wantFresh(t testing.TB, what string, got secret.Resolved) {
	t.Helper()
	if got.Position.Sequence > uint64(got.Version)+1 {
		t.Errorf("%s: version %d was read at position %d, which has a later version", what, got.Version, got.Position.Sequence)
	}
}

func TestAValueIsNeverOlderThanItsPosition(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.Close()
	store := &hooked{Store: f.kv}
	f.kv = store
	f.Store = f.open(t)
	uid := f.create(t, "key", "v").UID
	f.bind(t, "key", "bank", "op")

	store.before = func() {
		store.before = nil
		f.rotate(t, "key")
	}
	got, err := f.resolve(t.Context(), name("key"), uid, 0)
	if err != nil || got.Version != 2 || got.Position.Sequence != 2 {
		t.Errorf("a change between position and view: version %d at %d, %v, want the value after and the position before", got.Version, got.Position.Sequence, err)
	}

	broken := f.faulty(t)
	broken.FailCommits(errBroken)
	if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "v")}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	broken.FailCommits(nil)
	if got, err = f.resolve(t.Context(), name("key"), uid, 0); err != nil {
		t.Fatal(err)
	}
	wantFresh(t, "after a failed commit", got)
	broken.FailReplies(errBroken)
	if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: value(t, "v")}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	broken.FailReplies(nil)
	if got, err = f.resolve(t.Context(), name("key"), uid, 0); err != nil || got.Version != 3 {
		t.Fatalf("Resolve after an unconfirmed commit = version %d, %v", got.Version, err)
	}
	wantFresh(t, "after an unconfirmed commit", got)
	f.rotate(t, "key")
	if got, err = f.resolve(t.Context(), name("key"), uid, 0); err != nil || got.Position.Sequence != 5 {
		t.Errorf("after a confirmed commit the position is %d, %v, want 5", got.Position.Sequence, err)
	}
}

func TestPositionsStayBehindConcurrentChanges(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	uid := f.create(t, "key", "v").UID
	f.bind(t, "key", "bank", "op")
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for ended := false; !ended; {
				select {
				case <-done:
					ended = true
				default:
				}
				got, err := f.resolve(t.Context(), name("key"), uid, 0)
				if err != nil {
					t.Errorf("Resolve = %v", err)
					return
				}
				wantFresh(t, "concurrently", got)
			}
		})
	}
	var writers sync.WaitGroup
	for writer := range 4 {
		writers.Go(func() {
			for i := range 10 {
				v := value(t, fmt.Sprintf("value %d of %d", i, writer))
				if _, err := f.Update(t.Context(), secret.Call{}, name("key"), secret.Change{Value: v}); err != nil {
					t.Errorf("Update = %v", err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	group.Wait()
	got, err := f.resolve(t.Context(), name("key"), uid, 0)
	if err != nil || got.Version != 41 || got.Position.Sequence != 42 {
		t.Errorf("at the end: version %d at %d, %v, want version 41 at 42", got.Version, got.Position.Sequence, err)
	}
}
