// Package pgp writes and reads OpenPGP messages. A message is encrypted to one key, optionally
// signed inside, and written as ASCII armor or binary.
//
// Messages follow the preferences of the recipient's key: AEAD (RFC 9580) if the key announces
// it, otherwise a modification detection code (RFC 4880). They always use AES and are never
// compressed. Messages without integrity protection, messages for passphrases, and unencrypted
// messages are not read.
//
// # Hostile messages
//
// Anyone with the public key can send any message, so reading is bounded: by the number of
// recipient keys that a message names, of signatures in it, and of layers of compression, and by
// [MaxInflated] for compressed content. This is why the package walks through the packets of a
// message itself and leaves only ciphers, keys, and signatures to go-crypto, whose own reader
// sets no such bounds. Nothing inside a message is processed before the integrity of the whole
// is certain.
//
// # Keys
//
// A key is a key block, armored or binary. A private key may be locked with a passphrase. Then
// every call that needs it also pays for unlocking it, which is slow by design: up to a tenth of
// a second. Keys whose parameters require more work or memory than those of any honest key are
// refused.
package pgp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// The reasons why a message is not written or not accepted. The errors name the stage and reveal
// nothing about the message or the key.
var (
	// ErrKey means that a key block does not parse, is of the wrong kind, has expired, or cannot
	// be unlocked with the passphrase.
	ErrKey = errors.New("the key is not usable")
	// ErrPublic is an [ErrKey] for a public key block that must be private.
	ErrPublic = fmt.Errorf("%w: it is a public key", ErrKey)
	// ErrMessage means that the message is not an encrypted OpenPGP message.
	ErrMessage = errors.New("the message is not an encrypted message")
	// ErrUnwrap means that the message is not encrypted to any of the keys.
	ErrUnwrap = errors.New("no key decrypts the message")
	// ErrDecrypt means that the content fails to decrypt, or is not permitted content.
	ErrDecrypt = errors.New("the content cannot be decrypted")
	// ErrSignature means that the message is not signed by any of the verifying keys.
	ErrSignature = errors.New("the signature is not valid")
)

// A Message says how a message is written. Both forms can be read.
type Message struct {
	// Binary omits the ASCII armor.
	Binary bool
}

// A Signer signs inside a message.
type Signer struct {
	// Key is a private key block.
	Key []byte
	// Passphrase unlocks it; nil if it is not locked.
	Passphrase []byte
}

// Encrypt returns the plaintext encrypted to the recipient's key block, public or private, and
// signed by the signer if it is not nil.
func (m Message) Encrypt(now time.Time, random io.Reader, recipient []byte, signer *Signer, plaintext []byte) ([]byte, error) {
	to, err := readKey(recipient)
	if err != nil {
		return nil, err
	}
	config := settings(now, random)
	if _, ok := to.EncryptionKey(now, config); !ok {
		return nil, ErrKey
	}
	var from []*openpgp.Entity
	if signer != nil {
		key, err := signer.unlock(now, config)
		if err != nil {
			return nil, err
		}
		from = append(from, key)
	}
	// Room for the packets, a signature, and the lines of the armor: 65 characters for every 48
	// bytes.
	var out bytes.Buffer
	out.Grow((len(plaintext)+4096)/48*65 + 256)
	if m.Binary {
		err = write(&out, to, from, config, plaintext)
	} else {
		err = writeArmored(&out, to, from, config, plaintext)
	}
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return out.Bytes(), nil
}

// settings returns the configuration of the library. The remaining defaults are strict enough:
// no weak hashes, no MD5, SHA-1 only in old self-signatures, RSA keys of at least 2,047 bits,
// and no unauthenticated messages.
func settings(now time.Time, random io.Reader) *packet.Config {
	return &packet.Config{
		Rand:          random,
		Time:          func() time.Time { return now },
		DefaultCipher: packet.CipherAES256,
	}
}

// unlock returns the key if it can sign.
func (s *Signer) unlock(now time.Time, config *packet.Config) (*openpgp.Entity, error) {
	entity, err := readKey(s.Key)
	if err != nil {
		return nil, err
	}
	key, ok := entity.SigningKey(now, config)
	switch {
	case !ok:
		return nil, ErrKey
	case key.PrivateKey == nil:
		return nil, ErrPublic
	}
	return entity, unlock(key.PrivateKey, s.Passphrase)
}

func write(w io.Writer, to *openpgp.Entity, from []*openpgp.Entity, config *packet.Config, plaintext []byte) error {
	content, err := openpgp.Encrypt(w, []*openpgp.Entity{to}, nil, from, nil, config)
	if err != nil {
		return err
	}
	// The ciphers copy each write immediately.
	for piece := range slices.Chunk(plaintext, 64<<10) {
		if _, err := content.Write(piece); err != nil {
			return err
		}
	}
	return content.Close()
}

func writeArmored(w io.Writer, to *openpgp.Entity, from []*openpgp.Entity, config *packet.Config, plaintext []byte) error {
	armored, err := armor.Encode(w, openpgp.MessageType, nil)
	if err != nil {
		return err
	}
	if err := write(armored, to, from, config, plaintext); err != nil {
		return err
	}
	return armored.Close()
}
