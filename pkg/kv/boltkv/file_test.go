package boltkv_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"an empty file":     {write(nil), boltkv.ErrForeign},
		"a text":            {write([]byte("a text")), boltkv.ErrForeign},
		"a long text":       {write(bytes.Repeat([]byte("text "), 10_000)), boltkv.ErrForeign},
		"a pipe":            {makePipe, boltkv.ErrForeign},
		"a folder":          {func(t *testing.T, path string) { t.Helper(); must(t, os.Mkdir(path, 0o700)) }, syscall.EISDIR},
		"another's file":    {makeBolt("others", nil), boltkv.ErrForeign},
		"an earlier format": {makeBolt("meta", binary.BigEndian.AppendUint32(nil, 1)), boltkv.ErrEarlier},
		"a newer format":    {makeBolt("meta", binary.BigEndian.AppendUint32(nil, 3)), boltkv.ErrNewer},
		"a damaged version": {makeBolt("meta", []byte("?")), kv.ErrCorrupt},
		"half a store":      {makeHalf, kv.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			test.make(t, path)
			var before []byte
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				before, err = os.ReadFile(path)
				must(t, err)
			}
			db, err := boltkv.Open(path, boltkv.Options{})
			if !errors.Is(err, test.want) {
				t.Errorf("Open = %v, want %v", err, test.want)
			}
			if before != nil {
				if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
					t.Errorf("a file that is refused was changed, %v", err)
				}
			}
			if err == nil {
				db.Close()
			}
		})
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(content []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) { t.Helper(); must(t, os.WriteFile(path, content, 0o600)) }
}

func makePipe(t *testing.T, path string) {
	t.Helper()
	must(t, syscall.Mkfifo(path, 0o600))
}

// makeBolt makes a bbolt file whose bucket of that name holds this format version.
func makeBolt(bucket string, version []byte) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
		must(t, err)
		must(t, db.Update(func(tx *bbolt.Tx) error {
			_, err := tx.CreateBucket([]byte("data"))
			b, errMeta := tx.CreateBucket([]byte(bucket))
			if err := errors.Join(err, errMeta); err != nil {
				return err
			}
			return errors.Join(b.Put([]byte("format"), []byte("keyward kv")), b.Put([]byte("version"), version))
		}))
		must(t, db.Close())
	}
}

func makeHalf(t *testing.T, path string) {
	t.Helper()
	content := storeFile(t)
	must(t, os.WriteFile(path, content[:len(content)/2], 0o600))
}

// storeFile returns the bytes of a closed store whose tree has branches and whose
// values overflow pages. Pairs are `key n` with a value that repeats the key.
func storeFile(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store")
	db, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	for i := range 30 {
		must(t, db.Update(t.Context(), func(tx kv.Tx) error {
			key := fmt.Appendf(nil, "key %02d", i)
			return tx.Put(key, bytes.Repeat(key, 20+30*(i%5)*(i%3)))
		}))
	}
	must(t, db.Close())
	content, err := os.ReadFile(path)
	must(t, err)
	// The file is grown ahead; only the pages at its start are in use.
	used := len(bytes.TrimRight(content, "\x00"))
	page := os.Getpagesize()
	return content[:(used+page-1)/page*page]
}

func TestOneProcessHoldsTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store")
	first, err := boltkv.Open(path, boltkv.Options{})
	must(t, err)
	if _, err := boltkv.Open(path, boltkv.Options{LockTimeout: time.Millisecond}); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("Open of a held file = %v, want %v", err, boltkv.ErrLocked)
	}
	// The second attempt gets it when the first holder closes.
	opened := make(chan error)
	go func() {
		db, err := boltkv.Open(path, boltkv.Options{LockTimeout: time.Minute})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	must(t, first.Close())
	must(t, <-opened)
}

func TestANewStoreIsPrivateAndAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "store")
	stale := path + ".new-123"
	must(t, os.WriteFile(stale, []byte("left by a crash"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	open(t, path, boltkv.Options{})

	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if got, want := strings.Join(names, " "), "other store"; got != want {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode = %o, want 600", got)
	}
}

// Another process may still be creating its own file, which it has locked. The remains of a process that
// ended are not locked.
func TestOpenErasesOnlyTemporaryFilesThatNoProcessHolds(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"held": true, "left by a crash": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store")
			content := []byte("the content")
			must(t, os.WriteFile(path+".new-123", content, 0o600))
			temp, err := os.Open(path + ".new-123")
			must(t, err)
			defer temp.Close()
			if held {
				must(t, syscall.Flock(int(temp.Fd()), syscall.LOCK_EX))
			}
			open(t, path, boltkv.Options{})
			after := make([]byte, len(content))
			_, err = temp.ReadAt(after, 0)
			must(t, err)
			if kept, erased := bytes.Equal(after, content), bytes.Equal(after, make([]byte, len(content))); kept != held || erased == held {
				t.Errorf("the temporary file has %q", after)
			}
			if _, err := os.Stat(temp.Name()); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("Stat of the temporary file = %v, want %v", err, fs.ErrNotExist)
			}
		})
	}
}

func TestOpenNeedsTheFolder(t *testing.T) {
	t.Parallel()
	_, err := boltkv.Open(filepath.Join(t.TempDir(), "missing", "store"), boltkv.Options{})
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open = %v, want %v", err, fs.ErrNotExist)
	}
}

// TestFirstStartsDoNotReplaceEachOther has several openers create the same store, and
// each leave a key in it.
func TestFirstStartsDoNotReplaceEachOther(t *testing.T) {
	t.Parallel()
	const openers = 8
	path := filepath.Join(t.TempDir(), "store")
	var wg sync.WaitGroup
	for i := range openers {
		wg.Go(func() {
			db, err := boltkv.Open(path, boltkv.Options{LockTimeout: time.Minute})
			if err != nil {
				t.Errorf("Open = %v", err)
				return
			}
			err = db.Update(t.Context(), func(tx kv.Tx) error { return putNumber(tx, i) })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := count(t, open(t, path, boltkv.Options{})); got != openers {
		t.Errorf("%d keys are stored, want %d", got, openers)
	}
}
