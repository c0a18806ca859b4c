package boltkv_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// smallDisk mounts a file system of some MiB.
func smallDisk(t testing.TB, size int) string {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", size))
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs the right to mount a file system")
	}
	must(t, err)
	t.Cleanup(func() { must(t, unix.Unmount(dir, 0)) })
	return dir
}

// fillDisk uses the space of a disk. The returned function frees it.
func fillDisk(t testing.TB, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	err := os.WriteFile(path, bytes.Repeat([]byte{1}, 64<<20), 0o600)
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("filling the disk = %v, want %v", err, unix.ENOSPC)
	}
	return func() { must(t, os.Remove(path)) }
}

// A page fits only if the disk has space, because a tmpfs allocates it when it is written.
func TestAFullDiskRefusesChangesUntilThereIsSpace(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, 24)
	db := open(t, filepath.Join(dir, "store"), boltkv.Options{DiskInterval: 10 * time.Millisecond})
	value := bytes.Repeat([]byte("value"), 20_000)
	put := func(n int) error {
		return db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put(fmt.Appendf(nil, "key %04d", n), value) })
	}
	must(t, put(0))
	if db.Full() {
		t.Error("Full() = true after a commit")
	}
	for _, by := range []string{"a change", "itself"} {
		free := fillDisk(t, dir)
		kept, err := 0, error(nil)
		for ; err == nil && kept < 1000; kept++ {
			err = put(kept)
		}
		if !errors.Is(err, kv.ErrFull) || !errors.Is(err, unix.ENOSPC) {
			t.Fatalf("Update on a full disk = %v, want %v", err, kv.ErrFull)
		}
		if !db.Full() || metric(t, db, "keyward_disk_full") != 1 {
			t.Error("Full() = false on a full disk")
		}
		must(t, db.View(t.Context(), func(r kv.Reader) error {
			got, err := r.Get([]byte("key 0000"))
			if !bytes.Equal(got, value) {
				t.Error("Get on a full disk returns another value")
			}
			return err
		}))
		free()
		if by == "a change" {
			must(t, put(kept))
		}
		eventually(t, "the store notices the space by "+by, func() bool { return !db.Full() })
		must(t, put(0))
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.new-*")); err != nil || len(left) > 0 {
		t.Errorf("probes left %v, %v", left, err)
	}
	if free, size := metric(t, db, "keyward_disk_free_bytes"), metric(t, db, "keyward_disk_size_bytes"); size != 24<<20 || free <= 0 || free >= size {
		t.Errorf("the disk has %v free bytes of %v, want a part of 24 MiB", free, size)
	}
	if got := metric(t, db, "keyward_data_file_bytes"); got <= 0 {
		t.Errorf("the data file has %v bytes", got)
	}
}

// TestADiskWithoutSpaceIsToldFromAnother covers what a test cannot easily provoke.
func TestADiskWithoutSpaceIsToldFromAnother(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		err  error
		full bool
	}{
		{"no space", &os.PathError{Op: "write", Path: "store", Err: unix.ENOSPC}, true},
		{"a used-up quota", fmt.Errorf("sync: %w", unix.EDQUOT), true},
		{"a limit of the file size", fmt.Errorf("write: %w", unix.EFBIG), true},
		{"an error that bbolt does not wrap", errors.New("file resize error: truncate store: " + unix.ENOSPC.Error()), true},
		{"a defective disk", fmt.Errorf("sync: %w", unix.EIO), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fail := tt.err
			db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{DiskInterval: time.Hour, BeforeCommit: func() error { return fail }})
			err := db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), nil) })
			if errors.Is(err, kv.ErrFull) != tt.full || db.Full() != tt.full || !strings.Contains(err.Error(), tt.err.Error()) {
				t.Errorf("Update = %v and Full() = %v, want a full disk: %v", err, db.Full(), tt.full)
			}
			fail = nil
			must(t, db.Update(t.Context(), func(tx kv.Tx) error { return tx.Put([]byte("key"), nil) }))
			if db.Full() {
				t.Error("Full() = true after a commit")
			}
		})
	}
}

func TestAPurgeOnAFullDiskSaysSo(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	db := open(t, filepath.Join(t.TempDir(), "store"), boltkv.Options{DiskInterval: time.Hour, BeforeCommit: func() error {
		if full.Load() {
			return unix.ENOSPC
		}
		return nil
	}})
	store(t, db, map[string]string{"key": "value"})
	full.Store(true)
	if _, err := db.Purge(t.Context(), 1); !errors.Is(err, kv.ErrFull) || !db.Full() {
		t.Errorf("Purge = %v and Full() = %v, want %v", err, db.Full(), kv.ErrFull)
	}
	full.Store(false)
	purge(t, db)
	if db.Full() {
		t.Error("Full() = true after a purge")
	}
}

// metric returns the value of a metric of the store.
func metric(t testing.TB, db *boltkv.DB, name string) float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(db.Collectors("test")...)
	families, err := registry.Gather()
	must(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 10 s: %s", what)
		}
	}
}
