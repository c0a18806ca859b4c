package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/kv/boltkv"
)

// childVariable holds the folder of a process that is killed while it restores.
const childVariable = "KEYWARD_TEST_RESTORE"

// restoreUntilKilled restores the backup in a folder, and is killed before the store gets its name.
func restoreUntilKilled(t *testing.T, folder string) {
	file, err := os.ReadFile(filepath.Join(folder, "backup"))
	if err != nil {
		t.Fatal(err)
	}
	o := options(t)
	o.Mark = func(context.Context, string) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }
	_, err = backup.Restore(t.Context(), o, bytes.NewReader(file), filepath.Join(folder, "store"))
	t.Fatalf("Restore = %v, want to be killed", err)
}

// names returns the names in a folder that begin with a string.
func names(t testing.TB, folder, prefix string) (found []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			found = append(found, e.Name())
		}
	}
	return found
}

func TestRemainsOfAKilledRestoreAreErased(t *testing.T) {
	if folder, child := os.LookupEnv(childVariable); child {
		restoreUntilKilled(t, folder)
	}
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 3)
	folder, file := t.TempDir(), write(t, s)
	if err := os.WriteFile(filepath.Join(folder, "backup"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"="+folder)
	out, err := child.CombinedOutput()
	if child.ProcessState == nil || child.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process that restores = %v, %s", err, out)
	}
	left := names(t, folder, "store")
	if len(left) != 1 || left[0] == "store" {
		t.Fatalf("the killed restore left %v, want one file with another name than store", left)
	}
	kept := filepath.Join(t.TempDir(), "kept") // another name, to see what becomes of the content
	if err := os.Link(filepath.Join(folder, left[0]), kept); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(folder, "store")
	if _, err := backup.Restore(t.Context(), options(t), bytes.NewReader(file), path); err != nil {
		t.Fatalf("Restore next to the remains = %v", err)
	}
	restored, err := boltkv.Open(path, boltkv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if left := names(t, folder, "store"); len(left) != 1 || left[0] != "store" {
		t.Errorf("after the restored store was opened, there are %v, want only store", left)
	}
	if content, err := os.ReadFile(kept); err != nil || bytes.Contains(content, []byte("value 1")) {
		t.Errorf("the remains were removed, but not erased, or %v", err)
	}
}

// A program that starts on the missing data file removes what a restore is writing. The restore then fails,
// because the data file exists.
func TestRestoreDuringWhichTheDataFileAppears(t *testing.T) {
	t.Parallel()
	s := newSource(t)
	fillStore(t, s, 0, 3)
	file := write(t, s)
	for what, appear := range map[string]func(path string) error{
		"a program starts": func(path string) error {
			store, err := boltkv.Open(path, boltkv.Options{})
			if err != nil {
				return err
			}
			return store.Close()
		},
		"another restore is faster": func(path string) error {
			_, err := backup.Restore(t.Context(), options(t), bytes.NewReader(file), path)
			return err
		},
	} {
		folder := t.TempDir()
		path := filepath.Join(folder, "store")
		var appeared os.FileInfo
		o := options(t)
		o.Mark = func(context.Context, string) (err error) {
			if err := appear(path); err != nil {
				t.Fatal(err)
			}
			appeared, err = os.Stat(path)
			return err
		}
		_, err := backup.Restore(t.Context(), o, bytes.NewReader(file), path)
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: Restore = %v, want that the file exists", what, err)
		}
		if info, err := os.Stat(path); err != nil || !os.SameFile(info, appeared) {
			t.Errorf("%s: the data file was replaced, or %v", what, err)
		}
		if left := names(t, folder, ""); len(left) != 1 {
			t.Errorf("%s: the folder has %v, want only the data file", what, left)
		}
	}
}
