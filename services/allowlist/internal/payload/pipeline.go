package payload

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

// A Pipeline protects the messages of one direction. It is immutable and may be
// used from many goroutines.
type Pipeline struct{ plan *plan }

// EncryptReferences returns what [Pipeline.Encrypt] needs.
func (p *Pipeline) EncryptReferences() []Reference { return references(p.plan.toEncrypt) }

// DecryptReferences returns what [Pipeline.Decrypt] needs: the keys that may open, in
// the order in which they are tried, and those that may have signed.
func (p *Pipeline) DecryptReferences() []Reference { return references(p.plan.toDecrypt) }

// VerifyReferences returns what [Pipeline.Verify] needs: the keys that may have signed,
// and where the plaintext was signed those of Decrypt. Empty if nothing is signed.
func (p *Pipeline) VerifyReferences() []Reference { return references(p.plan.toVerify) }

// Signs reports whether messages are signed.
func (p *Pipeline) Signs() bool { return p.plan.signer != nil }

// NeedsExchange reports whether a message needs what it answers.
func (p *Pipeline) NeedsExchange() bool { return p.plan.needsExchange }

// AnswersOnce reports whether the exchange fixes key and IV, so that two different
// answers to one message must not be encrypted.
func (p *Pipeline) AnswersOnce() bool { return p.plan.answersOnce }

// Repeats reports whether the same answer to the same message is the same ciphertext. A
// signature inside, which may be random or have a time, makes it another one.
func (p *Pipeline) Repeats() bool { return p.plan.nested == nil }

// ShowsKey reports whether who has messages decrypted at will can learn the key, so
// that tests and diagnoses with live keys are refused.
func (p *Pipeline) ShowsKey() bool { return p.plan.showsKey }

// IsOracle reports whether what is made of chosen messages tells what another
// configuration makes of the same secret, so that tests with live keys are refused: all
// that is not encryption under a random IV.
func (p *Pipeline) IsOracle() bool { return p.plan.oracle }

// begin begins a message with the keys that were resolved for needs.
//
// The message wipes the keys that are decoded and made for it. What libraries make of keys is kept
// for the next message ([keys.Cache]), or erased by [memory.Do] where a step makes it: to run all of a message
// within Do would take several times as long as the message.
func (p *Pipeline) begin(in Input, needs []need, goesOut bool) (*message, error) {
	if in.Random == nil {
		in.Random = rand.Reader
	}
	memory.Used()
	ring, err := newRing(needs, in.Keys)
	if err != nil {
		return nil, err
	}
	return newMessage(in, ring, p.plan.workLimit), p.plan.checkAcknowledged(in.Now, goesOut)
}

// Encrypt protects a body that goes out.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED if an acknowledgement has expired or is for
// decryption only, with KEY_NOT_USABLE if a key does not decode or does not fit, with
// BODY_NOT_ENCRYPTABLE if the body is not what the selection needs, with INVALID_FIELD
// if the signature covers what the context does not have, with [ErrExchange], and as
// [Input].Turn and [Input].Nonces do.
func (p *Pipeline) Encrypt(in Input) (Output, error) {
	m, err := p.begin(in, p.plan.toEncrypt, true)
	if err != nil {
		return Output{}, err
	}
	defer m.close()
	out := Output{Body: in.Body, ContentType: p.plan.contentType}
	if p.plan.kind != nil {
		if err := p.protect(m, &out); err != nil {
			return Output{}, err
		}
	}
	if p.plan.signer != nil {
		if err := p.plan.signer.sign(m, &out); err != nil {
			return Output{}, err
		}
	}
	slices.SortFunc(out.Headers, func(a, b Header) int { return cmp.Compare(a.Name, b.Name) })
	out.Used, out.Exchange = m.ring.used, m.answer
	return out, nil
}

// protect encrypts the selected values of a body.
func (p *Pipeline) protect(m *message, out *Output) error {
	if err := p.suffixes(m); err != nil {
		return err
	}
	nested, err := p.plan.nested.signing(m)
	if err != nil {
		return err
	}
	sealing, err := p.plan.kind.sealing(m)
	if err != nil {
		return err
	}
	w := newWriter(m, p.plan.envelope, nested, sealing)
	if out.Body, err = p.plan.selection.Encrypt(m.Body, w); err != nil {
		if unfit, ok := errors.AsType[*selection.BodyError](err); ok {
			return notEncryptable(unfit.Reason, unfit.Path)
		}
		if errors.Is(err, errTooMuchWork) {
			return notEncryptable("the selected values take too much work in all: each has a key, a signature or a slow derivation of its own", "")
		}
		return err
	}
	out.Headers, err = w.writeHeaders()
	return err
}

// Decrypt opens a body that came in, which it leaves as it is, and verifies its
// signature where the profile signs: before, unless it covers the plaintext. Where the
// kind is a mere whole body the result may be large; it is the caller's.
//
// It fails with LEGACY_NOT_ACKNOWLEDGED and KEY_NOT_USABLE as Encrypt does, with
// SIGNATURE_INVALID, and with DECRYPTION_FAILED for whatever is wrong with the body;
// [Stage] tells where.
func (p *Pipeline) Decrypt(in Input) (Output, error) { return p.receive(in, p.plan.toDecrypt, true) }

// Verify checks the signature of a message that came in. It fails with
// SIGNATURE_INVALID for whatever is wrong with it, and as Decrypt does where the
// signature covers the plaintext. What is not signed does not verify.
func (p *Pipeline) Verify(in Input) (Output, error) {
	if p.plan.signer == nil {
		return Output{}, badSignature("Messages of this kind are not signed by the configuration: kind may be another one.")
	}
	out, err := p.receive(in, p.plan.toVerify, false)
	if err == nil {
		out.Body = in.Body
	}
	return out, err
}

// receive opens and verifies a message.
func (p *Pipeline) receive(in Input, needs []need, open bool) (Output, error) {
	m, err := p.begin(in, needs, false)
	if err != nil {
		return Output{}, err
	}
	defer m.close()
	out := Output{Body: in.Body}
	ofPlaintext := p.plan.signer != nil && p.plan.kind != nil && p.plan.signer.compiled.NeedsPlaintext()
	if p.plan.signer != nil && !ofPlaintext {
		if err := p.plan.signer.verify(m, in.Body, p.plan.kind == nil, &out); err != nil {
			return Output{}, err
		}
	}
	if p.plan.kind != nil && (open || ofPlaintext) {
		if out.Body, err = p.open(m); err != nil {
			if ofPlaintext && Stage(err) != "" {
				err = p.notVerified(m, out.Body, err)
			}
			clear(out.Body)
			return Output{}, err
		}
	}
	if ofPlaintext {
		if err := p.plan.signer.verify(m, out.Body, true, &out); err != nil {
			clear(out.Body)
			if p.plan.oneStage && Stage(err) != "" {
				err = notSigned(errCipher)
			}
			return Output{}, err
		}
	}
	out.Used, out.Exchange = m.ring.used, m.answer
	return out, nil
}

// notVerified returns the answer to a message whose signature is over a plaintext that does
// not open: the one of a wrong signature, after about the same time. What tells bad
// padding from a bad signature opens CBC.
func (p *Pipeline) notVerified(m *message, opened []byte, refused error) error {
	if opened == nil {
		opened = m.Body
	}
	err := p.plan.signer.verify(m, opened, true, new(Output))
	if err != nil && Stage(err) == "" {
		return err // about our side
	}
	at, _ := errors.AsType[stage](refused)
	return notSigned(at)
}

// open decrypts the selected values of a body. A body that is spoiled comes with the error.
func (p *Pipeline) open(m *message) ([]byte, error) {
	opened, err := p.tryOpen(m)
	if err == nil && m.JSON && p.plan.whole && !validJSON(opened) { // of what is spoiled, too: see plaintext.go
		err = selection.ErrValue
	}
	switch {
	case err == nil && !m.spoiled:
		return opened, nil
	case err == nil:
		err = errCipher
	case errors.Is(err, selection.ErrSelect):
		err = errSelect
	case errors.Is(err, selection.ErrValue):
		err = errValue
	case errors.Is(err, errTooMuchWork):
		err = errDerive
	}
	if Stage(err) == "" {
		return nil, err
	}
	if p.plan.oneStage && m.tried {
		err = errCipher
	}
	return opened, notOpened(err)
}

func (p *Pipeline) tryOpen(m *message) ([]byte, error) {
	if err := p.suffixes(m); err != nil {
		return nil, errSelect
	}
	nested, err := p.plan.nested.verifying(m)
	if err != nil {
		return nil, err
	}
	opening, err := p.plan.kind.opening(m)
	if err != nil {
		return nil, err
	}
	return p.plan.selection.Decrypt(m.Body, newParser(m, p.plan.envelope, nested, opening))
}

// suffixes finds the ends of values that the encryption needs. They are not encrypted,
// so that they are the same on both sides.
func (p *Pipeline) suffixes(m *message) (err error) {
	if p.plan.ivSuffix != nil {
		if m.ivSuffix, err = p.plan.ivSuffix.of(m.Body); err != nil {
			return fmt.Errorf("find iv: %w", err)
		}
	}
	if p.plan.aadSuffix != nil {
		if m.aadSuffix, err = p.plan.aadSuffix.of(m.Body); err != nil {
			return fmt.Errorf("find associated data: %w", err)
		}
	}
	return nil
}
