// Package pgp writes and reads OpenPGP messages: encrypted for one key, signed inside if
// wanted, as ASCII armor or binary.
//
// Messages are written as the recipient's key prefers: AEAD (RFC 9580) where the
// key announces it, otherwise with a modification detection code (RFC 4880), always with
// AES, never compressed. Messages without integrity protection, messages for
// passphrases and unencrypted ones are not read.
//
// # Hostile messages
//
// Whoever has the public key can send what they like, so that reading is bounded: by the
// number of keys a message says it is for, of signatures in it and of layers of
// compression, and by [MaxInflated] for compressed content. This is why the package
// walks through the packets of a message itself and leaves only ciphers, keys and
// signatures to go-crypto, whose own reader sets no such bounds. Nothing inside is
// looked at before the integrity of the whole is certain.
//
// # Keys
//
// A key is a key block, armored or binary. A private key may be locked with a passphrase;
// then every call that needs it pays for unlocking it, which is meant to be slow: up to
// a tenth of a second. Keys whose numbers ask for more work or memory than any honest
// one are refused.
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

// Why a message is not written or not accepted. The errors tell the stage and nothing of
// the message or the key.
var (
	// ErrKey means that a key block does not parse, is not of the needed kind, has expired
	// or does not open with the passphrase.
	ErrKey = errors.New("the key is not usable")
	// ErrPublic is an [ErrKey] of a key block that is public where a private one is needed.
	ErrPublic = fmt.Errorf("%w: it is a public key", ErrKey)
	// ErrMessage means that the message is not an encrypted OpenPGP message.
	ErrMessage = errors.New("the message is not an encrypted message")
	// ErrUnwrap means that the message is for none of the keys.
	ErrUnwrap = errors.New("no key opens the message")
	// ErrDecrypt means that the content does not open, or is not what may stand there.
	ErrDecrypt = errors.New("the content does not open")
	// ErrSignature means that none of the verifying keys has signed.
	ErrSignature = errors.New("the signature is not valid")
)

// A Message says how a message is written. Both forms are read.
type Message struct {
	// Binary leaves the ASCII armor away.
	Binary bool
}

// A Signer signs inside a message.
type Signer struct {
	// Key is a private key block.
	Key []byte
	// Passphrase unlocks it; nil if it is not locked.
	Passphrase []byte
}

// Encrypt returns the plaintext encrypted for the recipient's key block, public or
// private, and signed by the signer if it is not nil.
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
	// Room for packets, a signature, and the lines of the armor: 65 characters for 48
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

// settings returns what the library is to do. What is not set here is as careful as it
// should be: no weak hashes, no MD5, SHA-1 only in old self-signatures, RSA from 2,047
// bits, no unauthenticated messages.
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
	// The ciphers make copies of what they are given at once.
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
