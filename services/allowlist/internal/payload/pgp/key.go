package pgp

import (
	"bytes"
	"errors"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// The tags of packets that hold keys (RFC 9580 section 5).
const (
	tagSecretKey    = 5
	tagPublicKey    = 6
	tagSecretSubkey = 7
	tagPublicSubkey = 14
)

// The limits of a key block. A private RSA key of 8,192 bits takes 3.6 KB.
const (
	maxKeys     = 8 // including subkeys
	maxKeyBytes = 8 << 10
	minRSABits  = 2047 // some tools generate one bit less
	maxRSABits  = 8192
)

// The maximum work of Argon2 to unlock a key: the second recommended option of RFC 9106, 64 MiB.
// The parameters in a key could require 2 TiB.
const (
	maxArgonPasses    = 4
	maxArgonLanes     = 16
	maxArgonMemoryLog = 16 // in KiB
)

// readKey reads the first key of a key block, armored or binary.
func readKey(block []byte) (*openpgp.Entity, error) {
	if len(block) > 0 && block[0]&0x80 == 0 { // every packet begins with this bit
		armored, err := armor.Decode(bytes.NewReader(block))
		if err != nil || armored.Type != openpgp.PublicKeyType && armored.Type != openpgp.PrivateKeyType {
			return nil, ErrKey
		}
		if block, err = io.ReadAll(armored.Body); err != nil {
			return nil, ErrKey
		}
	}
	if err := checkPackets(block); err != nil {
		return nil, err
	}
	list, err := openpgp.ReadKeyRing(bytes.NewReader(block))
	if err != nil || len(list) == 0 {
		return nil, ErrKey
	}
	return list[0], nil
}

// checkPackets checks the packets of a key block before the library parses their contents. A
// crafted block could otherwise make the library use unlimited time and memory.
func checkPackets(block []byte) error {
	r := packet.NewOpaqueReader(bytes.NewReader(block))
	for n := 0; ; {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return ErrKey
		}
		switch p.Tag {
		case tagSecretKey, tagPublicKey, tagSecretSubkey, tagPublicSubkey:
			if n++; n > maxKeys || checkKey(p) != nil {
				return ErrKey
			}
		}
	}
}

// checkKey refuses keys whose size or lock exceeds that of an honest key.
func checkKey(p *packet.OpaquePacket) error {
	content := p.Contents
	if len(content) == 0 || len(content) > maxKeyBytes {
		return ErrKey
	}
	// A secret key begins with the fields of the public key.
	beginning := &packet.OpaquePacket{Tag: tagPublicKey, Contents: content}
	parsed, _ := beginning.Parse()
	public, ok := parsed.(*packet.PublicKey)
	if !ok {
		return nil // of an unknown kind: the library skips it
	}
	if bits, err := public.BitLength(); err != nil || isRSA(public) && (bits < minRSABits || bits > maxRSABits) {
		return ErrKey
	}
	if p.Tag == tagPublicKey || p.Tag == tagPublicSubkey {
		return nil
	}
	var prefix, whole bytes.Buffer
	if public.SerializeSignaturePrefix(&prefix) != nil || public.SerializeForHash(&whole) != nil {
		return ErrKey
	}
	size := whole.Len() - prefix.Len()
	if size > len(content) {
		return ErrKey
	}
	return checkLock(content[size:], content[0] == 6)
}

func isRSA(key *packet.PublicKey) bool {
	switch key.PubKeyAlgo {
	case packet.PubKeyAlgoRSA, packet.PubKeyAlgoRSAEncryptOnly, packet.PubKeyAlgoRSASignOnly:
		return true
	}
	return false
}

// checkLock refuses a lock of a secret key (RFC 9580 section 5.5.3) that needs too much memory
// to unlock. It leaves unknown locks to the library.
func checkLock(lock []byte, v6 bool) error {
	const aead, argon2 = 253, 4
	if len(lock) == 0 || lock[0] != aead { // Argon2 is used with AEAD only
		return nil
	}
	skip := 3 // the usage, the cipher, the mode
	if v6 {
		skip += 2 // the lengths of all parameters and of the next field
	}
	if len(lock) < skip+1 || lock[skip] != argon2 {
		return nil
	}
	numbers := lock[skip+1:]
	const salt = 16
	if len(numbers) < salt+3 {
		return ErrKey
	}
	passes, lanes, memory := numbers[salt], numbers[salt+1], numbers[salt+2]
	if passes > maxArgonPasses || lanes > maxArgonLanes || memory > maxArgonMemoryLog {
		return ErrKey
	}
	return nil
}

// unlock opens a private key in place if it is locked.
func unlock(key *packet.PrivateKey, passphrase []byte) error {
	if key.Dummy() {
		return ErrKey
	}
	if !key.Encrypted {
		return nil
	}
	if len(passphrase) == 0 || key.Decrypt(passphrase) != nil {
		return ErrKey
	}
	return nil
}
