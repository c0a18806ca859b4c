package boltkv

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// adopt gives the file at temp the owner, the group, and the mode of the file at path, in case the
// administrator of the machine rewrites the store of a service.
func adopt(temp, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("the owner of the store is unknown")
	}
	if err := os.Chown(temp, int(owner.Uid), int(owner.Gid)); err != nil {
		return fmt.Errorf("keep the owner of the store: %w", err)
	}
	return os.Chmod(temp, info.Mode().Perm())
}
