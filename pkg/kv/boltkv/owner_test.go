package boltkv_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// The administrator of a machine may rewrite the store of a service, which must still be able to open
// it.
func TestARewrittenStoreKeepsItsOwnerAndMode(t *testing.T) {
	t.Parallel()
	type owner struct{ uid, gid int }
	me := owner{os.Geteuid(), os.Getegid()}
	owners := []owner{me}
	if me.uid == 0 { // only root can change the owner of files
		owners = append(owners, owner{1234, 2345}, owner{0, 2345}, owner{1234, 0})
	}
	for _, want := range owners {
		for _, mode := range []fs.FileMode{0o600, 0o640, 0o660} {
			for name, rewrite := range map[string]func(path string) error{
				"Compact": boltkv.Compact,
				"Upgrade": func(path string) error { return boltkv.Upgrade(path, copyRow(t)) },
			} {
				path := filepath.Join(t.TempDir(), "store")
				if name == "Upgrade" {
					path = earlierStore(t)
				} else {
					must(t, open(t, path, boltkv.Options{}).Close())
				}
				must(t, os.Chown(path, want.uid, want.gid))
				must(t, os.Chmod(path, mode))
				before, err := os.Stat(path)
				must(t, err)
				must(t, rewrite(path))
				after, err := os.Stat(path)
				must(t, err)
				if os.SameFile(before, after) {
					t.Fatalf("%s keeps the file", name)
				}
				got, expected := ownership(after), fmt.Sprint(want.uid, want.gid, mode)
				if got != expected {
					t.Errorf("%s: the new file has %s, want %s", name, got, expected)
				}
			}
		}
	}
}

// ownership returns the owner, the group, and the mode of a file.
func ownership(file fs.FileInfo) string {
	stat := file.Sys().(*syscall.Stat_t)
	return fmt.Sprint(stat.Uid, stat.Gid, file.Mode().Perm())
}
