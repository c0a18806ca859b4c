package keyring

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// kekSize is the length of a key-encryption key in bytes.
const kekSize = 32

// ErrKeyFileMode reports a key file that users other than its owner can access.
var ErrKeyFileMode = errors.New("keyring: key file must be a regular file of mode 0600 or stricter, or root's of mode 0640 or stricter")

// ErrKeyFileFormat reports a file that is not a key file.
var ErrKeyFileFormat = errors.New("keyring: key file must hold one line, the base64 of 32 bytes")

// FileKEK returns the key-encryption key in a file: one line with 32 bytes in base64 (standard
// alphabet, padded), as [CreateFileKEK] and `openssl rand -base64 32` write it. Only the owner may
// have permissions on the file. A file of root may also be readable by a group, as Kubernetes
// secrets and systemd credentials are.
func FileKEK(path string) (tink.AEAD, error) {
	text, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer clear(text)
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("read key file %s: %w", path, err)
	}
	defer clear(key)
	kek, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("use key file %s: %w", path, err)
	}
	return kek, nil
}

// CreateFileKEK generates a key and writes it to a new file with mode 0600, which is on stable
// storage when CreateFileKEK returns. It never overwrites a file: if the file exists, the error is
// [os.ErrExist].
func CreateFileKEK(path string) (err error) {
	key := make([]byte, kekSize)
	defer clear(key)
	rand.Read(key)
	text := append(base64.StdEncoding.AppendEncode(nil, key), '\n')
	defer clear(text)

	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	if err := writeSynced(file, text); err != nil {
		// A partially written key file must not be mistaken for a complete one.
		return errors.Join(fmt.Errorf("write key file: %w", err), os.Remove(path))
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("sync key folder: %w", err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync key folder: %w", err)
	}
	return nil
}

// writeSynced writes text, syncs and closes the file.
func writeSynced(file *os.File, text []byte) (err error) {
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Sync()
}

// readPrivate reads a small file that only its owner can access. It checks the mode of the open
// file, so that the file cannot be replaced in the meantime.
func readPrivate(path string) (text []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&^allowedMode(info) != 0 {
		return nil, fmt.Errorf("%s has mode %v: %w", path, info.Mode(), ErrKeyFileMode)
	}
	return io.ReadAll(io.LimitReader(file, 1024))
}

// allowedMode returns the most permissive mode that a key file may have. Root chose the group that
// can read a file of root.
func allowedMode(info fs.FileInfo) fs.FileMode {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid == 0 {
		return 0o640
	}
	return 0o600
}

// parseKey decodes the text of a key file. Its errors do not repeat the text.
func parseKey(text []byte) ([]byte, error) {
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(line) != base64.StdEncoding.EncodedLen(kekSize) {
		return nil, ErrKeyFileFormat
	}
	// Without this the decoder would skip line breaks inside the line.
	if bytes.ContainsAny(line, "\r\n") {
		return nil, ErrKeyFileFormat
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(key, line)
	if err != nil || n != kekSize {
		clear(key)
		return nil, ErrKeyFileFormat
	}
	return key[:n], nil
}
