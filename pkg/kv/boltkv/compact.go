package boltkv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// compactTx is how many bytes a compaction writes in one transaction.
const compactTx = 16 << 20

// Compact writes the store at path anew, without free pages, and puts the new file in
// the place of the old one. Whatever happens, one of the two is there, whole. No
// process may hold the store: the error wraps [ErrLocked] otherwise. Meanwhile there
// has to be room for both.
//
// A file does not only shrink by it. bbolt writes changed pages elsewhere and leaves
// the old ones as they are until it needs the room, so what was replaced or deleted
// stays readable in them; in the new file it is not. The old file is overwritten
// before it is given back, which erases it as far as the file system writes where the
// file was, and nobody has made copies. A hard link is no copy: what it leads to is
// erased as well.
func Compact(path string) error {
	// Opening would make a store where there is none, and renaming replace a symbolic link.
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
	// While the lock is held, the name leads to the file that is locked.
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return errors.Join(err, source.Close())
	}
	if err := errors.Join(replace(path, source), source.Close()); err != nil {
		return errors.Join(err, old.Close())
	}
	return errors.Join(wipe(old), old.Close())
}

// replace makes a file of the content of a store and gives it the store's name.
func replace(path string, source *bbolt.DB) (err error) {
	dir := filepath.Dir(path)
	temp, err := os.CreateTemp(dir, filepath.Base(path)+tempInfix+"*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove(temp.Name()), temp.Close()) }()
	if err := copyTo(temp.Name(), source); err != nil {
		return err
	}
	info, err := temp.Stat()
	if err != nil {
		return err
	}
	if err := inspect(temp, info.Size()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

// copyTo copies what is in a store into an empty file, and syncs it.
func copyTo(path string, source *bbolt.DB) error {
	target, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:        time.Second,
		FreelistType:   bbolt.FreelistMapType,
		NoFreelistSync: true,
		NoSync:         true, // but once, at the end
	})
	if err != nil {
		return err
	}
	if fault := guard(func() { err = bbolt.Compact(target, source, compactTx) }); fault != nil {
		err = fault
	}
	return errors.Join(err, target.Sync(), target.Close())
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
