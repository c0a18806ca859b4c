package kek

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/tink-crypto/tink-go/v2/aead/subtle"
	"github.com/tink-crypto/tink-go/v2/tink"
	"golang.org/x/crypto/argon2"
)

// minPassphrase is the minimum length of a passphrase in characters.
const minPassphrase = 16

// ErrPassphrase reports a file that does not contain a usable passphrase.
var ErrPassphrase = fmt.Errorf(
	"passphrase file must hold one line of %d to 512 printable characters, without spaces at its ends", minPassphrase)

// A derivation is the cost of a key and its salt. It precedes each ciphertext, so that a later
// version can raise the cost without a change of the configuration:
//
//	version 1 byte │ memory in KiB 4 │ passes 1 │ lanes 1 │ salt 16 │ AES-256-GCM: IV 12, text, tag 16
//
// The first 23 bytes are also part of the associated data.
type derivation struct {
	memory        uint32
	passes, lanes uint8
	salt          [saltSize]byte
}

const (
	passphraseFormat = 1
	saltSize         = 16
	derivationSize   = 7 + saltSize
)

// newDerivation returns the second recommended option of RFC 9106 with a new salt.
func newDerivation() (d derivation) {
	d.memory, d.passes, d.lanes = 64<<10, 3, 4
	rand.Read(d.salt[:])
	return d
}

// The costs that a ciphertext may ask for. A change of the data file must not make a start take
// all memory of the machine, or hours.
const (
	maxMemory = 256 << 10 // KiB
	maxPasses = 16
	maxLanes  = 16
)

func (d derivation) encode() []byte {
	out := binary.BigEndian.AppendUint32([]byte{passphraseFormat}, d.memory)
	return append(append(out, d.passes, d.lanes), d.salt[:]...)
}

// errPassphraseText reports a ciphertext that this provider did not make.
var errPassphraseText = errors.New("the ciphertext is not one of a passphrase")

func decodeDerivation(ciphertext []byte) (d derivation, sealed []byte, err error) {
	if len(ciphertext) < derivationSize || ciphertext[0] != passphraseFormat {
		return d, nil, errPassphraseText
	}
	d.memory, d.passes, d.lanes = binary.BigEndian.Uint32(ciphertext[1:]), ciphertext[5], ciphertext[6]
	copy(d.salt[:], ciphertext[7:])
	if d.memory > maxMemory || d.passes < 1 || d.passes > maxPasses || d.lanes < 1 || d.lanes > maxLanes {
		return d, nil, fmt.Errorf("%w: its cost is out of bounds", errPassphraseText)
	}
	return d, ciphertext[derivationSize:], nil
}

// A passphrase is the provider of keys that are derived from a passphrase in a file. It reads the
// file and derives a key for each operation, so that neither stays in memory.
type passphrase struct{ path string }

func parsePassphrase(rest string) (provider, error) {
	path, err := parsePath(rest)
	return passphrase{path}, err
}

func (p passphrase) open(context.Context) (tink.AEADWithContext, error) { return p, p.checkFiles() }

func (p passphrase) checkFiles() error {
	text, err := p.read()
	clear(text)
	return err
}

func (passphrase) temporary(error) bool { return false }

// EncryptWithContext encrypts plaintext under a key with a new salt.
func (p passphrase) EncryptWithContext(_ context.Context, plaintext, associatedData []byte) ([]byte, error) {
	d := newDerivation()
	aead, err := p.derive(d)
	if err != nil {
		return nil, err
	}
	header := d.encode()
	sealed, err := aead.Encrypt(plaintext, bytes.Join([][]byte{header, associatedData}, nil))
	if err != nil {
		return nil, err
	}
	return append(header, sealed...), nil
}

// DecryptWithContext decrypts ciphertext.
func (p passphrase) DecryptWithContext(_ context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	d, sealed, err := decodeDerivation(ciphertext)
	if err != nil {
		return nil, err
	}
	aead, err := p.derive(d)
	if err != nil {
		return nil, err
	}
	return aead.Decrypt(sealed, bytes.Join([][]byte{d.encode(), associatedData}, nil))
}

// derive returns the cipher with the derived key.
func (p passphrase) derive(d derivation) (tink.AEAD, error) {
	text, err := p.read()
	if err != nil {
		return nil, err
	}
	defer clear(text)
	key := argon2.IDKey(text, d.salt[:], uint32(d.passes), d.memory, d.lanes, keySize)
	defer clear(key)
	return subtle.NewAESGCM(key)
}

// read returns the passphrase.
func (p passphrase) read() ([]byte, error) {
	text, err := readPrivate(p.path)
	if err != nil {
		return nil, fmt.Errorf("read passphrase file: %w", err)
	}
	line := bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	length := utf8.RuneCount(line)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.Valid(line) || length < minPassphrase || length > 512 || len(line) >= maxPrivate ||
		bytes.ContainsFunc(line, unprintable) || len(bytes.TrimSpace(line)) != len(line) {
		clear(text)
		return nil, fmt.Errorf("read passphrase file %s: %w", p.path, ErrPassphrase)
	}
	return line, nil
}
