package signature_test

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A vector is a signature from another tool, in a vocabulary that is neither ours nor the
// tool's.
type vector struct {
	ID      string
	Secrets map[string]struct{ Value, Decode string }
	Profile struct {
		Kind, Scheme, Alg, Ref, Input, Enc string
		Refs                               []string
		Join                               *string
		Headers                            map[string]string
		Protected                          struct{ Kid string } `json:"protected_header"`
	}
	Context struct {
		Timestamp           int64
		ID                  string `json:"msg_id"`
		Method, Path, Query string
	}
	Plaintext string
	Output    struct {
		Body    string
		Headers map[string]string
	}
	Expect string
}

func TestVectorsOfOtherTools(t *testing.T) {
	t.Parallel()
	const signVectors = 11
	text, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, v := range file.Vectors {
		if v.Profile.Kind != "sign" {
			continue
		}
		count++
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			s := compile(t, v.config())
			private, public := v.keys(t)
			if v.Expect == "reject" {
				if _, err := s.Verify(public, v.message(v.Plaintext), received(v.Output.Headers)); !errors.Is(err, signature.ErrInvalid) {
					t.Errorf("Verify = %v, want ErrInvalid", err)
				}
				return
			}
			if diff := cmp.Diff(v.Output.Headers, sign(t, s, private, v.message(v.Output.Body))); diff != "" {
				t.Errorf("Sign: headers (-want +got):\n%s", diff)
			}
			if _, err := s.Verify(public, v.message(v.Output.Body), received(v.Output.Headers)); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
	if count != signVectors+1 {
		t.Errorf("%d vectors, want %d to sign and one to refuse", count, signVectors)
	}
}

// config maps the vector's profile to a configuration.
func (v *vector) config() signature.Config {
	words := strings.NewReplacer("${ts}", "${timestamp}", "${sig}", "${signature}", "${jws}", "${signature}",
		"${body_b64}", "${plaintext|base64}")
	encodings := map[string]template.Encoding{"hex": template.Hex, "hexupper": template.HexUpper, "base64": template.Base64}
	c := signature.Config{
		Input: words.Replace(v.Profile.Input), Headers: map[string]string{},
		Encoding: encodings[v.Profile.Enc], Tolerance: time.Minute,
	}
	for name, value := range v.Profile.Headers {
		if v.Profile.Join != nil && strings.Contains(value, "${sig}") {
			c.List = &signature.List{Item: words.Replace(value), Separator: *v.Profile.Join}
			value = "${signatures}"
		}
		c.Headers[name] = words.Replace(value)
	}
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "512": crypto.SHA512}[v.Profile.Alg[max(0, len(v.Profile.Alg)-3):]]
	switch v.Profile.Scheme {
	case "mac":
		c.Scheme = signature.NewHMAC(hash)
	case "digest":
		c.Scheme = signature.SecretDigest{Hash: hash}
	case "asym":
		c.Scheme = signature.RSA{Hash: hash}
	case "jws_detached":
		c.Scheme = signature.JWS{JWS: jose.JWS{Alg: v.Profile.Alg, Header: map[string]string{"kid": v.Profile.Protected.Kid}, Unencoded: true}}
	}
	return c
}

func (v *vector) message(body string) signature.Message {
	return signature.Message{
		Body: []byte(body), Plaintext: []byte(v.Plaintext), PlaintextKnown: true,
		Time: time.Unix(v.Context.Timestamp, 0), ID: v.Context.ID,
		Method: v.Context.Method, Path: v.Context.Path, Query: v.Context.Query,
	}
}

// keys returns the keys to sign with and those to verify with.
func (v *vector) keys(t *testing.T) (private, public []any) {
	t.Helper()
	refs := v.Profile.Refs
	if len(refs) == 0 {
		refs = []string{v.Profile.Ref}
	}
	for _, ref := range refs {
		secret := v.Secrets[ref]
		if secret.Decode == "pemfile" {
			own, partners := pair(t, filepath.Join("../testdata", secret.Value))
			private, public = append(private, own), append(public, partners)
			continue
		}
		decoding := map[string]keyform.Decoding{"utf8": keyform.Raw, "whsec": keyform.Whsec}[secret.Decode]
		key, err := keyform.Decode(decoding, []byte(secret.Value))
		if err != nil {
			t.Fatal(err)
		}
		private, public = append(private, key), append(public, key)
	}
	return private, public
}

// pair reads a private key, and its public one.
func pair(t testing.TB, file string) (private, public any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if private, _, err = keyform.ParsePrivate(text); err != nil {
		t.Fatal(err)
	}
	if public, _, err = keyform.ParsePublic(text); err != nil {
		t.Fatal(err)
	}
	return private, public
}

func compile(t testing.TB, c signature.Config) *signature.Signer {
	t.Helper()
	s, violations := signature.New(c)
	if len(violations) > 0 {
		t.Fatalf("New: %v", violations)
	}
	return s
}

// sign returns the headers of a signature by name.
func sign(t testing.TB, s *signature.Signer, private []any, m signature.Message) map[string]string {
	t.Helper()
	sent, err := s.Sign(rand.Reader, private, m)
	if err != nil {
		t.Fatalf("Sign: %v", err)
	}
	made := map[string]string{}
	for _, h := range sent.Headers {
		made[h.Name] = h.Value
	}
	return made
}

// received returns headers as a message brings them.
func received(headers map[string]string) func(string) (string, bool) {
	lower := map[string]string{}
	for name, value := range headers {
		lower[strings.ToLower(name)] = value
	}
	return func(name string) (string, bool) {
		value, ok := lower[name]
		return value, ok
	}
}
