package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func insertion(t testing.TB, paths ...string) *payload.Insertion {
	t.Helper()
	n, err := payload.NewInsertion(paths)
	if err != nil {
		t.Fatalf("NewInsertion(%q) = %v", paths, err)
	}
	return n
}

func credentials(texts ...string) []sensitive.Bytes {
	var all []sensitive.Bytes
	for _, text := range texts {
		all = append(all, sensitive.New([]byte(text)))
	}
	return all
}

func TestValuesGoWhereTheirPathsLead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		paths      []string
		want       string
	}{
		{"a value is replaced", `{"key": null, "b":1}`, []string{"$.key"}, `{"key": "v0", "b":1}`},
		{"an object is replaced", `{"key":{"a":[1,2]}}`, []string{"$.key"}, `{"key":"v0"}`},
		{"a missing member is added at the end", "{\"b\" : 1.0 \n}", []string{"$.key"}, "{\"b\" : 1.0,\"key\":\"v0\" \n}"},
		{"an empty object gets its first member", "{ }", []string{"$.key"}, `{"key":"v0" }`},
		{"two members are added to one object", `{}`, []string{"$.a", "$.b"}, `{"a":"v0","b":"v1"}`},
		{"one replaced and one added", `{"b":0}`, []string{"$.a", "$.b"}, `{"b":"v1","a":"v0"}`},
		{"below", `{"auth":{"id":7},"x":[]}`, []string{"$.auth.key"}, `{"auth":{"id":7,"key":"v0"},"x":[]}`},
		{
			"at several depths", `{"a":{"b":{}},"c":{"d":1}}`,
			[]string{"$.a.b.k", "$.a.k", "$.k", "$.c.d"},
			`{"a":{"b":{"k":"v0"},"k":"v1"},"c":{"d":"v3"},"k":"v2"}`,
		},
		{"a name in quotes", `{"a b":{}}`, []string{`$['a b']['c\'"\n']`}, `{"a b":{"c'\"\n":"v0"}}`},
		{"an escaped name is the same name", `{"\u006bey":1}`, []string{"$.key"}, `{"\u006bey":"v0"}`},
		{"numbers keep their spelling", `{"n":1.0e+2,"key":0}`, []string{"$.key"}, `{"n":1.0e+2,"key":"v0"}`},
		{"other members may occur twice", `{"x":1,"x":2}`, []string{"$.key"}, `{"x":1,"x":2,"key":"v0"}`},
	} {
		values := credentials("v0", "v1", "v2", "v3")[:len(tt.paths)]
		got, err := insertion(t, tt.paths...).Insert([]byte(tt.body), values)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: Insert = %s, %v, want %s", tt.name, got, err, tt.want)
		}
	}
	got, err := insertion(t, "$.k").Insert([]byte(`{}`), credentials("a\"b\\c\n\x01ü"))
	if want := `{"k":"a\"b\\c\n\u0001ü"}`; err != nil || string(got) != want {
		t.Errorf("Insert of a value that needs escaping = %s, %v, want %s", got, err, want)
	}
}

func TestBodiesWithoutAPlaceAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, path string }{
		{"nothing", ``, ""},
		{"no JSON", `key=value`, ""},
		{"two values", `{} {}`, ""},
		{"half an object", `{"auth":{`, ""},
		{"half an object after the place", `{"auth":{"key":1`, ""},
		{"no UTF-8", "{\"a\":\"\xff\"}", ""},
		{"a duplicate member on the path", `{"auth":{},"auth":{}}`, ""},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), ""},
		{"a text", `"auth"`, "$.auth.key"},
		{"an array", `[{"auth":{}}]`, "$.auth.key"},
		{"no object for it", `{}`, "$.auth.key"},
		{"an array in its place", `{"auth":[]}`, "$.auth.key"},
		{"null in its place", `{"auth":null}`, "$.auth.key"},
	} {
		got, err := insertion(t, "$.auth.key").Insert([]byte(tt.body), credentials("canary"))
		f, ok := fault.From(err)
		if !ok || f.Reason != payload.BodyNotEncryptable || f.Metadata["path"] != tt.path || got != nil {
			t.Errorf("%s: Insert = %s, %v, want BODY_NOT_ENCRYPTABLE of path %q", tt.name, got, err, tt.path)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error holds the value", tt.name)
		}
	}
	if _, err := insertion(t, "$.k").Insert([]byte(`{}`), credentials("\xff")); !fault.Is(err, payload.KeyNotUsable) {
		t.Errorf("Insert of bytes that are not UTF-8 = %v, want KEY_NOT_USABLE", err)
	}
}

func TestPathsOfValuesAreChecked(t *testing.T) {
	t.Parallel()
	many := make([]string, 17)
	for i := range many {
		many[i] = "$." + string(rune('a'+i))
	}
	for _, tt := range []struct {
		name  string
		paths []string
		field string
	}{
		{"no path", []string{"canary"}, "body_values[0].path"},
		{"the whole body", []string{"$"}, "body_values[0].path"},
		{"an element", []string{"$.a", "$.b[0]"}, "body_values[1].path"},
		{"a wildcard", []string{"$.a[*]"}, "body_values[0].path"},
		{"the same place", []string{"$.a", "$['a']"}, "body_values[1].path"},
		{"a place inside another", []string{"$.a", "$.a.b"}, "body_values[1].path"},
		{"a place that holds another", []string{"$.a.b", "$.a"}, "body_values[1].path"},
		{"too many", many, "body_values"},
	} {
		_, err := payload.NewInsertion(tt.paths)
		var f *fault.Error
		if !errors.As(err, &f) || f.Reason != fault.InvalidField || len(f.Violations) != 1 || f.Violations[0].Field != tt.field {
			t.Errorf("%s: NewInsertion = %v, want INVALID_FIELD at %s", tt.name, err, tt.field)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the error repeats the path", tt.name)
		}
	}
}

func FuzzInsert(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":{"k":1},"b":2}`, `{"a":{}}`, `[{"a":1}]`, `{"a":{"x":"\ud83d\ude00"},"b":[1.50]} `, `{"b":`} {
		f.Add([]byte(seed), "value")
	}
	n := insertion(f, "$.a.k", "$.b")
	f.Fuzz(func(t *testing.T, body []byte, value string) {
		got, err := n.Insert(body, credentials(value, "second"))
		if err != nil {
			return
		}
		var before, after map[string]any
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(got, &after) != nil {
			t.Fatalf("Insert(%q) = %q", body, got)
		}
		a, _ := after["a"].(map[string]any)
		if a["k"] != value || after["b"] != "second" {
			t.Fatalf("Insert(%q) = %q, which does not hold the values", body, got)
		}
		// With the values taken out again, nothing else has changed.
		delete(a, "k")
		delete(after, "b")
		if b, ok := before["a"].(map[string]any); ok {
			delete(b, "k")
		}
		delete(before, "b")
		want, _ := json.Marshal(before)
		if rest, _ := json.Marshal(after); !bytes.Equal(want, rest) {
			t.Fatalf("Insert(%q) = %q", body, got)
		}
	})
}
