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
	formatName = "keyward kv"
	// FormatVersion is the version of the stored form that this release writes and reads.
	FormatVersion = 2
	// earlierVersion is the format that [Upgrade] reads.
	earlierVersion = 1
	// tempInfix follows the name of a store in the names of its temporary files.
	tempInfix = ".new-"
)

// An opened is a file that has been inspected and opened.
type opened struct {
	*bbolt.DB
	file *os.File
	// used are the pages that the tree uses.
	used bitmap
}

// openFile creates the store at path if necessary, locks it, checks every page that bbolt will
// trust, and opens it with bbolt.
func openFile(path string, opts Options) (opened, error) {
	return openFormat(path, FormatVersion, opts)
}

// openFormat is openFile for a store of some format.
func openFormat(path string, format uint32, opts Options) (opened, error) {
	file, err := openOrCreate(path)
	if err != nil {
		return opened{}, err
	}
	used, err := lockAndInspect(file, path, format, opts.LockTimeout)
	if errors.Is(err, errReplaced) {
		return reopen(file, path, format, opts)
	}
	if err != nil {
		return opened{}, errors.Join(err, file.Close())
	}
	bolt, err := openBolt(file, opts)
	if err != nil {
		// bbolt has closed the file, unless it panicked.
		_ = file.Close()
		return opened{}, err
	}
	if err := removeTemps(path, file); err != nil {
		return opened{}, errors.Join(err, bolt.Close())
	}
	return opened{DB: bolt, file: file, used: used}, nil
}

// reopen opens the file that replaced another one.
func reopen(file *os.File, path string, format uint32, opts Options) (opened, error) {
	if err := file.Close(); err != nil {
		return opened{}, err
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

// lockFile locks the file at path, and returns its size. From then on, no other process changes or
// replaces the file.
func lockFile(file *os.File, path string, kind int, timeout time.Duration) (size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, ErrForeign
	}
	if err := lock(file, kind, timeout); err != nil {
		return 0, err
	}
	if info, err = file.Stat(); err != nil {
		return 0, err
	}
	if current, err := os.Stat(path); err != nil || !os.SameFile(info, current) {
		return 0, errors.Join(errReplaced, err)
	}
	return info.Size(), nil
}

func lockAndInspect(file *os.File, path string, format uint32, timeout time.Duration) (used bitmap, err error) {
	size, err := lockFile(file, path, syscall.LOCK_EX, timeout)
	if err != nil {
		return nil, err
	}
	err = withContent(file, size, func(content []byte) error {
		found, err := inspect(content)
		if err != nil {
			return err
		}
		if err := found.checkFormat(format); err != nil {
			return err
		}
		if format == FormatVersion {
			// Without the list, which a full disk may prevent, bbolt reads the whole tree again.
			_ = found.saveFreePages(file)
		}
		used = found.used
		return nil
	})
	return used, err
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

// lock takes a lock of the kind that bbolt also takes. For the same open file, this is not a conflict.
func lock(file *os.File, kind int, timeout time.Duration) error {
	const interval = 10 * time.Millisecond
	for deadline := time.Now().Add(timeout); ; time.Sleep(interval) {
		err := syscall.Flock(int(file.Fd()), kind|syscall.LOCK_NB)
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
			ReadOnly:        opts.readOnly,
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
	// If another process was faster, path exists, and its start may have removed the temporary file, and
	// also erased it since it was closed. In both cases, open the other process's store.
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
		version := binary.BigEndian.AppendUint32(nil, FormatVersion)
		return errors.Join(meta.Put(formatKey, []byte(formatName)), meta.Put(versionKey, version))
	})
	return errors.Join(err, bolt.Sync(), bolt.Close())
}

// removeTemps erases and removes files of interrupted creations, compactions, and upgrades. The store at
// path is open, so no other creation can succeed.
func removeTemps(path string, store *os.File) error {
	dir, prefix := filepath.Dir(path), filepath.Base(path)+tempInfix
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if len(e.Name()) > len(prefix) && e.Name()[:len(prefix)] == prefix && e.Type().IsRegular() {
			if err := removeTemp(filepath.Join(dir, e.Name()), store); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeTemp erases and removes a file, unless it is another name of the store or of a file that an
// upgrade keeps, or another process is still creating it. These only lose the name.
func removeTemp(path string, store *os.File) (err error) {
	temp, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(path), temp.Close()) }()
	own, err := temp.Stat()
	if err != nil {
		return err
	}
	kept, err := store.Stat()
	if err != nil || os.SameFile(own, kept) {
		return err
	}
	if before, err := os.Stat(store.Name() + KeptSuffix); err == nil && os.SameFile(own, before) {
		return nil
	}
	if err := lock(temp, syscall.LOCK_EX, 0); errors.Is(err, ErrLocked) {
		return nil
	} else if err != nil {
		return err
	}
	return wipe(temp)
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
