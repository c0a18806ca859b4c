package localid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	pemCertificate = "CERTIFICATE"
	pemPrivateKey  = "PRIVATE KEY"
)

// WriteCertificate writes a certificate chain and its private key as two PEM
// files that only their owner can read.
func WriteCertificate(certFile, keyFile string, cert tls.Certificate) error {
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})...)
	}
	key, err := encodeKey(cert.PrivateKey)
	if err != nil {
		return err
	}
	if err := WriteFile(keyFile, key); err != nil {
		return err
	}
	return WriteFile(certFile, chain)
}

// newKey generates a private key on P-256, which every TLS and JOSE implementation supports.
func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return key, nil
}

func encodeKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}

// decodeKey decodes the private key in the first block of data and returns the rest.
func decodeKey(data []byte) (*ecdsa.PrivateKey, []byte, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemPrivateKey {
		return nil, nil, errors.New("decode key: the file contains no PEM block of a private key")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The parser's error is dropped, because it could quote the key.
		return nil, nil, errors.New("decode key: must be a PKCS #8 private key")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, nil, errors.New("decode key: must be a key on P-256")
	}
	return ec, rest, nil
}

// loadOrCreate reads a file of the folder, or writes it with the result of create if it does not
// exist.
func loadOrCreate(dir, name string, create func() ([]byte, error)) ([]byte, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create folder: %w", err)
	}
	path := filepath.Join(dir, name)
	data, err := readPrivate(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	if data, err = create(); err != nil {
		return nil, err
	}
	return data, WriteFile(path, data)
}

// readPrivate reads a file. It fails if users other than the owner could read the file.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("check key file: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read %s: must be a regular file that only its owner can read (mode 0600), not %v", path, mode)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	return data, nil
}

// WriteFile writes a file that only its owner can read. A crash leaves the old content or the new
// content, never a part.
func WriteFile(path string, data []byte) (err error) {
	// CreateTemp creates the file with mode 0600.
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	defer func() {
		if err != nil {
			// If the removal fails too, the remaining file is readable only by its owner.
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("rename file: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes a rename in the folder durable.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}
