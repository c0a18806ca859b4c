package kvtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
)

func endedContextIsNotRun(t *testing.T, s *subject) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.Update(ctx, func(tx kv.Tx) error {
		t.Error("the function of an update is run after its context ended")
		return putAll(tx, "a", "1")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Update = %v, want %v", err, context.Canceled)
	}
	if err := s.View(ctx, func(kv.Reader) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("View = %v, want %v", err, context.Canceled)
	}
	if got := contents(t, s); got != nil {
		t.Errorf("contents = %q, want nothing", got)
	}
}

// cancelIsClean cancels updates at any moment. Each must be applied exactly if it
// says so.
func cancelIsClean(t *testing.T, s *subject) {
	const updates = 200
	applied := make([]bool, updates)
	var wg sync.WaitGroup
	for i := range updates {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			err := s.Update(ctx, func(tx kv.Tx) error { return putAll(tx, fmt.Sprintf("%03d", i), "") })
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Update = %v, want none or %v", err, context.Canceled)
			}
			applied[i] = err == nil
		})
		wg.Go(cancel)
	}
	wg.Wait()
	var want []string
	for i, ok := range applied {
		if ok {
			want = append(want, fmt.Sprintf("%03d=", i))
		}
	}
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func closedStoreRefuses(t *testing.T, s *subject) {
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := s.View(t.Context(), func(kv.Reader) error { return nil }); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("View = %v, want %v", err, kv.ErrClosed)
		}
		if err := s.Update(t.Context(), func(kv.Tx) error { return nil }); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Update = %v, want %v", err, kv.ErrClosed)
		}
	}
}

// closeWaits closes the store during updates. The store has acknowledged updates, and
// does not have refused ones.
func closeWaits(t *testing.T, s *subject) {
	const updates = 100
	applied := make([]bool, updates)
	var wg sync.WaitGroup
	for i := range updates {
		wg.Go(func() {
			err := s.Update(t.Context(), func(tx kv.Tx) error { return putAll(tx, fmt.Sprintf("%03d", i), "") })
			if err != nil && !errors.Is(err, kv.ErrClosed) {
				t.Errorf("Update = %v, want none or %v", err, kv.ErrClosed)
			}
			applied[i] = err == nil
		})
		if i == updates/2 {
			wg.Go(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			})
		}
	}
	wg.Wait()
	s.Store = s.openIn(t, s.dir)
	var want []string
	for i, ok := range applied {
		if ok {
			want = append(want, fmt.Sprintf("%03d=", i))
		}
	}
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func reopenShowsCommits(t *testing.T, s *subject) {
	want := writeHistory(t, s)
	if err := s.Close(); err != nil {
		t.Fatalf("Close = %v", err)
	}
	s.Store = s.openIn(t, s.dir)
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	put(t, s, "later", "1")
}

// crashShowsCommits opens a copy of the files as they are while the store is open,
// which is what a process that is killed leaves behind.
func crashShowsCommits(t *testing.T, s *subject) {
	want := writeHistory(t, s)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	again := s.openIn(t, dir)
	if diff := cmp.Diff(want, contents(t, again)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
	put(t, again, "later", "1")
	if err := again.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// writeHistory writes, overwrites, deletes and appends, and returns the remaining pairs.
func writeHistory(t *testing.T, s *subject) []string {
	t.Helper()
	put(t, s, "a", "1", "b", "1", "c", "1")
	put(t, s, "b", "2")
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		return errors.Join(tx.Delete([]byte("c")), tx.Append(logName, []byte("record")))
	})
	if err != nil {
		t.Fatalf("Update = %v", err)
	}
	want := []string{"a=1", "b=2", journalKey(0) + "=record"}
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents before (-want +got):\n%s", diff)
	}
	return want
}
