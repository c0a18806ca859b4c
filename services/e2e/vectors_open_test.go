package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func (t *trial) encrypt(body string) *allowlistv1.EncryptResponse {
	t.Helper()
	sent, err := t.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{
		Name: t.endpoint, Kind: t.kind, Body: []byte(body), Exchange: t.exchange, Context: t.context(),
	})
	if err != nil {
		t.Fatalf("Encrypt: %v", describe(err))
	}
	return sent
}

func (t *trial) decrypt(body []byte, headers map[string]string) (string, error) {
	t.Helper()
	opened, err := t.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{
		Name: t.endpoint, Kind: t.kind, Body: body, Headers: headers, Context: t.context(),
	})
	return string(opened.GetBody()), err
}

// input is the plaintext body. If it is an object, the vector contains only the object.
func (t *trial) input() string {
	t.Helper()
	if t.p.Select == nil || t.p.Select.Mode != "object" || t.p.Select.Path == "$" {
		return t.v.Plaintext
	}
	whole, err := sjson.SetRaw(t.v.Output.Body, concrete(t.v.Output.Body, gjsonPath(t.p.Select.Path))[0], t.v.Plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return whole
}

func (t *trial) opens() {
	t.Helper()
	got, err := t.decrypt([]byte(t.v.Output.Body), t.v.Output.Headers)
	if err != nil {
		t.Fatalf("Decrypt the tool's message: %v", describe(err))
	}
	want := t.input()
	if t.p.Select != nil && sameDocument(got, want) {
		return // the tool may have formatted the values differently
	}
	t.same("Decrypt the tool's message", got, want)
}

func (t *trial) encrypts() {
	t.Helper()
	if t.partnerMakes() && (!t.v.Deterministic || t.publicOnly()) {
		return // often only the key to decrypt or verify is known
	}
	sent := t.encrypt(t.input())
	if t.v.Deterministic {
		t.sameBytes(sent)
	}
	got, err := t.decrypt(sent.GetBody(), headersOf(sent))
	if err != nil {
		t.Fatalf("Decrypt Keyward's message: %v", describe(err))
	}
	t.same("Decrypt Keyward's message", got, t.input())
}

// publicOnly reports whether one of the keys is only the public part.
func (t *trial) publicOnly() bool {
	for _, secret := range t.v.Secrets {
		if strings.Contains(secret.Value, "-----BEGIN") && !strings.Contains(secret.Value, "PRIVATE KEY") {
			return true
		}
	}
	return false
}

// sameBytes compares a message with the tool's, byte for byte. If a profile describes the members
// of a JSON body, it compares only these.
func (t *trial) sameBytes(sent *allowlistv1.EncryptResponse) {
	t.Helper()
	sameBody := func(got, want string) bool { return got == want }
	if t.p.Envelope != nil && t.p.Envelope.JSON != nil {
		sameBody = sameDocument
	}
	if got := string(sent.GetBody()); !sameBody(got, t.v.Output.Body) {
		t.Errorf("Encrypt = %s, want %s", got, t.v.Output.Body)
	}
	jws := t.p.Scheme == "jws_detached"
	for name, want := range t.v.Output.Headers {
		if got := headersOf(sent)[name]; got != want && (!jws || !sameJWSHeader(got, want)) {
			t.Errorf("header %s = %q, want %q", name, got, want)
		}
	}
}

// sameJWSHeader compares the protected headers of two JWSs, whose members have no order.
func sameJWSHeader(a, b string) bool {
	header := func(jws string) string {
		encoded, _, _ := strings.Cut(jws[strings.LastIndex(jws, " ")+1:], ".")
		text, _ := base64.RawURLEncoding.DecodeString(encoded)
		return string(text)
	}
	return header(a) != header(b) && sameDocument(header(a), header(b))
}

func headersOf(sent *allowlistv1.EncryptResponse) map[string]string {
	headers := make(map[string]string)
	for _, h := range sent.GetHeaders() {
		headers[h.GetName()] = h.GetValue()
	}
	return headers
}

// same compares bodies byte for byte. It ignores the types of values that were sent as strings,
// and different percent-encodings of the values of a form.
func (t *trial) same(what, got, want string) {
	t.Helper()
	equal := func(got, want string) bool { return got == want }
	switch s := t.p.Select; {
	case s != nil && s.Mode == "form_fields":
		equal = sameForm
	case s != nil && s.Mode == "fields" && s.ValueForm == "string":
		for _, path := range s.Paths {
			want = withStrings(t, want, path)
		}
		equal = sameDocument
	}
	if !equal(got, want) {
		t.Errorf("%s = %s, want %s", what, got, want)
	}
}

// sameForm compares the decoded pairs, in order.
func sameForm(got, want string) bool {
	pairs := func(form string) []string {
		var all []string
		for pair := range strings.SplitSeq(form, "&") {
			name, value, _ := strings.Cut(pair, "=")
			for _, text := range []string{name, value} {
				decoded, err := url.QueryUnescape(text)
				if err != nil {
					decoded = "not percent-encoded: " + text
				}
				all = append(all, decoded)
			}
		}
		return all
	}
	return slices.Equal(pairs(got), pairs(want))
}

// sameDocument compares JSON documents by their values.
func sameDocument(got, want string) bool {
	var a, b any
	return json.Unmarshal([]byte(got), &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}

// withStrings turns the values at a path into strings.
func withStrings(t testing.TB, body, path string) string {
	t.Helper()
	for _, at := range concrete(body, gjsonPath(path)) {
		value := gjson.Get(body, at)
		if !value.Exists() {
			continue
		}
		text := value.Raw
		if value.Type == gjson.String {
			text = value.String()
		}
		changed, err := sjson.Set(body, at, text)
		if err != nil {
			t.Fatal(err)
		}
		body = changed
	}
	return body
}

// gjsonPath formats a path as steps in gjson's syntax, separated by a zero byte, with `*` for all.
func gjsonPath(path string) string {
	var steps []string
	for rest := strings.TrimPrefix(path, "$"); rest != ""; {
		var step string
		switch {
		case strings.HasPrefix(rest, "[*]"):
			steps, rest = append(steps, "*"), rest[3:]
			continue
		case strings.HasPrefix(rest, "['"):
			step, rest, _ = strings.Cut(rest[2:], "']")
		case strings.HasPrefix(rest, "["):
			step, rest, _ = strings.Cut(rest[1:], "]")
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
		}
		steps = append(steps, gjson.Escape(step))
	}
	return strings.Join(steps, "\x00")
}

// concrete returns the paths that match a path with wildcards.
func concrete(body, path string) []string {
	steps := strings.Split(path, "\x00")
	wild := slices.Index(steps, "*")
	if wild < 0 {
		return []string{strings.Join(steps, ".")}
	}
	holder := gjson.Parse(body)
	if wild > 0 {
		holder = gjson.Get(body, strings.Join(steps[:wild], "."))
	}
	var all []string
	n := 0
	holder.ForEach(func(name, _ gjson.Result) bool {
		one := slices.Clone(steps)
		one[wild] = gjson.Escape(name.String())
		if holder.IsArray() {
			one[wild] = fmt.Sprint(n)
		}
		n++
		all = append(all, concrete(body, strings.Join(one, "\x00"))...)
		return true
	})
	return all
}
