package payload_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Messages of node:crypto and openssl, made by testdata/foreign.mjs. The programs of a dry run open
// messages in the other direction.
func TestMessagesOfOtherToolsOpen(t *testing.T) {
	t.Parallel()
	var known struct {
		Plaintext string
		Messages  []struct{ Name, Tool, Key, Body string }
	}
	readJSON(t, "foreign.json", &known)
	profiles := map[string]string{
		"wrapped-iv-oaep":  sessionKey("AES_256_CBC", oaep, named("rsa", "PEM")) + wrappedIV,
		"wrapped-iv-pkcs1": sessionKey("AES_256_CBC", pkcs1, named("rsa", "PEM")) + wrappedIV,
		"session-key-hash": sessionKey("AES_256_GCM", oaep, named("rsa", "PEM")) + hashedKey,
		"salt-suffix":      saltSuffix("AES_256_GCM", "pbkdf2 { iterations: 600000 } salt { sent_bytes: 28 }") + saltAndCT,
	}
	for _, m := range known.Messages {
		profile, s := profiles[m.Name], newSafe(t)
		if profile == "" {
			profile = under(strings.ReplaceAll(strings.ToUpper(m.Name), "-", "_"), "")
			s = s.with("a", m.Key)
		} else if m.Key != "" {
			s = s.with("pass", m.Key)
		}
		out, err := s.decrypt(t, legacyPipeline(t, profile), payload.Output{Body: []byte(m.Body)})
		if err != nil || string(out.Body) != known.Plaintext {
			t.Errorf("%s of %s: Decrypt = %q, %v at stage %q", m.Name, m.Tool, out.Body, err, payload.Stage(err))
		}
	}
	if len(known.Messages) < 16 {
		t.Errorf("the test has %d messages", len(known.Messages))
	}
}
