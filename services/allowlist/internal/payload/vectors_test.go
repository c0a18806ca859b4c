package payload_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// A vector is a message that another tool created, in a neutral vocabulary.
type vector struct {
	ID        string
	Secrets   map[string]struct{ Value, Decode string }
	Profile   neutral
	Plaintext string
	Output    struct {
		Body    string
		Headers map[string]string
	}
	Context struct {
		Timestamp                 int64
		ID                        string `json:"msg_id"`
		Method, Path, Query, Host string
	}
	Direction, Expect   string
	Deterministic       bool
	RequiresAllowLegacy bool `json:"requires_allow_legacy"`
}

func TestVectorsOfOtherTools(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			p := v.pipeline(t)
			switch {
			case v.Profile.Kind == "sign":
				v.checkSignature(t, p)
			case v.Expect == "reject":
				v.checkRejected(t, p)
			default:
				v.checkOpens(t, p)
				v.checkRoundTrip(t, p)
				v.checkSample(t, p)
			}
		})
	}
}

func (v *vector) input(t *testing.T, refs []payload.Reference, body string, headers map[string]string) payload.Input {
	t.Helper()
	in := payload.Input{
		Nonces: payload.Uncounted,
		Now:    now.AddDate(0, 0, 1), Keys: v.keys(t, refs), Body: []byte(body), Headers: payload.Headers{}, ContentType: "application/json",
		Context: payload.Context{
			ID: v.Context.ID, Method: v.Context.Method, Host: v.Context.Host, Path: v.Context.Path, Query: v.Context.Query,
		},
	}
	if v.Context.Timestamp != 0 {
		in.Context.Time = time.Unix(v.Context.Timestamp, 0)
	}
	for name, value := range headers {
		in.Headers[strings.ToLower(name)] = value
	}
	if v.Profile.IV.Source == "peer_flipped" {
		in.Exchange = &payload.Exchange{Key: unhex(t, v.Secrets["key"].Value), IV: unhex(t, v.Secrets["peer_iv"].Value)}
	}
	return in
}

func (v *vector) checkSignature(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	body := v.Output.Body
	if v.Expect == "reject" {
		body = v.Plaintext
	}
	in := v.input(t, p.VerifyReferences(), body, v.Output.Headers)
	if _, err := p.Verify(in); (err == nil) != (v.Expect == "accept") || err != nil && !fault.Is(err, payload.SignatureInvalid) {
		t.Errorf("Verify: %v, want it to %s", err, v.Expect)
	}
	if v.Expect == "reject" {
		return
	}
	sent, err := p.Encrypt(v.input(t, p.EncryptReferences(), v.Plaintext, nil))
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	got := map[string]string{}
	for _, h := range sent.Headers {
		got[h.Name] = h.Value
	}
	if diff := cmp.Diff(v.Output.Headers, got); diff != "" || string(sent.Body) != v.Output.Body {
		t.Errorf("Encrypt = %s with headers (-want +got):\n%s", sent.Body, diff)
	}
}

func (v *vector) checkRejected(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	out, err := p.Decrypt(v.input(t, p.DecryptReferences(), v.Output.Body, v.Output.Headers))
	if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) == "" || out.Body != nil {
		t.Errorf("Decrypt = %q, %v at stage %q, want DECRYPTION_FAILED", out.Body, err, payload.Stage(err))
	}
}

func (v *vector) checkOpens(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	out, err := p.Decrypt(v.input(t, p.DecryptReferences(), v.Output.Body, v.Output.Headers))
	if err != nil {
		t.Fatalf("Decrypt: %v, cause %v", err, payload.Stage(err))
	}
	if v.Profile.IV.Source == "peer_flipped" && len(out.Used) != 0 {
		t.Errorf("Decrypt used %v, want no key but the exchange's", out.Used)
	}
	v.checkPlaintext(t, string(out.Body))
}

// checkSample encrypts a sample body, as is required to activate the configuration.
func (v *vector) checkSample(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	body := tryout.SampleBody(v.Profile.profile(t, v.ref))
	if _, err := p.Encrypt(v.input(t, p.EncryptReferences(), string(body), nil)); err != nil && !payload.OneSided(err) {
		t.Errorf("Encrypt of the sample body %s: %v", body, err)
	}
}

// checkRoundTrip encrypts the plaintext and decrypts the result. Encryption without randomness
// returns the same bytes as the other tool.
func (v *vector) checkRoundTrip(t *testing.T, p *payload.Pipeline) {
	t.Helper()
	sent, err := p.Encrypt(v.input(t, p.EncryptReferences(), v.document(t), nil))
	if v.publicOnly() {
		if !fault.Is(err, payload.KeyNotUsable) {
			t.Errorf("Encrypt with the partner's public key for signing: %v, want KEY_NOT_USABLE", err)
		}
		return
	}
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	if v.Deterministic && string(sent.Body) != v.Output.Body {
		t.Errorf("Encrypt = %s, want %s", sent.Body, v.Output.Body)
	}
	headers := map[string]string{}
	for _, h := range sent.Headers {
		headers[h.Name] = h.Value
	}
	out, err := p.Decrypt(v.input(t, p.DecryptReferences(), string(sent.Body), headers))
	if err != nil {
		t.Fatalf("Decrypt(Encrypt): %v, cause %v", err, payload.Stage(err))
	}
	v.checkPlaintext(t, string(out.Body))
}

// publicOnly reports whether a vector has only the partner's public key where a private key would
// sign.
func (v *vector) publicOnly() bool { return v.Profile.Nested.JWS.Ref == "verify" }

// document returns the body that is encrypted.
func (v *vector) document(t *testing.T) string {
	t.Helper()
	if v.Profile.Select.Mode != "object" {
		return v.Plaintext
	}
	return replaceObject(t, v.Output.Body, v.Profile.Select.Path, v.Plaintext)
}

// checkPlaintext compares the decrypted message with the plaintext. Values that are sent as text
// come back as strings.
func (v *vector) checkPlaintext(t *testing.T, got string) {
	t.Helper()
	want := v.document(t)
	if v.Profile.Select.ValueForm == "string" || v.Profile.Select.Mode == "object" {
		if !sameButStrings(t, want, got) {
			t.Errorf("the plaintext is %s, want %s except for strings", got, want)
		}
		return
	}
	if got != want {
		t.Errorf("the plaintext is %s, want %s", got, want)
	}
}

// pipeline maps the vector's profile to a configuration. A configuration that needs an
// acknowledgement is refused without it.
func (v *vector) pipeline(t *testing.T) *payload.Pipeline {
	t.Helper()
	pb := &allowlistv1.Encryption{Request: v.Profile.profile(t, v.ref)}
	profile, direction := pb.GetRequest(), payload.Request
	if v.Profile.IV.Source == "peer_flipped" {
		// This is the profile of a response, which needs a request profile.
		pb = &allowlistv1.Encryption{Request: asked(), Response: profile}
		direction = payload.Response
	}
	_, err := payload.Parse(pb, "acme", now)
	// The receiver did not choose the settings of a hostile message.
	if wanted := v.RequiresAllowLegacy && v.ID != "neg-jwe-zip-bomb"; fault.Is(err, payload.LegacyNotAcknowledged) != wanted {
		t.Errorf("Parse without acknowledgement: %v, want one to be needed: %v", err, wanted)
	}
	payload.Acknowledge(profile, "the vector", timestamppb.New(now.AddDate(1, 0, 0)))
	c, err := payload.Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return c.Pipeline(direction)
}

// ref refers to one of the vector's secrets, in its decoding.
func (v *vector) ref(t *testing.T, name string) *allowlistv1.SecretRef {
	t.Helper()
	decode := strings.NewReplacer("utf8", "raw", "pemfile", "pem", "pgpfile", "raw").Replace(v.Secrets[name].Decode)
	return &allowlistv1.SecretRef{
		Name:     "workspaces/acme/secrets/" + strings.ReplaceAll(name, "_", "-"),
		Decoding: known[allowlistv1.Decoding](t, allowlistv1.Decoding_value, "DECODING_", decode),
	}
}

func (v *vector) keys(t *testing.T, refs []payload.Reference) payload.Keys {
	t.Helper()
	keys := make(payload.Keys, len(refs))
	for i, ref := range refs {
		name := strings.ReplaceAll(strings.TrimPrefix(ref.Secret, "workspaces/acme/secrets/"), "-", "_")
		value := []byte(v.Secrets[name].Value)
		if strings.HasSuffix(v.Secrets[name].Decode, "file") {
			var err error
			if value, err = os.ReadFile(filepath.Join("testdata", v.Secrets[name].Value)); err != nil {
				t.Fatal(err)
			}
		}
		keys[i] = []payload.Key{{Value: sensitive.New(value), Version: 1}}
	}
	return keys
}
