package kek

import (
	"bytes"
	"context"
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

// keySize is the length of a key-encryption key in bytes.
const keySize = 32

// ErrKeyFileMode reports a key file that users other than its owner can access.
var ErrKeyFileMode = errors.New("a file with a key must be a regular file of mode 0600 or stricter, or root's of mode 0640 or stricter")

// ErrKeyFileFormat reports a file that is not a key file.
var ErrKeyFileFormat = errors.New("key file must hold one line, the base64 of 32 bytes")

// A Key is a key-encryption key in memory. It is both a [tink.AEAD] and a [tink.AEADWithContext],
// and safe for concurrent use.
type Key struct{ aead tink.AEAD }

// Encrypt encrypts plaintext.
func (k *Key) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	return k.aead.Encrypt(plaintext, associatedData)
}

// Decrypt decrypts ciphertext.
func (k *Key) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	return k.aead.Decrypt(ciphertext, associatedData)
}

// EncryptWithContext encrypts plaintext.
func (k *Key) EncryptWithContext(_ context.Context, plaintext, associatedData []byte) ([]byte, error) {
	return k.aead.Encrypt(plaintext, associatedData)
}

// DecryptWithContext decrypts ciphertext.
func (k *Key) DecryptWithContext(_ context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	return k.aead.Decrypt(ciphertext, associatedData)
}

// File returns the key-encryption key in a file: one line with 32 bytes in base64 (standard
// alphabet, padded), as [CreateFile] and `openssl rand -base64 32` write it. Only the owner may
// have permissions on the file. A file of root may also be readable by a group, as Kubernetes
// secrets and systemd credentials are.
func File(path string) (*Key, error) {
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
	aead, err := subtle.NewAESGCM(key)
	if err != nil {
		return nil, fmt.Errorf("use key file %s: %w", path, err)
	}
	return &Key{aead: aead}, nil
}

// A fileKey is the provider of a key in a file.
type fileKey struct{ path string }

func parseFile(rest string) (provider, error) {
	path, err := parsePath(rest)
	return fileKey{path}, err
}

func (f fileKey) open(context.Context) (tink.AEADWithContext, error) { return File(f.path) }

func (f fileKey) checkFiles() error {
	_, err := File(f.path)
	return err
}

func (fileKey) temporary(error) bool { return false }

// CreateFile generates a key and writes it to a new file with mode 0600, which is on stable
// storage when CreateFile returns. It never overwrites a file: if the file exists, the error is
// [os.ErrExist].
func CreateFile(path string) (err error) {
	key := make([]byte, keySize)
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

// maxPrivate is the number of bytes that are read from a file with a key.
const maxPrivate = 2048

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
	return io.ReadAll(io.LimitReader(file, maxPrivate))
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
	if len(line) != base64.StdEncoding.EncodedLen(keySize) {
		return nil, ErrKeyFileFormat
	}
	// Without this the decoder would skip line breaks inside the line.
	if bytes.ContainsAny(line, "\r\n") {
		return nil, ErrKeyFileFormat
	}
	key := make([]byte, base64.StdEncoding.DecodedLen(len(line)))
	n, err := base64.StdEncoding.Strict().Decode(key, line)
	if err != nil || n != keySize {
		clear(key)
		return nil, ErrKeyFileFormat
	}
	return key[:n], nil
}
