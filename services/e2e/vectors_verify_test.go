package e2e

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// signs checks a signature: byte for byte if it is deterministic, and by verification in any case.
func (t *trial) signs() {
	t.Helper()
	if err := t.verify(t.v.Output.Body, t.v.Output.Headers); err != nil {
		t.Errorf("VerifySignature of the tool's signature: %v", describe(err))
	}
	// Not every input covers all of the body, but everything that a signature covers is present.
	if err := t.verify(t.v.Output.Body+" ", t.v.Output.Headers); t.coversBody() && errorReason(err) != "SIGNATURE_INVALID" {
		t.Errorf("VerifySignature of a changed body: %v, want SIGNATURE_INVALID", describe(err))
	}
	if t.verifiesOnly() {
		return
	}
	sent := t.encrypt(t.v.Plaintext)
	if t.v.Deterministic {
		t.sameBytes(sent)
	}
	if err := t.verify(string(sent.GetBody()), headersOf(sent)); err != nil {
		t.Errorf("VerifySignature of Keyward's signature: %v", describe(err))
	}
}

// coversBody reports whether the bytes of the body themselves are signed.
func (t *trial) coversBody() bool {
	return t.p.BodyTemplate == "" && (t.p.Input == "" || strings.Contains(t.p.Input, "${body"))
}

// verifiesOnly reports whether the vector has only the public part of the partner's key.
func (t *trial) verifiesOnly() bool {
	key := t.v.Secrets[t.p.Ref].Value
	return strings.Contains(key, "-----BEGIN") && !strings.Contains(key, "PRIVATE KEY-----")
}

func (t *trial) verify(body string, headers map[string]string) error {
	context := t.context()
	for _, template := range t.p.Headers {
		if strings.Contains(template, "${id}") || strings.Contains(template, "${nonce}") {
			context.Id = "" // it is in the header
		}
	}
	_, err := t.sender.VerifySignature(t.Context(), &allowlistv1.VerifySignatureRequest{
		Name: t.endpoint, Body: []byte(body), Headers: headers, Context: context,
	})
	return err
}

// refusedSignature checks a message whose body, the plaintext, differs from the signed one.
func (t *trial) refusedSignature() {
	t.Helper()
	body := t.v.Plaintext
	if t.p.BodyTemplate != "" {
		body = t.v.Output.Body
	}
	err := t.verify(body, t.v.Output.Headers)
	if errorReason(err) != "SIGNATURE_INVALID" {
		t.Errorf("VerifySignature: %v, want SIGNATURE_INVALID", describe(err))
	}
	t.silent(err)
}
