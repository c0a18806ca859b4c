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
type Pipeline struct {
	acknowledged []acknowledgement

	// Without keys the body stays as it is, and these are unset.
	keys        []keySource
	suite       suite
	selection   selection
	envelope    *envelope
	contentType string

	signer *signer // nil: not signed
}

// EncryptReferences returns what [Pipeline.Encrypt] needs, in this order: the key
// that encrypts and the key that signs, as far as they are configured.
func (p *Pipeline) EncryptReferences() []Reference {
	var refs []Reference
	if len(p.keys) > 0 {
		refs = append(refs, p.keys[0].Reference)
	}
	if p.signer != nil {
		refs = append(refs, p.signer.key.Reference)
	}
	return refs
}

// encryptKeys returns how many references encryption has.
func (p *Pipeline) encryptKeys() int {
	n := min(len(p.keys), 1)
	if p.signer != nil {
		n++
	}
	return n
}

// DecryptReferences returns what [Pipeline.Decrypt] needs: the keys that may
// open, in the order in which they are tried.
func (p *Pipeline) DecryptReferences() []Reference {
	refs := make([]Reference, len(p.keys))
	for i, key := range p.keys {
		refs[i] = key.Reference
	}
	return refs
}

var errKeyCount = errors.New("payload: the keys are not those of the references")

// Encrypt protects a body that goes out. The result may share memory with body.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired, with
// KEY_NOT_USABLE if a key does not decode or has the wrong length, and with
// BODY_NOT_ENCRYPTABLE if the body is not what the selection needs.
func (p *Pipeline) Encrypt(now time.Time, random io.Reader, keys Keys, body []byte) (Message, error) {
	if len(keys) != p.encryptKeys() {
		return Message{}, errKeyCount
	}
	if err := p.checkAcknowledged(now); err != nil {
		return Message{}, err
	}
	message := Message{Body: body, ContentType: p.contentType}
	if len(p.keys) > 0 {
		b, err := p.suite.newBox(p.keys[0], keys[0])
		if err != nil {
			return Message{}, err
		}
		message.Body, err = p.selection.encrypt(&sealer{envelope: p.envelope}, b, random, body)
		if err != nil {
			return Message{}, err
		}
		keys = keys[1:]
	}
	if p.signer != nil {
		headers, err := p.signer.sign(keys[0], message.Body)
		if err != nil {
			return Message{}, err
		}
		message.Headers = headers
	}
	return message, nil
}

// Decrypt opens a body that came in. The result may share memory with body, which
// it leaves as it is.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE as Encrypt does, and
// with DECRYPTION_FAILED for whatever is wrong with the body. The cause inside
// that fault names the stage, for the log.
func (p *Pipeline) Decrypt(now time.Time, keys Keys, body []byte) ([]byte, error) {
	if len(keys) != len(p.keys) {
		return nil, errKeyCount
	}
	if err := p.checkAcknowledged(now); err != nil {
		return nil, err
	}
	if len(p.keys) == 0 {
		return body, nil
	}
	boxes := make([]box, len(keys))
	for i, key := range keys {
		b, err := p.suite.newBox(p.keys[i], key)
		if err != nil {
			return nil, err
		}
		boxes[i] = b
	}
	opened, err := p.selection.decrypt(&sealer{envelope: p.envelope}, boxes, body)
	if err != nil {
		return nil, notOpened(err)
	}
	return opened, nil
}
