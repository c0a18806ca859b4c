package boltkv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/failpoint"
	"github.com/keyward/keyward/pkg/memory"
)

var (
	// ErrLocked means that another process holds the file.
	ErrLocked = errors.New("the store is in use by another process")
	// ErrForeign means that the file is not a Keyward store.
	ErrForeign = errors.New("the file is not a Keyward store")
	// ErrEarlier means that the file's format is older than this program. The upgrade of a service
	// writes a file of the new format.
	ErrEarlier = errors.New("the store was written by an earlier version of Keyward")
	// ErrOverwritten means that another program wrote to the open file, for example with an older copy.
	// All further updates fail with it.
	ErrOverwritten = errors.New("the data file was overwritten while it was open; stop the program and put the newest file back")
	// ErrNewer means that the file's format is newer than this program.
	ErrNewer = errors.New("the store was written by a newer version of Keyward")
)

// errReplaced means that a compaction replaced the file between opening and locking.
var errReplaced = errors.New("the file has been replaced")

// The file has three buckets: two with rows, and the description of them.
var (
	metaBucket = []byte("meta")
	formatKey  = []byte("format")
	versionKey = []byte("version")
)

const (
	formatName    = "keyward kv"
	formatVersion = 2
	// earlierVersion is the format that [Upgrade] reads.
	earlierVersion = 1
	// tempInfix follows the name of a store in the names of its temporary files.
	tempInfix = ".new-"
)

// openFile creates the store at path if necessary, locks it, checks every page that bbolt will
// trust, and opens it with bbolt.
func openFile(path string, opts Options) (*bbolt.DB, error) {
	return openFormat(path, formatVersion, opts)
}

// openFormat is openFile for a store of some format.
func openFormat(path string, format uint32, opts Options) (*bbolt.DB, error) {
	file, err := openOrCreate(path)
	if err != nil {
		return nil, err
	}
	err = lockAndInspect(file, path, format, opts.LockTimeout)
	if errors.Is(err, errReplaced) {
		return reopen(file, path, format, opts)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	bolt, err := openBolt(file, opts)
	if err != nil {
		// bbolt has closed the file, unless it panicked.
		_ = file.Close()
		return nil, err
	}
	if err := removeTemps(path); err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return bolt, nil
}

// reopen opens the file that replaced another one.
func reopen(file *os.File, path string, format uint32, opts Options) (*bbolt.DB, error) {
	if err := file.Close(); err != nil {
		return nil, err
	}
	return openFormat(path, format, opts)
}

func openOrCreate(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, fs.ErrNotExist) {
		return file, err
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create: %w", err)
	}
	return os.OpenFile(path, os.O_RDWR, 0)
}

func lockAndInspect(file *os.File, path string, format uint32, timeout time.Duration) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return ErrForeign
	}
	if err := lock(file, timeout); err != nil {
		return err
	}
	// From now on, no other process changes or replaces the file.
	if info, err = file.Stat(); err != nil {
		return err
	}
	if current, err := os.Stat(path); err != nil || !os.SameFile(info, current) {
		return errors.Join(errReplaced, err)
	}
	return withContent(file, info.Size(), func(content []byte) error {
		found, err := inspect(content)
		if err != nil {
			return err
		}
		if err := found.checkFormat(format); err != nil {
			return err
		}
		if format == formatVersion {
			// Without the list, which a full disk may prevent, bbolt reads the whole tree again.
			_ = found.saveFreePages(file)
		}
		return nil
	})
}

// withContent maps a file, and passes its content to fn.
func withContent(file *os.File, size int64, fn func(content []byte) error) (err error) {
	if size == 0 {
		return fn(nil)
	}
	content, err := syscall.Mmap(int(file.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map: %w", err)
	}
	defer func() { err = errors.Join(err, syscall.Munmap(content)) }()
	address := uintptr(unsafe.Pointer(unsafe.SliceData(content))) //nolint:gosec // of the mapping, which the collector does not move
	if err := memory.Unlock(address); err != nil {
		return err
	}
	if fault := guard(func() { err = fn(content) }); fault != nil {
		return fault
	}
	return err
}

// lock takes the lock that bbolt also takes. For the same open file, this is not a conflict.
func lock(file *os.File, timeout time.Duration) error {
	const interval = 10 * time.Millisecond
	for deadline := time.Now().Add(timeout); ; time.Sleep(interval) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return fmt.Errorf("lock: %w", err)
		case time.Now().After(deadline):
			return ErrLocked
		}
	}
}

func openBolt(file *os.File, opts Options) (bolt *bbolt.DB, err error) {
	fault := guard(func() {
		bolt, err = bbolt.Open(file.Name(), 0o600, &bbolt.Options{
			Timeout:         opts.LockTimeout,
			FreelistType:    bbolt.FreelistMapType,
			NoFreelistSync:  true,
			InitialMmapSize: opts.MapSize,
			NoStatistics:    true,
			OpenFile:        func(string, int, os.FileMode) (*os.File, error) { return file, nil },
		})
	})
	if fault != nil {
		return nil, fault
	}
	return bolt, err
}

// create creates an empty store under a temporary name and, after it is on disk, links it to its
// own name. The file at path is therefore never incomplete.
func create(path string) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, filepath.Base(path)+tempInfix+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(temp.Name())) }()
	// The file keeps the mode of CreateTemp, 0600. bbolt opens the file itself.
	if err := errors.Join(temp.Close(), initialize(temp.Name())); err != nil {
		return err
	}
	failpoint.Hit(failpoint.StoreCreated)
	// If another process was faster, path exists, and the temporary file may already have been
	// removed. In both cases, open the other process's store.
	err = os.Link(temp.Name(), path)
	if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	failpoint.Hit(failpoint.StoreLinked)
	return syncDir(dir)
}

// initialize writes an empty store into an empty file.
func initialize(path string) error {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true,
	})
	if err != nil {
		return err
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		for _, name := range names {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		version := binary.BigEndian.AppendUint32(nil, formatVersion)
		return errors.Join(meta.Put(formatKey, []byte(formatName)), meta.Put(versionKey, version))
	})
	return errors.Join(err, bolt.Sync(), bolt.Close())
}

// removeTemps removes files of interrupted creations. The store at path is open, so no other
// creation can succeed.
func removeTemps(path string) error {
	dir, prefix := filepath.Dir(path), filepath.Base(path)+tempInfix
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(e.Name()) > len(prefix) && e.Name()[:len(prefix)] == prefix && e.Type().IsRegular() {
			if err := remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove removes a file if it exists.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
