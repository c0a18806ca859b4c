//go:build interop

package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

// TestInteropWithPartnersTools tests the profiles of the known answers with the tools that created
// them, in both directions: the tools decrypt and verify new messages of Encrypt, and Decrypt and
// VerifySignature process new messages of the tools. The tools are openssl, node, crypto-js,
// node-forge, jose, Mastercard's library, Standard Webhooks, OpenPGP.js, GnuPG, hashlib, and,
// where installed, Java's and Python's cryptography.
func TestInteropWithPartnersTools(t *testing.T) {
	t.Parallel()
	b, p := newBench(t), newPartner(t)
	for _, folder := range vectorFolders() {
		for _, v := range readVectors(t, folder) {
			if v.Expect != "accept" {
				continue
			}
			t.Run(v.ID, func(t *testing.T) {
				tr := newTrial(t, b, v)
				if reason := tr.notExchanged(p); reason != "" {
					t.Logf("not exchanged: %s", reason)
					return
				}
				check(t, tr.configure())
				for _, plain := range tr.bodies() {
					tr.partnerOpens(p, plain)
					tr.opensPartners(p, plain)
				}
			})
		}
	}
}

// notExchanged returns why a vector cannot be tested in both directions.
func (t *trial) notExchanged(p *partner) string {
	t.Helper()
	_, certificate := t.v.Secrets["certificate"]
	switch {
	case t.reply() || t.partnerMakes() || t.verifiesOnly():
		return "it has only one direction"
	case t.p.IVLen == 16 && !certificate:
		return "the library requires its certificate"
	case !p.ask(t.T, question{Op: "has", Vector: t.v.forPartner()}).Has:
		return "its tool is not on this machine"
	}
	return ""
}

// bodies returns the bodies to exchange: the vector's body and, if any body is valid, an empty and
// a longer one.
func (t *trial) bodies() []string {
	t.Helper()
	all := []string{t.input()}
	padding := strings.ToLower(t.p.Content.Padding)
	blocks := !strings.Contains(t.p.Content.Alg, "GCM") && !strings.Contains(t.p.Content.Alg, "CHACHA")
	wholeBlocks := blocks && (padding == "zero" || padding == "none")
	jsonOnly := t.p.Select != nil || strings.Contains(t.p.Input, "json:") ||
		strings.Contains(t.v.Tool, "mastercard") || strings.Contains(t.v.Tool, "standardwebhooks")
	if wholeBlocks || jsonOnly || t.p.Kind == "rsa_direct" {
		return all
	}
	return append(all, "", strings.Repeat("0123456789 äöü €\n", 64)+"end")
}

// partnerOpens checks that the partner decrypts or verifies a message of Encrypt.
func (t *trial) partnerOpens(p *partner, plain string) {
	t.Helper()
	sent := t.encrypt(plain)
	got := p.ask(t.T, question{Op: "open", Vector: t.v.forPartner(), Message: &partnerMessage{Body: string(sent.GetBody()), Headers: headersOf(sent)}})
	if got.Error != "" {
		t.Fatalf("the partner does not decrypt %.200q: %s", sent.GetBody(), got.Error)
	}
	t.same("the partner's plaintext", got.Plaintext, plain)
}

// opensPartners checks that a message of the partner is decrypted or verified.
func (t *trial) opensPartners(p *partner, plain string) {
	t.Helper()
	made := p.ask(t.T, question{Op: "make", Vector: t.v.forPartner(), Plaintext: plain})
	if made.Error != "" {
		t.Fatalf("the partner created no message: %s", made.Error)
	}
	if t.p.Kind == "sign" {
		if err := t.verify(made.Body, made.Headers); err != nil {
			t.Errorf("VerifySignature of the partner's message: %v", describe(err))
		}
		return
	}
	got, err := t.decrypt([]byte(made.Body), made.Headers)
	if err != nil {
		t.Fatalf("Decrypt of the partner's message, %.200q: %v", made.Body, describe(err))
	}
	t.same("Decrypt of the partner's message", got, plain)
}

// A partner is the process testdata/interop/partner.mjs, which calls the tools.
type partner struct {
	stdin   io.Writer
	answers *bufio.Scanner
}

// A question is one line of input of the partner.
type question struct {
	Op        string          `json:"op"`
	Vector    any             `json:"vector"`
	Plaintext string          `json:"plaintext"`
	Message   *partnerMessage `json:"message,omitempty"`
}

type partnerMessage struct {
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
}

// A partnerAnswer is one line of output of the partner.
type partnerAnswer struct {
	partnerMessage

	Plaintext string `json:"plaintext"`
	Has       bool   `json:"has"`
	Error     string `json:"error"`
}

func newPartner(t *testing.T) *partner {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "testdata/interop/partner.mjs")
	stdin, err := cmd.StdinPipe()
	check(t, err)
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	stderr := &strings.Builder{}
	cmd.Stderr = stderr
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("the partner: %v\n%s", err, stderr)
		}
	})
	answers := bufio.NewScanner(stdout)
	answers.Buffer(nil, 64<<20)
	return &partner{stdin: stdin, answers: answers}
}

func (p *partner) ask(t *testing.T, q question) partnerAnswer {
	t.Helper()
	line, err := json.Marshal(q)
	check(t, err)
	_, err = p.stdin.Write(append(line, '\n'))
	check(t, err)
	if !p.answers.Scan() {
		t.Fatalf("the partner has ended: %v; `make interop` installs what it needs", p.answers.Err())
	}
	var answer partnerAnswer
	check(t, json.Unmarshal(p.answers.Bytes(), &answer))
	return answer
}

// forPartner returns the vector in the vocabulary of vectors.json, with the contents of its files.
func (v vector) forPartner() any {
	return map[string]any{
		"tool": v.Tool, "secrets": v.Secrets, "profile": v.Profile,
		"context": map[string]any{
			"timestamp": v.Context.Timestamp, "msg_id": v.Context.ID, "method": v.Context.Method, "path": v.Context.Path,
			"query": v.Context.Query, "host": v.Context.Host,
		},
	}
}
