package kvtest

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/kv"
)

func failedUpdateLeavesNoTrace(t *testing.T, s *subject) {
	put(t, s, "kept", "1")
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		if err := errors.Join(putAll(tx, "kept", "2", "new", "2"), tx.Delete([]byte("kept"))); err != nil {
			return err
		}
		return errTest
	})
	if err != errTest { //nolint:errorlint // the very error that the function returned
		t.Errorf("Update = %v, want the function's error", err)
	}
	if diff := cmp.Diff([]string{"kept=1"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func panicReachesCaller(t *testing.T, s *subject) {
	defer func() {
		if p := recover(); raised(p) != errTest { //nolint:errorlint // the very value that was raised
			t.Errorf("Update panics with %v, want %v", p, errTest)
		}
		put(t, s, "later", "1")
		if diff := cmp.Diff([]string{"later=1"}, contents(t, s)); diff != "" {
			t.Errorf("contents (-want +got):\n%s", diff)
		}
	}()
	err := s.Update(t.Context(), func(tx kv.Tx) error {
		if err := putAll(tx, "lost", "1"); err != nil {
			return err
		}
		panic(errTest)
	})
	t.Errorf("Update = %v, want a panic", err)
}

// raised returns what a function panicked with, in whatever goroutine it ran.
func raised(p any) any {
	if elsewhere, ok := p.(*kv.PanicError); ok {
		return elsewhere.Value
	}
	return p
}

// exitLeavesNoTrace is about a FailNow inside a function.
func exitLeavesNoTrace(t *testing.T, s *subject) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := s.Update(t.Context(), func(tx kv.Tx) error {
			defer runtime.Goexit()
			return putAll(tx, "lost", "1")
		})
		t.Errorf("Update = %v, want the end of the goroutine", err)
	}()
	<-done
	put(t, s, "later", "1")
	if diff := cmp.Diff([]string{"later=1"}, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func failuresAreIsolated(t *testing.T, s *subject) {
	const rounds = 60
	outcomes := []func(tx kv.Tx) error{
		func(kv.Tx) error { return nil },
		func(kv.Tx) error { return errTest },
		func(kv.Tx) error { panic("a panic of the test") },
		func(tx kv.Tx) error { return putAll(tx, string(bytes.Repeat([]byte("k"), kv.MaxKey+1)), "") },
	}
	var wg sync.WaitGroup
	for i := range rounds {
		wg.Go(func() {
			defer func() {
				if p := recover(); (p != nil) != (i%len(outcomes) == 2) {
					t.Errorf("update %d: panic %v", i, p)
				}
			}()
			err := s.Update(t.Context(), func(tx kv.Tx) error {
				if err := putAll(tx, fmt.Sprintf("%03d", i), ""); err != nil {
					return err
				}
				return outcomes[i%len(outcomes)](tx)
			})
			if (err == nil) != (i%len(outcomes) == 0) {
				t.Errorf("Update %d = %v", i, err)
			}
		})
	}
	wg.Wait()
	var want []string
	for i := 0; i < rounds; i += len(outcomes) {
		want = append(want, fmt.Sprintf("%03d=", i))
	}
	if diff := cmp.Diff(want, contents(t, s)); diff != "" {
		t.Errorf("contents (-want +got):\n%s", diff)
	}
}

func limitsAreInclusive(t *testing.T, s *subject) {
	longest := bytes.Repeat([]byte("k"), kv.MaxKey)
	for name, fn := range map[string]func(kv.Tx) error{
		"as many operations": func(tx kv.Tx) error { return fill(tx, kv.MaxOps) },
		"as many bytes":      func(tx kv.Tx) error { return tx.Put([]byte("key"), make([]byte, kv.MaxBytes-3)) },
		"as long a key":      func(tx kv.Tx) error { return tx.Put(longest, nil) },
	} {
		if err := s.Update(t.Context(), fn); err != nil {
			t.Errorf("%s: Update = %v", name, err)
		}
	}
}

func beyondLimitsLeavesNoTrace(t *testing.T, s *subject) {
	longest := bytes.Repeat([]byte("k"), kv.MaxKey+1)
	for name, fn := range map[string]func(kv.Tx) error{
		"too many operations": func(tx kv.Tx) error { return fill(tx, kv.MaxOps+1) },
		"too many bytes":      func(tx kv.Tx) error { return tx.Put([]byte("key"), make([]byte, kv.MaxBytes-2)) },
		"too long a key":      func(tx kv.Tx) error { return tx.Put(longest, nil) },
		"too long a record":   func(tx kv.Tx) error { return tx.Append(logName, make([]byte, kv.MaxBytes+1)) },
		"too much, and the function does not care": func(tx kv.Tx) error {
			_ = fill(tx, kv.MaxOps+1)
			return nil
		},
	} {
		if err := s.Update(t.Context(), fn); !errors.Is(err, kv.ErrTooLarge) {
			t.Errorf("%s: Update = %v, want %v", name, err, kv.ErrTooLarge)
		}
		if got := contents(t, s); got != nil {
			t.Errorf("%s: %d pairs were written", name, len(got))
		}
	}
}

// fill makes n operations: puts, deletes and appends by turns.
func fill(tx kv.Tx, n int) error {
	for i := range n {
		var err error
		switch key := fmt.Appendf(nil, "key %d", i); i % 3 {
		case 0:
			err = tx.Put(key, nil)
		case 1:
			err = tx.Delete(key)
		default:
			err = tx.Append(logName, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
