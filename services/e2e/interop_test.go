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

// TestInteropWithPartnersTools has the tools that made the known answers open what
// Encrypt makes of the same profiles, and Decrypt and VerifySignature take what these
// make anew: openssl, node, crypto-js, node-forge, jose, Mastercard's library, Standard
// Webhooks, OpenPGP.js, GnuPG, hashlib, and where they are there, Java's and Python's
// cryptography.
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

// notExchanged says why a vector cannot be tried both ways.
func (t *trial) notExchanged(p *partner) string {
	t.Helper()
	_, certificate := t.v.Secrets["certificate"]
	switch {
	case t.reply() || t.partnerMakes() || t.verifiesOnly():
		return "it goes one way"
	case t.p.IVLen == 16 && !certificate:
		return "the library wants its certificate"
	case !p.ask(t.T, question{Op: "has", Vector: t.v.forPartner()}).Has:
		return "its tool is not on this machine"
	}
	return ""
}

// bodies are what is exchanged: the vector's and, where any body will do, an empty and
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

// partnerOpens checks that the partner opens, or verifies, what Encrypt makes.
func (t *trial) partnerOpens(p *partner, plain string) {
	t.Helper()
	sent := t.encrypt(plain)
	got := p.ask(t.T, question{Op: "open", Vector: t.v.forPartner(), Message: &partnerMessage{Body: string(sent.GetBody()), Headers: headersOf(sent)}})
	if got.Error != "" {
		t.Fatalf("the partner does not open %.200q: %s", sent.GetBody(), got.Error)
	}
	t.same("what the partner opens", got.Plaintext, plain)
}

// opensPartners checks that what the partner makes is opened, or verified.
func (t *trial) opensPartners(p *partner, plain string) {
	t.Helper()
	made := p.ask(t.T, question{Op: "make", Vector: t.v.forPartner(), Plaintext: plain})
	if made.Error != "" {
		t.Fatalf("the partner makes nothing: %s", made.Error)
	}
	if t.p.Kind == "sign" {
		if err := t.verify(made.Body, made.Headers); err != nil {
			t.Errorf("VerifySignature of what the partner made: %v", describe(err))
		}
		return
	}
	got, err := t.decrypt([]byte(made.Body), made.Headers)
	if err != nil {
		t.Fatalf("Decrypt of what the partner made, %.200q: %v", made.Body, describe(err))
	}
	t.same("Decrypt of what the partner made", got, plain)
}

// A partner is testdata/interop/partner.mjs, which speaks to the tools.
type partner struct {
	stdin   io.Writer
	answers *bufio.Scanner
}

// A question is one line to the partner.
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

// A partnerAnswer is one line of the partner.
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
		t.Fatalf("the partner has gone: %v; `make interop` installs what it needs", p.answers.Err())
	}
	var answer partnerAnswer
	check(t, json.Unmarshal(p.answers.Bytes(), &answer))
	return answer
}

// forPartner is the vector in the words of vectors.json, with the texts of files.
func (v vector) forPartner() any {
	return map[string]any{
		"tool": v.Tool, "secrets": v.Secrets, "profile": v.Profile,
		"context": map[string]any{
			"timestamp": v.Context.Timestamp, "msg_id": v.Context.ID, "method": v.Context.Method, "path": v.Context.Path,
			"query": v.Context.Query, "host": v.Context.Host,
		},
	}
}
