package preset_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/sensitive"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/preset"
)

// now is the default time of the tests.
var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// known is the directory of the known answers of package payload.
const known = "../payload/testdata"

// place is the prefix of the tests' secrets.
const place = "workspaces/acme/secrets/"

// library returns the presets.
func library(t testing.TB) *preset.Library {
	t.Helper()
	l, err := preset.New()
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return l
}

// use returns a complete use of a preset: with all its secrets, a string for each setting without
// a default, and an acknowledgement if it needs one.
func use(p *allowlistv1.Preset) *allowlistv1.PresetUse {
	u := &allowlistv1.PresetUse{Id: p.GetId(), Secrets: map[string]*allowlistv1.SecretRef{}, Settings: map[string]string{}}
	for _, secret := range p.GetSecrets() {
		u.Secrets[secret.GetName()] = &allowlistv1.SecretRef{Name: place + secret.GetName()}
	}
	for _, setting := range p.GetSettings() {
		if setting.DefaultValue == nil {
			u.Settings[setting.GetName()] = "$.text" // valid as a path and as a key ID
		}
	}
	if len(p.GetLegacy()) > 0 {
		u.LegacyReason, u.LegacyExpireTime = "the partner's specification", timestamppb.New(now.AddDate(1, 0, 0))
	}
	return u
}

// compile compiles a use.
func compile(t testing.TB, l *preset.Library, u *allowlistv1.PresetUse) *payload.Config {
	t.Helper()
	draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now)
	if err != nil {
		t.Fatalf("Parse(%s): %v", u.GetId(), err)
	}
	return draft.Config()
}

// A stored secret: its string, its key files, or the name of a secret of a known answer.
type stored struct{ Value, File, Name string }

func (s *stored) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(text, []byte(`"`)) {
		return json.Unmarshal(text, &s.Name)
	}
	type plain stored
	return json.Unmarshal(text, (*plain)(s))
}

// An answer is a message that another tool created.
type answer struct {
	Preset, Tool, Direction, Vector string
	Secrets                         map[string]stored
	Settings                        map[string]string
	Context                         struct {
		Time                                       float64
		ID, Method, Host, Path, Query, ContentType string
		Values, Headers                            map[string]string
	}
	Plaintext, Body string
	// Headers and Query are what the signature adds.
	Headers, Query map[string]string
	Deterministic  bool
	// Exchange names the secrets of the known answer in an exchange.
	Exchange *struct{ Key, IV string }

	decodings map[string]allowlistv1.Decoding
	exchange  *payload.Exchange
}

// A vector contains the parts of a known answer of package payload that answers need.
type vector struct {
	ID, Tool, Plaintext string
	Deterministic       bool
	Secrets             map[string]struct{ Value, Decode string }
	Output              struct {
		Body    string
		Headers map[string]string
	}
	Context struct {
		Timestamp           float64
		ID                  string `json:"msg_id"`
		Method, Path, Query string
	}
}

// answers returns all answers. It completes answers that refer to another known answer.
func answers(t testing.TB) []answer {
	t.Helper()
	var list []answer
	readJSON(t, "testdata/answers.json", &list)
	var file struct{ Vectors []vector }
	readJSON(t, filepath.Join(known, "vectors.json"), &file)
	vectors := make(map[string]vector, len(file.Vectors))
	for _, v := range file.Vectors {
		vectors[v.ID] = v
	}
	for i := range list {
		a := &list[i]
		a.decodings = make(map[string]allowlistv1.Decoding)
		if a.Vector != "" {
			v, ok := vectors[a.Vector]
			if !ok {
				t.Fatalf("there is no known answer %s", a.Vector)
			}
			a.complete(t, v)
		}
		for name, secret := range a.Secrets {
			if secret.File != "" {
				a.Secrets[name] = stored{Value: keyFiles(t, secret.File)}
			}
		}
	}
	return list
}

// complete takes the missing parts of an answer from a known answer.
func (a *answer) complete(t testing.TB, v vector) {
	t.Helper()
	a.Tool, a.Body, a.Headers, a.Deterministic = v.Tool, v.Output.Body, v.Output.Headers, v.Deterministic
	if a.Plaintext == "" {
		a.Plaintext = v.Plaintext
	}
	a.Context.Time, a.Context.ID = v.Context.Timestamp, v.Context.ID
	a.Context.Method, a.Context.Path, a.Context.Query = v.Context.Method, v.Context.Path, v.Context.Query
	decodings := map[string]allowlistv1.Decoding{
		"utf8": allowlistv1.Decoding_DECODING_RAW, "hex": allowlistv1.Decoding_DECODING_HEX,
		"base64": allowlistv1.Decoding_DECODING_BASE64, "whsec": allowlistv1.Decoding_DECODING_WHSEC,
	}
	for name, secret := range a.Secrets {
		if secret.Name == "" {
			continue
		}
		from, ok := v.Secrets[secret.Name]
		if !ok {
			t.Fatalf("the known answer %s has no secret %s", v.ID, secret.Name)
		}
		if strings.HasSuffix(from.Decode, "file") {
			a.Secrets[name] = stored{Value: keyFiles(t, filepath.Base(from.Value))}
			continue
		}
		a.Secrets[name], a.decodings[name] = stored{Value: from.Value}, decodings[from.Decode]
	}
	if a.Exchange != nil {
		a.exchange = &payload.Exchange{Key: unhex(t, v.Secrets[a.Exchange.Key].Value), IV: unhex(t, v.Secrets[a.Exchange.IV].Value)}
	}
}

// pipeline returns the direction of the answer's preset.
func (a *answer) pipeline(t testing.TB, l *preset.Library) *payload.Pipeline {
	t.Helper()
	direction := payload.Request
	if a.Direction == "response" {
		direction = payload.Response
	}
	return a.config(t, l).Pipeline(direction)
}

// config compiles the answer's preset.
func (a *answer) config(t testing.TB, l *preset.Library) *payload.Config {
	t.Helper()
	u := &allowlistv1.PresetUse{Id: a.Preset, Secrets: map[string]*allowlistv1.SecretRef{}, Settings: a.Settings}
	for name := range a.Secrets {
		u.Secrets[name] = &allowlistv1.SecretRef{Name: place + name, Decoding: a.decodings[name]}
	}
	if len(find(t, l, a.Preset).GetLegacy()) > 0 {
		u.LegacyReason, u.LegacyExpireTime = "the partner's specification", timestamppb.New(now.AddDate(1, 0, 0))
	}
	return compile(t, l, u)
}

// input returns the input of a call with the keys of the references.
func (a *answer) input(refs []payload.Reference, body string, headers payload.Headers) payload.Input {
	in := payload.Input{Nonces: payload.Uncounted, Now: now, Body: []byte(body), Headers: headers, Exchange: a.exchange}
	for _, ref := range refs {
		value := a.Secrets[strings.TrimPrefix(ref.Secret, place)].Value
		in.Keys = append(in.Keys, []payload.Key{{Value: sensitive.New([]byte(value)), Version: 1}})
	}
	if a.Context.Time > 0 {
		in.Now = time.UnixMilli(int64(a.Context.Time * 1000)).UTC()
	}
	c := a.Context
	in.ContentType = cmp.Or(c.ContentType, "application/json")
	in.Context = payload.Context{
		Time: in.Now, ID: c.ID, Method: c.Method, Host: c.Host, Path: c.Path, Query: c.Query, Values: c.Values, Headers: c.Headers,
	}
	return in
}

// received returns the input of a call with a received message, whose headers and query parameters
// join those of the answer's context.
func (a *answer) received(refs []payload.Reference, body string, headers payload.Headers, query map[string]string) payload.Input {
	in := a.input(refs, body, maps.Clone(headers))
	maps.Copy(in.Headers, in.Context.Headers)
	in.Context.Headers = nil
	for _, name := range slices.Sorted(maps.Keys(query)) {
		in.Context.Query = strings.TrimPrefix(in.Context.Query+"&"+name+"="+url.QueryEscape(query[name]), "&")
	}
	return in
}

// find returns the preset with an ID.
func find(t testing.TB, l *preset.Library, id string) *allowlistv1.Preset {
	t.Helper()
	for _, p := range l.List() {
		if p.GetId() == id {
			return p
		}
	}
	t.Fatalf("there is no preset %s", id)
	return nil
}

// lower returns the headers by lower-case name.
func lower(headers map[string]string) payload.Headers {
	all := make(payload.Headers, len(headers))
	for name, value := range headers {
		all[strings.ToLower(name)] = value
	}
	return all
}

// came returns headers as they arrive with a message.
func came(headers []payload.Header) payload.Headers { return lower(parameters(headers)) }

// parameters returns headers or query parameters by name.
func parameters(fields []payload.Header) map[string]string {
	all := make(map[string]string, len(fields))
	for _, f := range fields {
		all[f.Name] = f.Value
	}
	return all
}

// keyFiles returns the concatenated key files with these names.
func keyFiles(t testing.TB, names string) string {
	t.Helper()
	var text []byte
	for _, name := range strings.Fields(names) {
		b, err := os.ReadFile(filepath.Join(known, "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	return string(text)
}
