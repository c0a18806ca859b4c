package jsonbytes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

func TestTextsGoWhereTheirPathsLead(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		paths      []string
		want       string
	}{
		{"a value is replaced", `{"key": null, "b":1}`, []string{"$.key"}, `{"key": "v0", "b":1}`},
		{"a missing member is added at the end", "{\"b\" : 1.0 \n}", []string{"$.key"}, "{\"b\" : 1.0,\"key\":\"v0\" \n}"},
		{"two are added to an empty object", `{}`, []string{"$.a", "$.b"}, `{"a":"v0","b":"v1"}`},
		{"one replaced and one added, below", `{"o":{"b":0},"x":[]}`, []string{"$.o.a", "$.o.b"}, `{"o":{"b":"v1","a":"v0"},"x":[]}`},
		{"a name that needs escaping", `{}`, []string{`$['c\'"\n']`}, `{"c'\"\n":"v0"}`},
	}
	for _, test := range tests {
		texts := [][]byte{[]byte("v0"), []byte("v1")}[:len(test.paths)]
		got, _, err := jsonbytes.NewInsertion(paths(t, test.paths...)...).Insert([]byte(test.body), texts)
		if err != nil || string(got) != test.want {
			t.Errorf("%s: Insert = %s, %v, want %s", test.name, got, err, test.want)
		}
	}
}

func TestDocumentsWithoutAPlaceAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		want       error
		noPlace    int
	}{
		{"no JSON", `key=value`, jsonbytes.ErrNotJSON, -1},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), jsonbytes.ErrNotJSON, -1},
		{"a name twice on the way", `{"b":{},"b":{}}`, jsonbytes.ErrDuplicate, -1},
		{"no object for the value", `{}`, jsonbytes.ErrNoPlace, 1},
		{"an array in its place", `{"b":[]}`, jsonbytes.ErrNoPlace, 1},
	}
	for _, test := range tests {
		got, noPlace, err := jsonbytes.NewInsertion(paths(t, "$.a", "$.b.c")...).Insert([]byte(test.body), make([][]byte, 2))
		if !errors.Is(err, test.want) || noPlace != test.noPlace || got != nil {
			t.Errorf("%s: Insert = %s, %d, %v, want %d, %v", test.name, got, noPlace, err, test.noPlace, test.want)
		}
	}
}
