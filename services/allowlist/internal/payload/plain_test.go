package payload_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// both parses a configuration with the two profiles. The response may be empty.
func both(t testing.TB, request, response string) *payload.Config {
	t.Helper()
	text := "request { " + request + " }"
	if response != "" {
		text += " response { " + response + " }"
	}
	c, err := payload.Parse(message(t, text), "acme", now)
	if err != nil {
		t.Fatalf("Parse(%s): %v", text, err)
	}
	return c
}

func TestADirectionMayBePlainOnPurpose(t *testing.T) {
	t.Parallel()
	const body = "not even { JSON"
	for name, c := range map[string]struct {
		config *payload.Config
		plain  payload.Direction
	}{
		"the answer":   {both(t, gcm, "plain {}"), payload.Response},
		"the question": {both(t, "plain {}", gcm), payload.Request},
	} {
		p := c.config.Pipeline(c.plain)
		if refs := len(p.EncryptReferences()) + len(p.DecryptReferences()); refs != 0 || p.Signs() || p.NeedsExchange() {
			t.Errorf("%s needs %d references", name, refs)
		}
		sent := encrypt(t, p, body)
		if string(sent.Body) != body || len(sent.Headers) > 0 || sent.ContentType != "" {
			t.Errorf("%s is sent as %q, %v, %q", name, sent.Body, sent.Headers, sent.ContentType)
		}
		if got := decrypt(t, p, body); got != body {
			t.Errorf("%s is received as %q", name, got)
		}
		other := c.config.Pipeline(1 - c.plain)
		if sent := encrypt(t, other, body); strings.Contains(string(sent.Body), body) || open(t, other, sent) != body {
			t.Errorf("%s: the other direction is sent as %q", name, sent.Body)
		}
	}
}

func TestAPlainDirectionMayBeSigned(t *testing.T) {
	t.Parallel()
	p := both(t, gcm, "plain {}"+mac).Pipeline(payload.Response)
	sent := encrypt(t, p, "clear")
	if string(sent.Body) != "clear" || len(sent.Headers) != 1 || open(t, p, sent) != "clear" {
		t.Errorf("Encrypt = %q, %v", sent.Body, sent.Headers)
	}
	sent.Body = []byte("Clear")
	_, err := p.Decrypt(payload.Input{Now: now, Keys: resolve(p.DecryptReferences()), Body: sent.Body, Headers: came(sent.Headers)})
	if !fault.Is(err, payload.SignatureInvalid) {
		t.Errorf("Decrypt of a changed body = %v, want %s", err, payload.SignatureInvalid)
	}
}

func TestPlainIsReloaded(t *testing.T) {
	t.Parallel()
	stored, err := both(t, gcm, "plain {}").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	c, err := payload.Load(stored)
	if err != nil || decrypt(t, c.Pipeline(payload.Response), "clear") != "clear" {
		t.Errorf("Load: %v", err)
	}
}

func TestNothingIsDoneToAPlainDirection(t *testing.T) {
	t.Parallel()
	const at = "encryption.response."
	for name, c := range map[string]struct {
		request, response string
		fields            []string
	}{
		"a selection": {gcm, "plain {} " + fields("", "$.a"), []string{at + "selection"}},
		"an envelope": {gcm, `plain {} envelope { text: "${data}" }`, []string{at + "envelope"}},
		"a nested signature": {
			gcm, `plain {} nested_jws { jws { algorithm: ALGORITHM_HS256 } ` + named("b", "HEX") + ` }`, []string{at + "nested_jws"},
		},
		"all at once": {
			gcm, `plain {} nested_jws {} envelope {} selection { whole_body {} }`,
			[]string{at + "selection", at + "envelope", at + "nested_jws"},
		},
		"neither direction":            {"plain {}", "plain {}", []string{"encryption"}},
		"a request without a response": {"plain {}", "", []string{"encryption"}},
	} {
		text := "request { " + c.request + " }"
		if c.response != "" {
			text += " response { " + c.response + " }"
		}
		_, err := payload.Parse(message(t, text), "acme", now)
		reason, got := found(t, err)
		if reason != fault.InvalidField || strings.Join(got, " ") != strings.Join(c.fields, " ") {
			t.Errorf("%s: Parse = %s at %v, want %v", name, reason, got, c.fields)
		}
	}
	both(t, "plain {}"+mac, "")         // signs
	both(t, "plain {}", "plain {}"+mac) // signs
}
