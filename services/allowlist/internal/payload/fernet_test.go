package payload_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

const fernetProfile = `fernet { keys { name: "workspaces/acme/secrets/fernet" decoding: DECODING_BASE64URL } max_age { seconds: 60 } } `

// knownTokens are the tokens of github.com/fernet/spec, and of the cryptography package of Python.
type knownTokens struct {
	Key     string
	Time    int64
	IV      string
	Valid   []struct{ Token, Plaintext string }
	Invalid []struct {
		Desc, Token string
		Now         int64
	}
}

func TestFernetTokensAreThoseOfTheSpecification(t *testing.T) {
	t.Parallel()
	var known knownTokens
	readJSON(t, "fernet.json", &known)
	s, p := newSafe(t).with("fernet", known.Key), legacyPipeline(t, fernetProfile)
	at := func(seconds int64) payload.Context { return payload.Context{Time: time.Unix(seconds, 0)} }
	for _, tt := range known.Valid {
		out, err := p.Encrypt(payload.Input{
			Nonces: payload.Uncounted, Now: now, Context: at(known.Time), Random: bytes.NewReader(unhex(t, known.IV)),
			Keys: s.keys(t, p.EncryptReferences()), Body: []byte(tt.Plaintext),
		})
		if err != nil || string(out.Body) != tt.Token {
			t.Errorf("Encrypt(%.20q) = %s, %v, want %s", tt.Plaintext, out.Body, err, tt.Token)
		}
		for _, token := range []string{tt.Token, strings.TrimRight(tt.Token, "=")} {
			out, err = p.Decrypt(payload.Input{Now: now, Context: at(known.Time + 60), Keys: s.keys(t, p.DecryptReferences()), Body: []byte(token)})
			if err != nil || string(out.Body) != tt.Plaintext {
				t.Errorf("Decrypt(%s) = %q, %v, want %.20q", token, out.Body, err, tt.Plaintext)
			}
		}
	}
	for _, tt := range known.Invalid {
		out, err := p.Decrypt(payload.Input{Now: now, Context: at(tt.Now), Keys: s.keys(t, p.DecryptReferences()), Body: []byte(tt.Token)})
		if !fault.Is(err, payload.DecryptionFailed) || out.Body != nil {
			t.Errorf("%s: Decrypt = %q, %v, want DECRYPTION_FAILED", tt.Desc, out.Body, err)
		}
	}
}

func TestFernetTokensAreAcceptedForTheirTime(t *testing.T) {
	t.Parallel()
	var known knownTokens
	readJSON(t, "fernet.json", &known)
	s := newSafe(t).with("fernet", known.Key)
	limited := legacyPipeline(t, fernetProfile)
	unlimited := legacyPipeline(t, strings.Replace(fernetProfile, "max_age { seconds: 60 }", "", 1))
	for _, tt := range []struct {
		p     *payload.Pipeline
		later time.Duration
		ok    bool
	}{
		{limited, 0, true},
		{limited, time.Minute, true},
		{limited, 61 * time.Second, false},
		{limited, -time.Minute, true},
		{limited, -61 * time.Second, false},
		{unlimited, 0, true},
		{unlimited, 1e6 * time.Hour, true},
		{unlimited, -1e5 * time.Hour, true},
	} {
		in := payload.Input{Now: time.Unix(known.Time, 0).Add(tt.later), Keys: s.keys(t, tt.p.DecryptReferences()), Body: []byte(known.Valid[0].Token)}
		if _, err := tt.p.Decrypt(in); (err == nil) != tt.ok {
			t.Errorf("Decrypt %s after the time of the token: %v, want it accepted: %v", tt.later, err, tt.ok)
		}
	}
}

func TestFernetDecryptsWithEachKeyAndForEachValue(t *testing.T) {
	t.Parallel()
	keyOf := func(fill byte) string { return base64.URLEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32)) }
	s := newSafe(t).with("fernet", keyOf(1), keyOf(2)).with("other", keyOf(3))
	other := `keys { name: "workspaces/acme/secrets/other" decoding: DECODING_BASE64URL } `
	both := strings.Replace(fernetProfile, "max_age", other+"max_age", 1)
	p := legacyPipeline(t, both+twoFields)
	body := `{"a":"one","b":"two"}`
	s.opens(t, p, s.encrypt(t, p, body), body)
	for name, keys := range map[string]safe{"the previous version": s.with("fernet", keyOf(2)), "the other key": s.with("fernet", keyOf(3))} {
		sent := keys.encrypt(t, p, body)
		s.opens(t, p, sent, body)
		if _, err := newSafe(t).with("fernet", keyOf(4)).with("other", keyOf(5)).decrypt(t, p, sent); payload.Stage(err) != "mac" {
			t.Errorf("%s: Decrypt with other keys: %v at stage %q, want mac", name, err, payload.Stage(err))
		}
	}
	sent := s.encrypt(t, legacyPipeline(t, fernetProfile), "body")
	for i := range sent.Body {
		changed := bytes.Clone(sent.Body)
		changed[i] ^= 1
		out, err := s.decrypt(t, legacyPipeline(t, fernetProfile), payload.Output{Body: changed})
		if !fault.Is(err, payload.DecryptionFailed) {
			t.Errorf("Decrypt with byte %d changed = %q, %v", i, out.Body, err)
		}
	}
	short := newSafe(t).with("fernet", base64.URLEncoding.EncodeToString(make([]byte, 16)))
	_, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now, Keys: short.with("other", keyOf(3)).keys(t, p.EncryptReferences()), Body: []byte(body)})
	if !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Encrypt with a key of 16 bytes: %v, want KEY_NOT_USABLE", err)
	}
}
