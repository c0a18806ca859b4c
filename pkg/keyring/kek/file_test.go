package kek_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyring/kek"
)

func TestCreatedKeyFileIsPrivateAndOpens(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := kek.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("key file has mode %v, want 0600", got)
	}
	one, err := kek.File(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := kek.File(path)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := one.Encrypt([]byte("text"), []byte("context"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := other.Decrypt(sealed, []byte("context")); err != nil || string(got) != "text" {
		t.Errorf("Decrypt() by the same file = %q, %v, want what was encrypted", got, err)
	}
	if _, err := newKey(t).Decrypt(sealed, []byte("context")); err == nil {
		t.Error("Decrypt() by another file succeeds")
	}
}

func TestKeyFileIsNeverOverwritten(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	if err := kek.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := kek.CreateFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("CreateFile() a second time = %v, want ErrExist", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("CreateFile() a second time changed the file")
	}
}

func TestKeyFileThatOthersMayUseIsRefused(t *testing.T) {
	t.Parallel()
	for mode, want := range map[fs.FileMode]error{
		0o600: nil,
		0o400: nil,
		0o404: kek.ErrKeyFileMode,
		0o604: kek.ErrKeyFileMode,
		0o620: kek.ErrKeyFileMode,
		0o660: kek.ErrKeyFileMode,
		0o602: kek.ErrKeyFileMode,
		0o644: kek.ErrKeyFileMode,
		0o700: kek.ErrKeyFileMode,
	} {
		if err := openWithMode(t, mode, os.Geteuid()); !errors.Is(err, want) {
			t.Errorf("File(mode %v) = %v, want %v", mode, err, want)
		}
	}
	if _, err := kek.File(t.TempDir()); !errors.Is(err, kek.ErrKeyFileMode) {
		t.Errorf("File(folder) = %v, want ErrKeyFileMode", err)
	}
	if _, err := kek.File(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("File(no file) = %v, want ErrNotExist", err)
	}
}

// TestOnlyRootLendsAKeyFileToAGroup: Kubernetes and systemd hand files over as
// root's, readable by a group that they chose.
func TestOnlyRootLendsAKeyFileToAGroup(t *testing.T) {
	t.Parallel()
	owners := map[int]error{os.Geteuid(): kek.ErrKeyFileMode}
	if os.Geteuid() == 0 { // only root can change the owner of files
		owners = map[int]error{0: nil, 65532: kek.ErrKeyFileMode}
	}
	for owner, want := range owners {
		for _, mode := range []fs.FileMode{0o440, 0o640} {
			if err := openWithMode(t, mode, owner); !errors.Is(err, want) {
				t.Errorf("File(mode %v, owner %d) = %v, want %v", mode, owner, err, want)
			}
		}
	}
}

// openWithMode returns what becomes of a key file with the mode and the owner.
func openWithMode(t *testing.T, mode fs.FileMode, owner int) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key")
	if err := kek.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(path, owner, -1), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	_, err := kek.File(path)
	return err
}

func TestKeyFileFormat(t *testing.T) {
	t.Parallel()
	key := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xfb", 32)))
	tests := []struct {
		name, text string
		want       error
	}{
		{"a line", key + "\n", nil},
		{"a line without end", key, nil},
		{"a line with carriage return", key + "\r\n", nil},
		{"nothing", "", kek.ErrKeyFileFormat},
		{"31 bytes", base64.StdEncoding.EncodeToString(make([]byte, 31)), kek.ErrKeyFileFormat},
		{"33 bytes", base64.StdEncoding.EncodeToString(make([]byte, 33)), kek.ErrKeyFileFormat},
		{"32 raw bytes", strings.Repeat("k", 32), kek.ErrKeyFileFormat},
		{"hex", strings.Repeat("0f", 32), kek.ErrKeyFileFormat},
		{"two lines", key + "\n" + key + "\n", kek.ErrKeyFileFormat},
		{"a line broken in two", key[:20] + "\n" + key[21:], kek.ErrKeyFileFormat},
		{"the alphabet of URLs", strings.NewReplacer("+", "-", "/", "_").Replace(key), kek.ErrKeyFileFormat},
		{"leading space", " " + key, kek.ErrKeyFileFormat},
		{"bits behind the key", key[:42] + "9=", kek.ErrKeyFileFormat},
		{"a long file", strings.Repeat(key, 1000), kek.ErrKeyFileFormat},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := kek.File(path)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: File() = %v, want %v", tt.name, err, tt.want)
		}
		if err != nil && tt.text != "" && strings.Contains(err.Error(), strings.TrimSpace(tt.text)[:8]) {
			t.Errorf("%s: the error repeats the file: %v", tt.name, err)
		}
	}
}

// newKey returns the key in a new key file.
func newKey(t *testing.T) *kek.Key {
	t.Helper()
	path := filepath.Join(t.TempDir(), "another")
	if err := kek.CreateFile(path); err != nil {
		t.Fatal(err)
	}
	key, err := kek.File(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
