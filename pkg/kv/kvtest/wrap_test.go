package kvtest_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

var errTest = errors.New("an error of the test")

func open(t *testing.T) kv.Store {
	t.Helper()
	db, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func put(t *testing.T, store kv.Store, key string) error {
	t.Helper()
	return store.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte(key), nil) })
}

func has(t *testing.T, store kv.Store, key string) bool {
	t.Helper()
	err := store.View(t.Context(), func(r kv.Reader) error {
		_, err := r.Get([]byte(key))
		return err
	})
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		t.Errorf("Get(%q) = %v", key, err)
	}
	return err == nil
}

func TestRerunShowsFunctionsThatMustRunOnce(t *testing.T) {
	t.Parallel()
	store := kvtest.Rerun(open(t))
	var runs int
	err := store.Update(t.Context(), func(tx kv.Tx) error {
		runs++
		if _, err := tx.Get([]byte("a")); !errors.Is(err, kv.ErrNotFound) {
			t.Errorf("run %d: Get(a) = %v, want %v", runs, err, kv.ErrNotFound)
		}
		return tx.Put([]byte("a"), nil)
	})
	if err != nil || runs != 2 {
		t.Errorf("Update = %v after %d runs, want none after 2", err, runs)
	}
	if !has(t, store, "a") {
		t.Error("the second run is not committed")
	}
}

func TestRerunReturnsTheErrorOfTheSecondRun(t *testing.T) {
	t.Parallel()
	store := kvtest.Rerun(open(t))
	var runs int
	err := store.Update(t.Context(), func(kv.Tx) error {
		if runs++; runs == 1 {
			return nil
		}
		return errTest
	})
	if !errors.Is(err, errTest) {
		t.Errorf("Update = %v, want %v", err, errTest)
	}
}

func TestFaultyStoreFailsOnRequest(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fail    func(*kvtest.FaultyStore, error)
		written bool
	}{
		"an update that is not run":              {(*kvtest.FaultyStore).FailUpdates, false},
		"a commit that fails":                    {(*kvtest.FaultyStore).FailCommits, false},
		"a commit whose acknowledgement is lost": {(*kvtest.FaultyStore).FailReplies, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := kvtest.Faulty(open(t))
			test.fail(store, errTest)
			if err := put(t, store, "a"); !errors.Is(err, errTest) {
				t.Errorf("Update = %v, want %v", err, errTest)
			}
			if got := has(t, store, "a"); got != test.written {
				t.Errorf("written: %t, want %t", got, test.written)
			}
			test.fail(store, nil)
			if err := put(t, store, "b"); err != nil || !has(t, store, "b") {
				t.Errorf("Update after the fault is lifted = %v", err)
			}
		})
	}
}

func TestFaultyStoreFailsViews(t *testing.T) {
	t.Parallel()
	store := kvtest.Faulty(open(t))
	store.FailViews(errTest)
	err := store.View(t.Context(), func(kv.Reader) error {
		t.Error("the function of a failing view is run")
		return nil
	})
	if !errors.Is(err, errTest) {
		t.Errorf("View = %v, want %v", err, errTest)
	}
}
