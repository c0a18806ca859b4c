package payload_test

import (
	"encoding/json"
	"maps"
	"math"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"

	"google.golang.org/protobuf/encoding/protojson"
)

// A convention is a message that another tool signed as a partner does: testdata/conventions.json,
// which testdata/conventions.mjs makes.
type convention struct {
	ID         string
	Encryption json.RawMessage
	Secrets    map[string]string
	Body       string
	Context    struct {
		Time                          float64
		ID, Method, Host, Path, Query string
		ContentType                   string
		Values, Headers               map[string]string
	}
	// Sent is what the other tool sent in addition to the body, and Signed the body with what the
	// signature adds to it, if anything.
	Sent struct {
		Headers, Query map[string]string
		Body           string
	}
	// Deterministic says that signing gives the same; otherwise the message is only verified.
	Deterministic bool
}

func conventions(t testing.TB) []convention {
	t.Helper()
	text, err := os.ReadFile("testdata/conventions.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []convention
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// pipeline compiles the configuration of a convention.
func (c convention) pipeline(t testing.TB) *payload.Pipeline {
	t.Helper()
	config, err := acknowledgedMessage(c.message(t))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	return config.Pipeline(payload.Request)
}

// message returns the configuration of a convention.
func (c convention) message(t testing.TB) *allowlistv1.Encryption {
	t.Helper()
	pb := new(allowlistv1.Encryption)
	if err := protojson.Unmarshal(c.Encryption, pb); err != nil {
		t.Fatalf("read the configuration: %v", err)
	}
	return pb
}

// input returns a message of a convention.
func (c convention) input(refs []payload.Reference, body string) payload.Input {
	in := payload.Input{Now: time.UnixMilli(int64(math.Round(c.Context.Time * 1000))).UTC(), Body: []byte(body), ContentType: c.Context.ContentType, Nonces: payload.Uncounted}
	in.Context = payload.Context{
		ID: c.Context.ID, Method: c.Context.Method, Host: c.Context.Host, Path: c.Context.Path, Query: c.Context.Query,
		Values: c.Context.Values, Headers: c.Context.Headers,
	}
	for _, ref := range refs {
		name := strings.TrimPrefix(ref.Secret, "workspaces/acme/secrets/")
		in.Keys = append(in.Keys, []payload.Key{{Value: sensitive.New([]byte(c.Secrets[name])), Version: 1}})
	}
	return in
}

// TestConventionsAreSignedAsOtherToolsSign signs what another tool signed.
func TestConventionsAreSignedAsOtherToolsSign(t *testing.T) {
	t.Parallel()
	for _, c := range conventions(t) {
		if !c.Deterministic {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			p := c.pipeline(t)
			sent, err := p.Encrypt(c.input(p.EncryptReferences(), c.Body))
			if err != nil {
				t.Fatalf("Encrypt: %v", err)
			}
			got := c.Sent
			got.Headers, got.Query, got.Body = map[string]string{}, map[string]string{}, string(sent.Body)
			for _, h := range sent.Headers {
				got.Headers[h.Name] = h.Value
			}
			for _, q := range sent.Query {
				got.Query[q.Name] = q.Value
			}
			want := c.sent()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Encrypt (-want +got):\n%s", diff)
			}
		})
	}
}

func (c convention) sent() (want struct {
	Headers, Query map[string]string
	Body           string
},
) {
	want = c.Sent
	if want.Headers == nil {
		want.Headers = map[string]string{}
	}
	if want.Query == nil {
		want.Query = map[string]string{}
	}
	if want.Body == "" {
		want.Body = c.Body
	}
	return want
}

// received returns the message as the receiver has it.
func (c convention) received(p *payload.Pipeline) payload.Input {
	sent := c.sent()
	in := c.input(p.DecryptReferences(), sent.Body)
	in.Context.ID, in.Context.Headers, in.Headers = "", nil, payload.Headers{}
	for name, value := range c.Context.Headers {
		in.Headers[strings.ToLower(name)] = value
	}
	for name, value := range sent.Headers {
		in.Headers[strings.ToLower(name)] = value
	}
	query := []string{}
	if in.Context.Query != "" {
		query = append(query, in.Context.Query)
	}
	for name, value := range sent.Query {
		query = append(query, name+"="+url.QueryEscape(value))
	}
	in.Context.Query = strings.Join(query, "&")
	return in
}

// TestConventionsAreVerified verifies what another tool signed, and refuses each change.
func TestConventionsAreVerified(t *testing.T) {
	t.Parallel()
	for _, c := range conventions(t) {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			p := c.pipeline(t)
			opened, err := p.Decrypt(c.received(p))
			if err != nil {
				t.Fatalf("Decrypt: %v: %s", err, payload.Cause(err))
			}
			if diff := cmp.Diff(c.Body, string(opened.Body)); diff != "" {
				t.Errorf("Decrypt (-want +got):\n%s", diff)
			}
			changed := c.received(p)
			changed.Keys[0][0].Value = sensitive.New([]byte("another key that is long enough for each"))
			if !strings.Contains(c.Secrets[firstName(c.Secrets)], "-----BEGIN") {
				if _, err := p.Decrypt(changed); err == nil {
					t.Error("Decrypt with another key succeeded")
				}
			}
			for name, template := range c.message(t).GetRequest().GetSigning().GetHeaders() {
				if !strings.Contains(template, "${") {
					continue // sent, but not checked
				}
				changed := c.received(p)
				changed.Headers = maps.Clone(changed.Headers)
				changed.Headers[strings.ToLower(name)] = anotherDigit(changed.Headers[strings.ToLower(name)])
				if _, err := p.Decrypt(changed); err == nil {
					t.Errorf("Decrypt with another header %s succeeded", name)
				}
			}
		})
	}
}

func firstName(m map[string]string) string {
	for name := range m {
		return name
	}
	return ""
}

// anotherDigit changes a character in the middle of a string.
func anotherDigit(text string) string {
	b := []byte(text)
	i := len(b) / 2
	if b[i] == '7' {
		b[i] = '8'
	} else {
		b[i] = '7'
	}
	return string(b)
}

// Feishu has one key for two purposes that could reveal each other, which a super admin accepts.
func TestTheOneKeyOfFeishuConflictsWithItself(t *testing.T) {
	t.Parallel()
	for _, c := range conventions(t) {
		conflicts := slices.Contains(payload.UnsafeChoices(c.message(t).GetRequest()), allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES)
		if conflicts != (c.ID == "feishu") {
			t.Errorf("%s has conflicting uses of a key: %v", c.ID, conflicts)
		}
	}
}
