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

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/keyward/keyward/pkg/kv"
)

var (
	// ErrLocked means that another process holds the file.
	ErrLocked = errors.New("the store is in use by another process")
	// ErrForeign means that the file is something else than a Keyward store.
	ErrForeign = errors.New("the file is not a Keyward store")
	// ErrNewer means that the file's format is newer than this program.
	ErrNewer = errors.New("the store was written by a newer version of Keyward")
)

// The file holds two buckets: the data, and what the data is.
var (
	dataBucket = []byte("data")
	metaBucket = []byte("meta")
	formatKey  = []byte("format")
	versionKey = []byte("version")
	formatName = []byte("keyward kv")
)

const formatVersion = 1

func openFile(path string, opts Options) (*bbolt.DB, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	bolt, err := bbolt.Open(path, 0o600, boltOptions(opts))
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, ErrLocked
	case errors.Is(err, bolterrors.ErrInvalid):
		return nil, ErrForeign
	case errors.Is(err, bolterrors.ErrChecksum):
		return nil, fmt.Errorf("%w: %w", kv.ErrCorrupt, err)
	case err != nil:
		return nil, err
	}
	if err := bolt.View(checkFormat); err != nil {
		return nil, errors.Join(err, bolt.Close())
	}
	return bolt, nil
}

func boltOptions(opts Options) *bbolt.Options {
	return &bbolt.Options{
		Timeout:         opts.LockTimeout,
		FreelistType:    bbolt.FreelistMapType,
		NoFreelistSync:  true,
		InitialMmapSize: opts.MapSize,
		NoStatistics:    true,
	}
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(metaBucket)
	if meta == nil || tx.Bucket(dataBucket) == nil || string(meta.Get(formatKey)) != string(formatName) {
		return ErrForeign
	}
	version := meta.Get(versionKey)
	if len(version) != 4 {
		return fmt.Errorf("read format version: %w", kv.ErrCorrupt)
	}
	if binary.BigEndian.Uint32(version) > formatVersion {
		return ErrNewer
	}
	return nil
}

// create makes an empty store under a temporary name and, when it is on disk,
// gives it its own. So there is never a half-made file at path.
func create(path string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".new-*")
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	temp := f.Name()
	defer func() { err = errors.Join(err, os.Remove(temp)) }()
	if err := f.Close(); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := initialize(temp); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	// A link, unlike a rename, never replaces: if another process was faster,
	// its store stays.
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create: %w", err)
	}
	return syncDir(dir)
}

func initialize(path string) error {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return err
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucket(dataBucket); err != nil {
			return err
		}
		meta, err := tx.CreateBucket(metaBucket)
		if err != nil {
			return err
		}
		if err := meta.Put(formatKey, formatName); err != nil {
			return err
		}
		return meta.Put(versionKey, binary.BigEndian.AppendUint32(nil, formatVersion))
	})
	// bbolt's sync covers the data only, and the file's size is news too.
	return errors.Join(err, bolt.Sync(), bolt.Close())
}

// syncDir makes the names in a folder durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return errors.Join(fmt.Errorf("sync folder: %w", err), f.Close())
	}
	return f.Close()
}
