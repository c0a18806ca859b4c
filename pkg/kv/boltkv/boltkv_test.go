package boltkv_test

import (
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
)

func TestStoreKeepsThePromises(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, openIn)
}

func TestPromisesHoldWhenFunctionsRunTwice(t *testing.T) {
	t.Parallel()
	kvtest.Run(t, func(t testing.TB, dir string, logs map[string]kv.Log) kv.Store {
		return kvtest.Rerun(openIn(t, dir, logs))
	})
}

func openIn(t testing.TB, dir string, logs map[string]kv.Log) kv.Store {
	t.Helper()
	db, err := boltkv.Open(filepath.Join(dir, "store"), boltkv.Options{})
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	for name, log := range logs {
		db.Attach(name, log)
	}
	return db
}

// open opens a new store that is closed at the end of the test.
func open(t testing.TB, path string, opts boltkv.Options) *boltkv.DB {
	t.Helper()
	db, err := boltkv.Open(path, opts)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return db
}
