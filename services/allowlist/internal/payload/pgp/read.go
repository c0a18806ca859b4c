package pgp

import (
	"bytes"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// MaxInflated is the maximum length of the plaintext of a compressed message.
const MaxInflated = 32 << 20

// The limits of a message.
const (
	maxRecipients = 16
	maxSignatures = 8
)

// skew is how far a signer's clock may be ahead of ours.
const skew = 5 * time.Minute

// Decrypt decrypts a message with one of the private key blocks, and returns the position of
// that key. The passphrase unlocks locked keys. If verifiers, which are public key blocks, are
// given, one of them must have signed inside; otherwise signatures are ignored.
func Decrypt(now time.Time, keys [][]byte, passphrase []byte, verifiers [][]byte, message []byte) (plaintext []byte, which int, err error) {
	ours, err := readKeys(keys)
	if err != nil {
		return nil, 0, err
	}
	theirs, err := readKeys(verifiers)
	if err != nil {
		return nil, 0, err
	}
	binary, err := unarmored(message)
	if err != nil {
		return nil, 0, err
	}
	// The library needs no randomness to read.
	r := &reading{keys: ours, passphrase: passphrase, config: settings(now.Add(skew), nil)}
	content, which, err := r.open(packet.NewReader(binary), len(message))
	if err != nil {
		return nil, 0, err
	}
	plaintext, err = r.read(content, ours[which], theirs)
	if err != nil {
		return nil, 0, err
	}
	return plaintext, which, nil
}

// readKeys reads the first key of each block.
func readKeys(blocks [][]byte) (openpgp.EntityList, error) {
	list := make(openpgp.EntityList, 0, len(blocks))
	for _, block := range blocks {
		key, err := readKey(block)
		if err != nil {
			return nil, err
		}
		list = append(list, key)
	}
	return list, nil
}

// unarmored returns the packets of a message in either form. Only white space may surround the
// armor, so that no part of the message goes unread.
func unarmored(message []byte) (io.Reader, error) {
	if len(message) > 0 && message[0]&0x80 != 0 {
		return bytes.NewReader(message), nil
	}
	text := bytes.TrimSpace(message)
	if !bytes.HasPrefix(text, []byte("-----BEGIN PGP MESSAGE-----")) || !bytes.HasSuffix(text, []byte("-----END PGP MESSAGE-----")) {
		return nil, ErrMessage
	}
	if bytes.Count(text, []byte("-----END ")) != 1 {
		return nil, ErrMessage
	}
	block, err := armor.Decode(bytes.NewReader(text))
	if err != nil {
		return nil, ErrMessage
	}
	return block.Body, nil
}

// A reading is one call of Decrypt.
type reading struct {
	keys       openpgp.EntityList
	passphrase []byte
	config     *packet.Config
}

// open returns the packets inside the encrypted data after checking its integrity, and the
// position of the key that decrypted it. Size is the size of the message.
func (r *reading) open(packets *packet.Reader, size int) (content []byte, which int, err error) {
	var wrapped []*packet.EncryptedKey
	for n := 0; ; n++ {
		p, err := packets.Next()
		if err != nil || n > maxRecipients {
			return nil, 0, ErrMessage
		}
		switch p := p.(type) {
		case *packet.EncryptedKey:
			wrapped = append(wrapped, p)
		case *packet.SymmetricKeyEncrypted: // for the holder of a passphrase
		case *packet.SymmetricallyEncrypted:
			if !p.IntegrityProtected {
				return nil, 0, ErrMessage
			}
			return r.decrypt(wrapped, p, size)
		case *packet.AEADEncrypted:
			return r.decrypt(wrapped, p, size)
		default:
			return nil, 0, ErrMessage
		}
	}
}

// decrypt tries our keys for the recipients that the message names, and decrypts the data with
// the first session key that it finds.
func (r *reading) decrypt(wrapped []*packet.EncryptedKey, data packet.EncryptedDataPacket, size int) (content []byte, which int, err error) {
	for which, entity := range r.keys {
		for _, w := range wrapped {
			// The key of an old message may have expired since.
			for _, key := range entity.DecryptionKeys(w.KeyId, time.Time{}, r.config) {
				if key.PrivateKey == nil {
					return nil, 0, ErrPublic
				}
				if err := unlock(key.PrivateKey, r.passphrase); err != nil {
					return nil, 0, err
				}
				if w.Decrypt(key.PrivateKey, r.config) != nil {
					continue
				}
				content, err := readAll(data, w, size)
				return content, which, err
			}
		}
	}
	return nil, 0, ErrUnwrap
}

// readAll decrypts the data and checks its integrity to the end. On failure, it keeps no
// plaintext.
func readAll(data packet.EncryptedDataPacket, w *packet.EncryptedKey, size int) ([]byte, error) {
	defer clear(w.Key)
	stream, err := data.Decrypt(w.CipherFunc, w.Key)
	if err != nil {
		return nil, ErrDecrypt
	}
	content := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	if _, err := content.ReadFrom(stream); err != nil {
		return nil, ErrDecrypt
	}
	if stream.Close() != nil {
		return nil, ErrDecrypt
	}
	return content.Bytes(), nil
}

// read returns the plaintext of the packets. If there are verifiers, one of them must have
// signed it. Entity owns the key that decrypted the message.
func (r *reading) read(content []byte, entity *openpgp.Entity, verifiers openpgp.EntityList) ([]byte, error) {
	if err := checkContent(content); err != nil {
		return nil, err
	}
	limit, recipients := int64(MaxInflated), false
	config := *r.config
	config.MaxDecompressedMessageSize = &limit
	config.CheckIntendedRecipients = &recipients // the library cannot check this: it takes the packets for an unencrypted message
	message, err := openpgp.ReadMessage(bytes.NewReader(content), verifiers, nil, &config)
	if err != nil {
		return nil, ErrDecrypt
	}
	plaintext := bytes.NewBuffer(make([]byte, 0, len(content)+bytes.MinRead))
	if _, err := plaintext.ReadFrom(message.UnverifiedBody); err != nil {
		return nil, ErrDecrypt
	}
	if len(verifiers) > 0 && !signed(message, entity) {
		return nil, ErrSignature
	}
	return plaintext.Bytes(), nil
}

// signed reports whether a verifier signed the message, and did so for this recipient if the
// signature names recipients.
func signed(message *openpgp.MessageDetails, recipient *openpgp.Entity) bool {
	if !message.IsVerified || message.SignatureError != nil || message.Signature == nil || message.SignedBy == nil {
		return false
	}
	if len(message.Signature.IntendedRecipients) == 0 {
		return true
	}
	for _, intended := range message.Signature.IntendedRecipients {
		if bytes.Equal(intended.Fingerprint, recipient.PrimaryKey.Fingerprint) {
			return true
		}
	}
	return false
}

// checkContent checks the packets before the literal data, because the library accepts any
// number of signatures and of nested layers of compression.
func checkContent(content []byte) error {
	packets := packet.NewReader(bytes.NewReader(content))
	compressed := false
	for range maxSignatures + 2 { // the signatures, the compression, and the data
		p, err := packets.Next()
		if err != nil {
			return ErrDecrypt
		}
		switch p := p.(type) {
		case *packet.LiteralData:
			return nil
		case *packet.OnePassSignature, *packet.Signature:
		case *packet.Compressed:
			if compressed {
				return ErrDecrypt
			}
			compressed = true
			limit := int64(MaxInflated)
			if packets.Push(p.LimitedBodyReader(&limit)) != nil {
				return ErrDecrypt
			}
		default:
			return ErrDecrypt
		}
	}
	return ErrDecrypt
}
