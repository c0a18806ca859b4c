package backup

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/keyward/keyward/pkg/failpoint"
)

// Create writes a file that has its name once it is complete and durable, readable by its owner only.
// Until then, it has a name of the pattern in the same folder; see [os.CreateTemp]. Create replaces a
// file at path, and leaves nothing behind if write fails.
func Create(path, pattern string, write func(*os.File) error) error {
	folder := filepath.Dir(path)
	file, err := os.CreateTemp(folder, pattern)
	if err != nil {
		return err
	}
	if err := errors.Join(write(file), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	failpoint.Hit(failpoint.BackupComplete)
	if err := os.Rename(file.Name(), path); err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	failpoint.Hit(failpoint.BackupRenamed)
	return syncPath(folder)
}

// syncPath makes the content of a file, or the names in a folder, durable.
func syncPath(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}
