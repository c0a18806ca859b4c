package payload

import (
	"errors"
	"io"
	"time"

	"github.com/keyward/keyward/pkg/sensitive"
)

// A Reference is a key that has to be resolved.
type Reference struct {
	// Secret is the secret's resource name.
	Secret string
	// Version is the version to use; 0 is the current one.
	Version uint32
}

// Keys are the stored bytes of resolved references, in the order of the
// references. Whoever resolved them zeroes them; nothing here keeps them.
type Keys []sensitive.Bytes

// A Header is an HTTP header field.
type Header struct{ Name, Value string }

// A Message is what goes out.
type Message struct {
	Body []byte
	// Headers are those that signing adds, ordered by name.
	Headers []Header
	// ContentType is empty where the body is not encrypted and keeps its own.
	ContentType string
}

// A Pipeline protects the messages of one direction. It is immutable and may be
// used from many goroutines.
type Pipeline struct{}

// EncryptReferences returns what [Pipeline.Encrypt] needs.
func (p *Pipeline) EncryptReferences() []Reference { return nil }

// DecryptReferences returns what [Pipeline.Decrypt] needs.
func (p *Pipeline) DecryptReferences() []Reference { return nil }

// Encrypt protects a body that goes out. The result may share memory with body.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired, with
// KEY_NOT_USABLE if a key does not decode or has the wrong length, and with
// BODY_NOT_ENCRYPTABLE if the body is not what the selection needs.
func (p *Pipeline) Encrypt(now time.Time, random io.Reader, keys Keys, body []byte) (Message, error) {
	return Message{}, errors.New("encrypt: no cipher")
}

// Decrypt opens a body that came in. The result may share memory with body, which
// it leaves as it is.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE as Encrypt does, and
// with DECRYPTION_FAILED for whatever is wrong with the body.
func (p *Pipeline) Decrypt(now time.Time, keys Keys, body []byte) ([]byte, error) {
	return nil, errors.New("decrypt: no cipher")
}
