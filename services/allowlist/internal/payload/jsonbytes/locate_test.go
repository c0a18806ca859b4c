package jsonbytes_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

func paths(t testing.TB, texts ...string) []jsonbytes.Path {
	t.Helper()
	all := make([]jsonbytes.Path, len(texts))
	for i, text := range texts {
		p, ok := jsonbytes.ParsePath(text)
		if !ok {
			t.Fatalf("ParsePath(%q) refuses", text)
		}
		all[i] = p
	}
	return all
}

func TestValuesAreLocatedInTheOrderOfTheBody(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		paths      []string
		want       []string
		missing    int
	}{
		{"a member", ` { "b" : 1 , "a" : [ 2 ] } `, []string{"$.a"}, []string{"[ 2 ]"}, -1},
		{"the order is the body's", `{"b":1,"a":2}`, []string{"$.a", "$.b"}, []string{"1", "2"}, -1},
		{"an element", `[0,[1,2]]`, []string{"$[1][0]"}, []string{"1"}, -1},
		{"all elements and members", `{"a":[1,{"b":2}],"c":3}`, []string{"$.a[*]", "$.c"}, []string{"1", `{"b":2}`, "3"}, -1},
		{"an escaped name", `{"\u0061":true}`, []string{"$.a"}, []string{"true"}, -1},
		{"a missing value is reported", `{"a":1}`, []string{"$.a", "$.b", "$.c"}, []string{"1"}, 1},
		{"a wildcard over nothing is missing", `{"a":[]}`, []string{"$.a[*]"}, nil, 0},
		{"a name is not an index", `{"0":1}`, []string{"$[0]"}, nil, 0},
		{"a scalar has nothing", `7`, []string{"$.a"}, nil, 0},
	}
	for _, test := range tests {
		spans, missing, err := jsonbytes.NewSet(paths(t, test.paths...)...).Locate([]byte(test.body), 9)
		var got []string
		for _, s := range spans {
			got = append(got, test.body[s.Start:s.End])
		}
		if diff := cmp.Diff(test.want, got); diff != "" || missing != test.missing || err != nil {
			t.Errorf("%s: Locate = %q, %d, %v, want %q, %d", test.name, got, missing, err, test.want, test.missing)
		}
	}
}

func TestUnclearDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       error
	}{
		{"no JSON", `a=1`, jsonbytes.ErrNotJSON},
		{"something behind", `{"a":[1]} 2`, jsonbytes.ErrNotJSON},
		{"no UTF-8", "{\"a\":[1],\"b\":\"\xff\"}", jsonbytes.ErrNotJSON},
		{"too deep off the paths", `{"b":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, jsonbytes.ErrNotJSON},
		{"a name twice on the way", `{"a":[],"a":[1]}`, jsonbytes.ErrDuplicate},
		{"a name twice, once escaped", `{"a":[1],"\u0061":[1]}`, jsonbytes.ErrDuplicate},
		{"a name twice under a wildcard", `{"a":{"x":1,"x":2}}`, jsonbytes.ErrDuplicate},
		{"half of a surrogate pair in a name", `{"a":{"\ud800":1}}`, jsonbytes.ErrNotJSON},
		{"more than the limit", `{"a":[1,2,3]}`, jsonbytes.ErrTooMany},
	}
	set := jsonbytes.NewSet(paths(t, "$.a[*]")...)
	for _, test := range tests {
		if spans, _, err := set.Locate([]byte(test.body), 2); !errors.Is(err, test.want) || spans != nil {
			t.Errorf("%s: Locate = %v, %v, want %v", test.name, spans, err, test.want)
		}
	}
	if _, _, err := set.Locate([]byte(`{"b":1,"b":2,"a":[]}`), 2); err != nil {
		t.Errorf("Locate = %v with a duplicate name off the paths", err)
	}
}

func TestSingleValuesAreLookedUp(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, want string
		ok               bool
	}{
		{"a string", `{"a":[{"b":"q\"\u00e9"}]}`, `q"é`, true},
		{"a number verbatim", `{"a":[{"b":1.50}]}`, `1.50`, true},
		{"an object verbatim", `{"a":[{"b":{ "c": 1 }}]}`, `{ "c": 1 }`, true},
		{"a missing value", `{"a":[]}`, ``, false},
		{"a name twice", `{"a":[{"b":1,"b":2}]}`, ``, false},
		{"half a document", `{"a":[{"b":1}]`, ``, false},
		{"half of a surrogate pair", `{"a":[{"b":"\ud800"}]}`, ``, false},
	}
	lookup := jsonbytes.NewLookup(paths(t, "$.a[0].b")[0])
	for _, test := range tests {
		var text []byte
		value, ok := lookup.Value([]byte(test.body))
		if ok {
			text, ok = jsonbytes.Text(value)
		}
		if ok != test.ok || ok && string(text) != test.want {
			t.Errorf("%s: %q, %v, want %q, %v", test.name, text, ok, test.want, test.ok)
		}
	}
}

// Locate must find the same values as a JSON library.
func FuzzLocate(f *testing.F) {
	for _, seed := range []string{`{"a":{"b":[1,"x"]},"c":null}`, `{"a":{"b":{}},"c":[[]]} `, `{"\u0061":{"b":0}}`, `{"a":1,"a":{"b":2}}`, `{"a":{"b":"\ud800"}}`} {
		f.Add([]byte(seed))
	}
	set := jsonbytes.NewSet(paths(f, "$.a.b", "$.c")...)
	f.Fuzz(func(t *testing.T, body []byte) {
		spans, missing, err := set.Locate(body, 2)
		if err != nil {
			return
		}
		var whole struct{ A, C json.RawMessage }
		var members map[string]json.RawMessage
		_ = json.Unmarshal(body, &members) // a value that is not an object has no members
		whole.A, whole.C = members["a"], members["c"]
		members = nil
		_ = json.Unmarshal(whole.A, &members)
		want := map[int]string{}
		if b, ok := members["b"]; ok {
			want[0] = string(b)
		}
		if whole.C != nil {
			want[1] = string(whole.C)
		}
		got := map[int]string{}
		for _, s := range spans {
			got[s.Path] = string(body[s.Start:s.End])
		}
		if diff := cmp.Diff(want, got); diff != "" || (missing < 0) != (len(want) == 2) {
			t.Errorf("Locate(%q), missing %d (-want +got):\n%s", body, missing, diff)
		}
	})
}
