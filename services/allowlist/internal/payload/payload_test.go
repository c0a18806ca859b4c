package payload_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// now is the time in all tests.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	keyA = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	keyB = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
)

// Fragments of configurations in proto text.
const (
	ref    = `keys { name: "workspaces/acme/secrets/a" decoding: DECODING_HEX }`
	refB   = `keys { name: "workspaces/acme/secrets/b" decoding: DECODING_HEX }`
	gcm    = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + ref + ` } }`
	gcmTwo = `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + ref + refB + ` } }`
	cbc    = `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + ref + ` } }` + ack
	ack    = ` allow_legacy { flag: FLAG_UNAUTHENTICATED_CBC reason: "the partner" expire_time { seconds: 1798761600 } }`
	mac    = ` signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + refB + ` headers { key: "X-Signature" value: "sha256=${signature}" } }`
)

// message parses the text of an encryption message.
func message(t testing.TB, text string) *allowlistv1.Encryption {
	t.Helper()
	pb := new(allowlistv1.Encryption)
	if err := prototext.Unmarshal([]byte(text), pb); err != nil {
		t.Fatalf("parse proto text: %v", err)
	}
	return pb
}

// config parses a configuration whose request profile is given.
func config(t testing.TB, profile string) *payload.Config {
	t.Helper()
	c, err := payload.Parse(message(t, "request { "+profile+" }"), "acme", now)
	if err != nil {
		t.Fatalf("Parse(%s): %v", profile, err)
	}
	return c
}

// pipeline returns the request pipeline of a profile.
func pipeline(t testing.TB, profile string) *payload.Pipeline {
	t.Helper()
	return config(t, profile).Pipeline(payload.Request)
}

// resolve returns the keys for references: each secret's last letter names a key.
func resolve(refs []payload.Reference) payload.Keys {
	keys := make(payload.Keys, len(refs))
	for i, ref := range refs {
		text := keyA
		if ref.Secret == "workspaces/acme/secrets/b" {
			text = keyB
		}
		keys[i] = []payload.Key{{Value: sensitive.New([]byte(text)), Version: 1}}
	}
	return keys
}

// keysOf returns stored bytes as the keys of the same number of references.
func keysOf(stored ...sensitive.Bytes) payload.Keys {
	keys := make(payload.Keys, len(stored))
	for i, value := range stored {
		keys[i] = []payload.Key{{Value: value, Version: 1}}
	}
	return keys
}

func encryptWith(p *payload.Pipeline, at time.Time, random io.Reader, keys payload.Keys, body []byte) (payload.Output, error) {
	return p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: at, Random: random, Keys: keys, Body: body})
}

func decryptWith(p *payload.Pipeline, at time.Time, keys payload.Keys, body []byte) ([]byte, error) {
	out, err := p.Decrypt(payload.Input{Now: at, Keys: keys, Body: body})
	return out.Body, err
}

func encrypt(t testing.TB, p *payload.Pipeline, body string) payload.Output {
	t.Helper()
	message, err := encryptWith(p, now, rand.Reader, resolve(p.EncryptReferences()), []byte(body))
	if err != nil {
		t.Fatalf("Encrypt(%d bytes): %v", len(body), err)
	}
	return message
}

// came returns headers as they are received with a message.
func came(headers []payload.Header) payload.Headers {
	got := make(payload.Headers, len(headers))
	for _, h := range headers {
		got[strings.ToLower(h.Name)] = h.Value
	}
	return got
}

func decrypt(t testing.TB, p *payload.Pipeline, body string) string {
	t.Helper()
	opened, err := decryptWith(p, now, resolve(p.DecryptReferences()), []byte(body))
	if err != nil {
		t.Fatalf("Decrypt(%d bytes): %v", len(body), err)
	}
	return string(opened)
}

// open decrypts what was encrypted, with the headers that came with it.
func open(t testing.TB, p *payload.Pipeline, sent payload.Output) string {
	t.Helper()
	out, err := p.Decrypt(payload.Input{Now: now, Keys: resolve(p.DecryptReferences()), Body: sent.Body, Headers: came(sent.Headers)})
	if err != nil {
		t.Fatalf("Decrypt(%d bytes): %v", len(sent.Body), err)
	}
	return string(out.Body)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatalf("decode hex: %v", err)
	}
	return b
}

// fields returns the selection of the paths.
func fields(rest string, paths ...string) string {
	text := "selection { fields { " + rest
	for _, path := range paths {
		text += " paths: " + prototextString(path)
	}
	return text + " } } "
}

// prototextString quotes a string for proto text.
func prototextString(text string) string {
	quoted := []byte{'"'}
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' {
			quoted = append(quoted, '\\')
		}
		quoted = append(quoted, text[i])
	}
	return string(append(quoted, '"'))
}

// unbase64 decodes base64url.
func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatalf("decode base64url: %v", err)
	}
	return b
}
