package payload

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/compile"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// A Pipeline protects the messages of one direction. It is immutable and may be
// used from many goroutines.
type Pipeline struct{ plan *compile.Plan }

// EncryptReferences returns what [Pipeline.Encrypt] needs.
func (p *Pipeline) EncryptReferences() []message.Reference {
	return message.References(p.plan.ToEncrypt)
}

// DecryptReferences returns what [Pipeline.Decrypt] needs: the keys that may open, in
// the order in which they are tried, and those that may have signed.
func (p *Pipeline) DecryptReferences() []message.Reference {
	return message.References(p.plan.ToDecrypt)
}

// VerifyReferences returns what [Pipeline.Verify] needs: the keys that may have signed,
// and where the plaintext was signed those of Decrypt. Empty if nothing is signed.
func (p *Pipeline) VerifyReferences() []message.Reference { return message.References(p.plan.ToVerify) }

// Signs reports whether messages are signed.
func (p *Pipeline) Signs() bool { return p.plan.Signer != nil }

// NeedsExchange reports whether a message needs what it answers.
func (p *Pipeline) NeedsExchange() bool { return p.plan.NeedsExchange }

// AnswersOnce reports whether the exchange fixes key and IV, so that two different
// answers to one message must not be encrypted.
func (p *Pipeline) AnswersOnce() bool { return p.plan.AnswersOnce }

// Repeats reports whether the same answer to the same message is the same ciphertext. A
// signature inside, which may be random or have a time, makes it another one.
func (p *Pipeline) Repeats() bool { return p.plan.Nested == nil }

// ShowsKey reports whether who has messages decrypted at will can learn the key, so
// that tests and diagnoses with live keys are refused.
func (p *Pipeline) ShowsKey() bool { return p.plan.ShowsKey }

// IsOracle reports whether what is made of chosen messages tells what another
// configuration makes of the same secret, so that tests with live keys are refused: all
// that is not encryption under a random IV.
func (p *Pipeline) IsOracle() bool { return p.plan.Oracle }

// begin begins a message with the keys that were resolved for needs.
//
// The message wipes the keys that are decoded and made for it. What libraries make of keys is kept
// for the next message ([keys.Cache]), or erased by [memory.Do] where a step makes it: to run all of a message
// within Do would take several times as long as the message.
func (p *Pipeline) begin(in message.Input, needs []message.Need, goesOut bool) (*message.Message, error) {
	if in.Random == nil {
		in.Random = rand.Reader
	}
	memory.Used()
	ring, err := message.NewRing(needs, in.Keys)
	if err != nil {
		return nil, err
	}
	return message.New(in, ring, p.plan.WorkLimit), p.plan.CheckAcknowledged(in.Now, goesOut)
}

// Encrypt protects a body that goes out.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired or is for
// decryption only, with KEY_NOT_USABLE if a key does not decode or does not fit, with
// BODY_NOT_ENCRYPTABLE if the body is not what the selection needs, with INVALID_FIELD
// if the signature covers what the context does not have, with [ErrExchange], and as
// [Input].Turn and [Input].Nonces do.
func (p *Pipeline) Encrypt(in message.Input) (message.Output, error) {
	m, err := p.begin(in, p.plan.ToEncrypt, true)
	if err != nil {
		return message.Output{}, err
	}
	defer m.Close()
	out := message.Output{Body: in.Body, ContentType: p.plan.ContentType}
	if p.plan.Kind != nil {
		if err := p.protect(m, &out); err != nil {
			return message.Output{}, err
		}
	}
	if p.plan.Signer != nil {
		if err := p.plan.Signer.Sign(m, &out); err != nil {
			return message.Output{}, err
		}
	}
	slices.SortFunc(out.Headers, func(a, b message.Header) int { return cmp.Compare(a.Name, b.Name) })
	out.Used, out.Exchange = m.Ring.Used, m.Answer
	return out, nil
}

// protect encrypts the selected values of a body.
func (p *Pipeline) protect(m *message.Message, out *message.Output) error {
	if err := p.suffixes(m); err != nil {
		return err
	}
	nested, err := p.plan.Nested.Signing(m)
	if err != nil {
		return err
	}
	sealing, err := p.plan.Kind.Sealing(m)
	if err != nil {
		return err
	}
	w := envelope.NewWriter(m, p.plan.Envelope, nested, sealing)
	if out.Body, err = p.plan.Selection.Encrypt(m.Body, w); err != nil {
		if unfit, ok := errors.AsType[*selection.BodyError](err); ok {
			return message.NotEncryptable(unfit.Reason, unfit.Path)
		}
		if errors.Is(err, message.ErrTooMuchWork) {
			return message.NotEncryptable("the selected values take too much work in all: each has a key, a signature or a slow derivation of its own", "")
		}
		return err
	}
	out.Headers, err = w.WriteHeaders()
	return err
}

// Decrypt opens a body that came in, which it leaves as it is, and verifies its
// signature where the profile signs: before, unless it covers the plaintext. Where the
// kind is a mere whole body the result may be large; it is the caller's.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE as Encrypt does, with
// SIGNATURE_INVALID, and with DECRYPTION_FAILED for whatever is wrong with the body;
// [Stage] tells where.
func (p *Pipeline) Decrypt(in message.Input) (message.Output, error) {
	return p.receive(in, p.plan.ToDecrypt, true)
}

// Verify checks the signature of a message that came in. It fails with
// SIGNATURE_INVALID for whatever is wrong with it, and as Decrypt does where the
// signature covers the plaintext. What is not signed does not verify.
func (p *Pipeline) Verify(in message.Input) (message.Output, error) {
	if p.plan.Signer == nil {
		return message.Output{}, message.BadSignature("Messages of this kind are not signed by the configuration: kind may be another one.")
	}
	out, err := p.receive(in, p.plan.ToVerify, false)
	if err == nil {
		out.Body = in.Body
	}
	return out, err
}

// receive opens and verifies a message.
func (p *Pipeline) receive(in message.Input, needs []message.Need, open bool) (message.Output, error) {
	m, err := p.begin(in, needs, false)
	if err != nil {
		return message.Output{}, err
	}
	defer m.Close()
	out := message.Output{Body: in.Body}
	ofPlaintext := p.plan.Signer != nil && p.plan.Kind != nil && p.plan.Signer.Compiled.NeedsPlaintext()
	if p.plan.Signer != nil && !ofPlaintext {
		if err := p.plan.Signer.Verify(m, in.Body, p.plan.Kind == nil, &out); err != nil {
			return message.Output{}, err
		}
	}
	if p.plan.Kind != nil && (open || ofPlaintext) {
		if out.Body, err = p.open(m); err != nil {
			if ofPlaintext && message.Stage(err) != "" {
				err = p.notVerified(m, out.Body, err)
			}
			clear(out.Body)
			return message.Output{}, err
		}
	}
	if ofPlaintext {
		if err := p.plan.Signer.Verify(m, out.Body, true, &out); err != nil {
			clear(out.Body)
			if p.plan.OneStage && message.Stage(err) != "" {
				err = message.NotSigned(message.ErrCipher)
			}
			return message.Output{}, err
		}
	}
	out.Used, out.Exchange = m.Ring.Used, m.Answer
	return out, nil
}

// notVerified returns the answer to a message whose signature is over a plaintext that does
// not open: the one of a wrong signature, after about the same time. What tells bad
// padding from a bad signature opens CBC.
func (p *Pipeline) notVerified(m *message.Message, opened []byte, refused error) error {
	if opened == nil {
		opened = m.Body
	}
	err := p.plan.Signer.Verify(m, opened, true, new(message.Output))
	if err != nil && message.Stage(err) == "" {
		return err // about our side
	}
	at, _ := errors.AsType[message.StageError](refused)
	return message.NotSigned(at)
}

// open decrypts the selected values of a body. A body that is spoiled comes with the error.
func (p *Pipeline) open(m *message.Message) ([]byte, error) {
	opened, err := p.tryOpen(m)
	if err == nil && m.JSON && p.plan.Whole && !validJSON(opened) { // of what is spoiled, too: see plaintext.go
		err = selection.ErrValue
	}
	switch {
	case err == nil && !m.Spoiled:
		return opened, nil
	case err == nil:
		err = message.ErrCipher
	case errors.Is(err, selection.ErrSelect):
		err = message.ErrSelect
	case errors.Is(err, selection.ErrValue):
		err = message.ErrValue
	case errors.Is(err, message.ErrTooMuchWork):
		err = message.ErrDerive
	}
	if message.Stage(err) == "" {
		return nil, err
	}
	if p.plan.OneStage && m.Tried {
		err = message.ErrCipher
	}
	return opened, message.NotOpened(err)
}

func (p *Pipeline) tryOpen(m *message.Message) ([]byte, error) {
	if err := p.suffixes(m); err != nil {
		return nil, message.ErrSelect
	}
	nested, err := p.plan.Nested.Verifying(m)
	if err != nil {
		return nil, err
	}
	opening, err := p.plan.Kind.Opening(m)
	if err != nil {
		return nil, err
	}
	return p.plan.Selection.Decrypt(m.Body, envelope.NewParser(m, p.plan.Envelope, nested, opening))
}

// suffixes finds the ends of values that the encryption needs. They are not encrypted,
// so that they are the same on both sides.
func (p *Pipeline) suffixes(m *message.Message) (err error) {
	if p.plan.IvSuffix != nil {
		if m.IvSuffix, err = p.plan.IvSuffix.Of(m.Body); err != nil {
			return fmt.Errorf("find iv: %w", err)
		}
	}
	if p.plan.AadSuffix != nil {
		if m.AadSuffix, err = p.plan.AadSuffix.Of(m.Body); err != nil {
			return fmt.Errorf("find associated data: %w", err)
		}
	}
	return nil
}
