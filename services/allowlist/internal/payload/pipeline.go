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

// A Pipeline protects the messages of one direction. It is immutable and safe for concurrent use.
type Pipeline struct{ plan *compile.Plan }

// EncryptReferences returns the references that [Pipeline.Encrypt] needs.
func (p *Pipeline) EncryptReferences() []message.Reference {
	return message.References(p.plan.ToEncrypt)
}

// DecryptReferences returns the references that [Pipeline.Decrypt] needs: the candidate decryption
// keys, in the order in which they are tried, and the candidate verification keys.
func (p *Pipeline) DecryptReferences() []message.Reference {
	return message.References(p.plan.ToDecrypt)
}

// VerifyReferences returns the references that [Pipeline.Verify] needs: the candidate verification
// keys, and the references of Decrypt if the signature covers the plaintext. It returns nothing if
// messages are not signed.
func (p *Pipeline) VerifyReferences() []message.Reference { return message.References(p.plan.ToVerify) }

// Signs reports whether messages are signed.
func (p *Pipeline) Signs() bool { return p.plan.Signer != nil }

// NeedsExchange reports whether a message needs the exchange of the message that it answers.
func (p *Pipeline) NeedsExchange() bool { return p.plan.NeedsExchange }

// AnswersOnce reports whether the exchange determines the key and the IV, so that two different
// answers to one message must not be encrypted.
func (p *Pipeline) AnswersOnce() bool { return p.plan.AnswersOnce }

// Repeats reports whether encrypting the same answer to the same message again results in the same
// ciphertext. A nested signature prevents this, because it may be random or contain a time.
func (p *Pipeline) Repeats() bool { return p.plan.Nested == nil }

// ShowsKey reports whether a caller that can have arbitrary messages decrypted could learn the
// key. Tests and diagnoses with live keys are then refused.
func (p *Pipeline) ShowsKey() bool { return p.plan.ShowsKey }

// IsOracle reports whether the output for chosen messages reveals what another configuration
// computes from the same secret. This is so for everything except encryption under a random IV.
// Tests with live keys are then refused.
func (p *Pipeline) IsOracle() bool { return p.plan.Oracle }

// begin begins a message with the keys that were resolved for needs.
//
// The message wipes the keys that are decoded and derived for it. Objects that libraries build
// from keys are cached for the next message ([keys.Cache]), or erased by [memory.Do] in the step
// that creates them. Running all of a message within Do would take several times as long.
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

// Encrypt protects an outgoing body.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired or is for decryption
// only, with KEY_NOT_USABLE if a key does not decode or does not fit, with BODY_NOT_ENCRYPTABLE if
// the body does not match the selection, with INVALID_FIELD if the signature covers something that
// the context lacks, with [ErrExchange], and with the errors of [Input].Turn and [Input].Nonces.
func (p *Pipeline) Encrypt(in message.Input) (message.Output, error) {
	m, err := p.begin(in, p.plan.ToEncrypt, true)
	if err != nil {
		return message.Output{}, err
	}
	defer m.Close()
	out := message.Output{Body: in.Body, ContentType: p.plan.ContentType}
	if p.plan.SignsPlaintext() {
		if err := p.sign(m, &out); err != nil {
			return message.Output{}, err
		}
		if p.plan.Signer.Compiled.ChangesBody() {
			m.Body = m.Own(out.Body) // another copy of the plaintext
		}
	}
	if err := p.protect(m, &out); err != nil {
		return message.Output{}, err
	}
	if !p.plan.SignsPlaintext() {
		if err := p.sign(m, &out); err != nil {
			return message.Output{}, err
		}
	}
	slices.SortFunc(out.Headers, func(a, b message.Header) int { return cmp.Compare(a.Name, b.Name) })
	out.Used, out.Exchange = m.Ring.Used, m.Answer
	return out, nil
}

// sign signs a message, before or after it is encrypted.
func (p *Pipeline) sign(m *message.Message, out *message.Output) error {
	if p.plan.Signer == nil {
		return nil
	}
	return p.plan.Signer.Sign(m, out)
}

// protect encrypts the selected values of a body.
func (p *Pipeline) protect(m *message.Message, out *message.Output) error {
	if p.plan.Kind == nil {
		return nil
	}
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
			return message.NotEncryptable("the selected values take too much work in total: each has a separate key, signature, or slow derivation", "")
		}
		return err
	}
	headers, err := w.WriteHeaders()
	out.Headers = append(out.Headers, headers...)
	return err
}

// Decrypt decrypts a received body, which it does not modify, and verifies its signature if the
// profile signs messages. It verifies first, unless the signature covers the plaintext. The caller
// owns the result, which may be large if the whole body is encrypted.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE like Encrypt, with SIGNATURE_INVALID,
// and with DECRYPTION_FAILED for any problem with the body; [Stage] says where.
func (p *Pipeline) Decrypt(in message.Input) (message.Output, error) {
	return p.receive(in, p.plan.ToDecrypt, true)
}

// Verify checks the signature of a received message. It fails with SIGNATURE_INVALID for any
// problem with the signature, and like Decrypt if the signature covers the plaintext. Messages
// without a signature do not verify.
func (p *Pipeline) Verify(in message.Input) (message.Output, error) {
	if p.plan.Signer == nil {
		return message.Output{}, message.BadSignature("The configuration does not sign messages of this kind. Check whether kind is right.")
	}
	out, err := p.receive(in, p.plan.ToVerify, false)
	if err == nil {
		out.Body = in.Body
	}
	return out, err
}

// receive decrypts and verifies a message.
func (p *Pipeline) receive(in message.Input, needs []message.Need, open bool) (message.Output, error) {
	m, err := p.begin(in, needs, false)
	if err != nil {
		return message.Output{}, err
	}
	defer m.Close()
	out := message.Output{Body: in.Body}
	ofPlaintext := p.plan.VerifiesPlaintext()
	if p.plan.Signer != nil && !p.plan.SignsPlaintext() {
		if m.Body, err = p.plan.Signer.Strip(in.Body); err != nil {
			return message.Output{}, err
		}
		out.Body = m.Body
	}
	if p.plan.Signer != nil && !ofPlaintext {
		if err := p.plan.Signer.Verify(m, in.Body, m.Body, p.plan.Kind == nil, &out); err != nil {
			return message.Output{}, err
		}
	}
	if p.plan.Kind != nil && (open || ofPlaintext) {
		if out.Body, err = p.open(m); err != nil {
			if ofPlaintext && message.Stage(err) != "" {
				err = p.notVerified(m, in.Body, out.Body, err)
			}
			clear(out.Body)
			return message.Output{}, err
		}
	}
	if ofPlaintext {
		if err := p.verifyPlaintext(m, in.Body, &out); err != nil {
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

// verifyPlaintext verifies a signature that covers the plaintext, and removes from the plaintext what
// the signature added to it.
func (p *Pipeline) verifyPlaintext(m *message.Message, received []byte, out *message.Output) error {
	if !p.plan.SignsPlaintext() {
		return p.plan.Signer.Verify(m, received, out.Body, true, out)
	}
	stripped, err := p.plan.Signer.Strip(out.Body)
	if err != nil {
		return err
	}
	if err := p.plan.Signer.Verify(m, out.Body, stripped, true, out); err != nil {
		return err
	}
	out.Body = stripped
	return nil
}

// notVerified returns the error for a message whose signature covers a plaintext that fails to
// decrypt: the same as for a wrong signature, after about the same time. Telling bad padding from
// a bad signature would let an attacker decrypt CBC.
func (p *Pipeline) notVerified(m *message.Message, received, opened []byte, refused error) error {
	if opened == nil {
		opened = m.Body
	}
	if p.plan.SignsPlaintext() {
		received = opened
	}
	err := p.plan.Signer.Verify(m, received, opened, true, new(message.Output))
	if err != nil && message.Stage(err) == "" {
		return err // concerns our side
	}
	at, _ := errors.AsType[message.StageError](refused)
	return message.NotSigned(at)
}

// open decrypts the selected values of a body. It returns a spoiled body together with the error.
func (p *Pipeline) open(m *message.Message) ([]byte, error) {
	opened, err := p.tryOpen(m)
	if err == nil && m.JSON && p.plan.Whole && !validJSON(opened) { // also if spoiled: see plaintext.go
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

// suffixes finds the ends of values that the encryption needs. They are not encrypted, so that
// both sides see the same bytes.
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
