package payload_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A safe holds the versions of secrets, newest first, by the last part of the secret's name.
type safe map[string][]string

// newSafe returns the secrets that most tests need.
func newSafe(t testing.TB) safe {
	t.Helper()
	s := safe{"a": {keyA}, "b": {keyB}, "kek": {keyA[:32]}, "iv": {"0f0e0d0c0b0a09080706050403020100"}, "salt": {"a salt of some length"}, "pass": {"correct horse"}}
	for name, file := range map[string]string{
		"rsa": "rsa_priv.pem", "rsa-pub": "rsa_pub.pem", "cert": "rsa_cert.pem", "rsa2": "rsa2_priv.pem", "rsa2-pub": "rsa2_pub.pem",
		"ec": "ec_priv.pem", "ec-cert": "ec_cert.pem", "p521": "p521_priv.pem", "p521-pub": "p521_pub.pem", "pgp": "pgp_priv.asc", "pgp-pub": "pgp_pub.asc",
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "keys", file))
		if err != nil {
			t.Fatal(err)
		}
		s[name] = []string{string(text)}
	}
	s["rsa-pair"], s["ec-pair"] = []string{s["rsa"][0] + s["cert"][0]}, []string{s["ec"][0] + s["ec-cert"][0]}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	s["x25519"] = []string{string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	return s
}

// with returns the secrets with another one, whose versions are given.
func (s safe) with(name string, versions ...string) safe {
	changed := safe{name: versions}
	for other, value := range s {
		if other != name {
			changed[other] = value
		}
	}
	return changed
}

// keys resolves references. References with previous versions get all versions, which count down.
func (s safe) keys(t testing.TB, refs []payload.Reference) payload.Keys {
	t.Helper()
	keys := make(payload.Keys, len(refs))
	for i, ref := range refs {
		versions := s[strings.TrimPrefix(ref.Secret, "workspaces/acme/secrets/")]
		if len(versions) == 0 {
			t.Fatalf("the test has no secret %s", ref.Secret)
		}
		for j, value := range versions {
			if j == 0 || ref.Previous {
				keys[i] = append(keys[i], payload.Key{Value: sensitive.New([]byte(value)), Version: uint32(len(versions) - j)})
			}
		}
	}
	return keys
}

// encrypt protects a body.
func (s safe) encrypt(t testing.TB, p *payload.Pipeline, body string) payload.Output {
	t.Helper()
	out, err := p.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: now.AddDate(0, 0, 1), Random: rand.Reader, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body)})
	if err != nil {
		t.Fatalf("Encrypt(%.60q): %v", body, err)
	}
	return out
}

// decrypt decrypts a protected message.
func (s safe) decrypt(t testing.TB, p *payload.Pipeline, sent payload.Output) (payload.Output, error) {
	t.Helper()
	return p.Decrypt(payload.Input{
		Now: now.AddDate(0, 0, 1), Random: rand.Reader, Keys: s.keys(t, p.DecryptReferences()), Body: sent.Body, Headers: came(sent.Headers),
	})
}

// opens fails unless the protected message decrypts to the body.
func (s safe) opens(t testing.TB, p *payload.Pipeline, sent payload.Output, body string) {
	t.Helper()
	out, err := s.decrypt(t, p, sent)
	if err != nil || string(out.Body) != body {
		t.Errorf("Decrypt(%.80s) = %.60q, %v at stage %q, want %.60q", sent.Body, out.Body, err, payload.Stage(err), body)
	}
}

// acknowledged parses a configuration with all its unsafe choices acknowledged.
func acknowledged(t testing.TB, text string) (*payload.Config, error) {
	t.Helper()
	return acknowledgedMessage(message(t, text))
}

// acknowledgedMessage compiles a configuration whose unsafe choices are acknowledged.
func acknowledgedMessage(pb *allowlistv1.Encryption) (*payload.Config, error) {
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		if profile == nil || len(profile.GetAllowLegacy()) > 0 {
			continue
		}
		payload.Acknowledge(profile, "a test", timestamppb.New(now.AddDate(1, 0, 0)))
	}
	return payload.Parse(pb, "acme", now)
}

// legacyPipeline returns the request pipeline of a profile, acknowledged.
func legacyPipeline(t testing.TB, profile string) *payload.Pipeline {
	t.Helper()
	c, err := acknowledged(t, "request { "+profile+" }")
	if err != nil {
		t.Fatalf("Parse(%s): %v", profile, err)
	}
	return c.Pipeline(payload.Request)
}

// named returns a reference for a list of keys.
func named(name, decoding string) string {
	return `keys { name: "workspaces/acme/secrets/` + name + `" decoding: DECODING_` + decoding + ` }`
}

// secretAt returns a reference for a single field.
func secretAt(field, name, decoding string) string {
	return strings.Replace(named(name, decoding), "keys", field, 1)
}

// blobOf returns a blob of slots and literals, which are quoted.
func blobOf(name, encoding string, parts ...string) string {
	text := `blobs { key: "` + name + `" value { encoding: ENCODING_` + encoding
	for _, part := range parts {
		if strings.HasPrefix(part, `"`) {
			text += ` parts { literal: ` + part + ` }`
		} else {
			text += ` parts { slot: SLOT_` + part + ` }`
		}
	}
	return text + ` } } `
}
