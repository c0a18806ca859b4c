package boltkv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/keyward/keyward/pkg/failpoint"
)

// compactTx is the number of bytes that a compaction writes in one transaction.
const compactTx = 16 << 20

// oldInfix follows the name of a store in the second name of the file that a compaction replaces. It is
// that of a temporary file.
const oldInfix = tempInfix + "old"

// Compact rewrites the store at path without free pages and replaces the old file. Whatever
// happens, one of the two files exists and is complete. The new file has the owner, the group, and
// the mode of the old one; Compact fails if it may not set them. No other process may hold the store;
// otherwise the error wraps [ErrLocked]. The disk must have room for both files.
//
// Compaction not only shrinks the file. bbolt writes changed pages elsewhere and leaves the old
// pages as they are until it needs the room, so that replaced and deleted data remains readable.
// The new file does not contain it. The old file is overwritten before its space is freed. This
// erases it, provided that the file system overwrites in place and that there are no copies. A
// hard link is not a copy: its content is erased too.
func Compact(path string) error {
	// Opening would create a missing store, and renaming would replace a symbolic link.
	file, err := filepath.EvalSymlinks(path)
	if err == nil {
		err = compact(file)
	}
	if err != nil {
		return fmt.Errorf("compact store %s: %w", path, err)
	}
	return nil
}

func compact(path string) error {
	source, err := openFile(path, Options{}.withDefaults())
	if err != nil {
		return err
	}
	// While the lock is held, the name refers to the locked file.
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	// A second name, under which the next start erases the old file if the process ends before.
	second := path + oldInfix
	if err := errors.Join(remove(second), os.Link(path, second)); err != nil {
		return errors.Join(err, source.Close(), old.Close())
	}
	if err := errors.Join(replace(path, source.DB), source.Close()); err != nil {
		return errors.Join(err, remove(second), old.Close())
	}
	failpoint.Hit(failpoint.CompactErasing)
	return errors.Join(wipe(old), remove(second), old.Close())
}

// replace copies the content of a store to a new file and gives that file the store's name.
func replace(path string, source *bbolt.DB) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, filepath.Base(path)+tempInfix+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(temp.Name()), temp.Close()) }()
	if err := adopt(temp.Name(), path); err != nil {
		return err
	}
	err = fillFile(temp.Name(), func(target *bbolt.DB) error { return bbolt.Compact(target, source, compactTx) })
	if err != nil {
		return err
	}
	info, err := temp.Stat()
	if err != nil {
		return err
	}
	err = withContent(temp, info.Size(), func(content []byte) error {
		_, err := inspect(content)
		return err
	})
	if err != nil {
		return err
	}
	failpoint.Hit(failpoint.CompactCopied)
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	failpoint.Hit(failpoint.CompactRenamed)
	return syncDir(dir)
}

// fillFile passes a new file to a function that fills it, and syncs the file.
func fillFile(path string, fill func(*bbolt.DB) error) error {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true,
		NoSync:         true, // but once, at the end
	})
	if err != nil {
		return err
	}
	if fault := guard(func() { err = fill(bolt) }); fault != nil {
		err = fault
	}
	return errors.Join(err, bolt.Sync(), bolt.Close())
}

// wipe overwrites a file with zeros.
func wipe(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < info.Size(); at += int64(len(zeros)) {
		n := min(info.Size()-at, int64(len(zeros)))
		if _, err := file.WriteAt(zeros[:n], at); err != nil {
			return fmt.Errorf("overwrite the old file: %w", err)
		}
	}
	return file.Sync()
}
