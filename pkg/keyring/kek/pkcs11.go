//go:build pkcs11

package kek

import (
	"bytes"
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// tokenFormat is the first byte of a ciphertext. The IV of 12 random bytes and the output of
// CKM_AES_GCM follow.
const tokenFormat = 1

func parsePKCS11(rest string) (provider, error) { return parseToken(rest) }

// open opens the token once, so that a wrong PIN is reported early.
func (k tokenKey) open(ctx context.Context) (tink.AEADWithContext, error) {
	return k, k.with(ctx, func(cipher.AEAD) error { return nil })
}

func (k tokenKey) checkFiles() error {
	pin, err := k.readPIN()
	clear(pin)
	_, module := os.Stat(k.module)
	return errors.Join(err, module)
}

func (k tokenKey) readPIN() ([]byte, error) {
	text, err := readPrivate(k.pin)
	if err != nil {
		return nil, fmt.Errorf("read pin-source: %w", err)
	}
	pin := bytes.TrimRight(text, "\r\n")
	if len(pin) == 0 || bytes.ContainsAny(pin, "\r\n") {
		clear(text)
		return nil, errors.New("read pin-source: must hold one line")
	}
	return pin, nil
}

// EncryptWithContext encrypts plaintext.
func (k tokenKey) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) (out []byte, err error) {
	plaintext = bytes.Clone(plaintext) // the call may outlive ctx
	err = k.with(ctx, func(aead cipher.AEAD) error {
		defer clear(plaintext)
		iv := make([]byte, aead.NonceSize())
		rand.Read(iv)
		header := append([]byte{tokenFormat}, iv...)
		out = aead.Seal(header, iv, plaintext, associatedData)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DecryptWithContext decrypts ciphertext.
func (k tokenKey) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) (out []byte, err error) {
	err = k.with(ctx, func(aead cipher.AEAD) (err error) {
		size := 1 + aead.NonceSize()
		if len(ciphertext) < size+aead.Overhead() || ciphertext[0] != tokenFormat {
			return errors.New("the ciphertext is not one of a PKCS #11 token")
		}
		out, err = aead.Open(nil, ciphertext[1:size], ciphertext[size:], associatedData)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// sessions is held during a session. A login holds for all sessions of a process, so a second session at
// the same time would begin with any PIN.
var sessions sync.Mutex

// with calls f with the key, in a session of its own. A call of a library cannot be interrupted:
// with returns with ctx, and the call ends when it ends.
func (k tokenKey) with(ctx context.Context, f func(cipher.AEAD) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { done <- k.session(f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k tokenKey) session(f func(cipher.AEAD) error) (err error) {
	pin, err := k.readPIN()
	if err != nil {
		return err
	}
	defer clear(pin)
	sessions.Lock()
	defer sessions.Unlock()
	defer func() {
		// The library's cipher reports failures of the token as panics.
		if failure, ok := recover().(error); ok {
			err = fmt.Errorf("use the token: %w", failure)
		}
	}()
	token, err := crypto11.Configure(&crypto11.Config{
		Path: k.module, TokenLabel: k.token, TokenSerial: k.serial, Pin: string(pin),
		MaxSessions: 2, GCMIVLength: 12,
	})
	if err != nil {
		return fmt.Errorf("open the token: %w", err)
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	var id, label []byte
	if k.id != "" {
		id = []byte(k.id)
	}
	if k.object != "" {
		label = []byte(k.object)
	}
	keys, err := token.FindKeys(id, label)
	if err != nil {
		return fmt.Errorf("find the key %s: %w", k, err)
	}
	if len(keys) != 1 {
		return fmt.Errorf("the token has %d secret keys %s, but needs exactly one", len(keys), k)
	}
	aead, err := keys[0].NewGCM()
	if err != nil {
		return fmt.Errorf("use the key %s: %w", k, err)
	}
	return f(aead)
}

// temporary counts an absent token: the service of the module may start later. A wrong
// PIN never counts, because a token locks itself after a few.
func (tokenKey) temporary(err error) bool {
	var code pkcs11.Error
	if errors.As(err, &code) {
		return slices.Contains([]uint{
			pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_DEVICE_ERROR, pkcs11.CKR_DEVICE_MEMORY,
			pkcs11.CKR_HOST_MEMORY, pkcs11.CKR_SESSION_COUNT, pkcs11.CKR_SLOT_ID_INVALID,
		}, uint(code))
	}
	text := err.Error()
	return strings.Contains(text, "could not find PKCS#11 token") ||
		strings.Contains(text, "CKR_DEVICE_") || strings.Contains(text, "CKR_TOKEN_NOT_PRESENT")
}
