package jsonbytes_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

func TestMembersAreRemovedWithTheirComma(t *testing.T) {
	t.Parallel()
	both := jsonbytes.NewInsertion(paths(t, "$.b", "$.a")...)
	for _, tt := range []struct{ body, want string }{
		{`{"a":"1","b":"2"}`, `{}`},
		{`{ "a" : "1" , "b" : "2" }`, `{ }`},
		{`{"a":"1","c":3,"b":"2"}`, `{"c":3}`},
		{` {"c":3 , "a":"1", "d":[{"a":"x"}], "b":"2" ,"e":{} } `, ` {"c":3 , "d":[{"a":"x"}],"e":{} } `},
		{`{"c":"\"}","\u0061":"1","b":"2"}`, `{"c":"\"}"}`},
	} {
		got, values, ok := both.Remove([]byte(tt.body))
		if !ok || string(got) != tt.want || !cmp.Equal(values, []string{"2", "1"}) {
			t.Errorf("Remove(%s) = %s, %q, %t, want %s", tt.body, got, values, ok, tt.want)
		}
	}
	for _, body := range []string{
		``, `[]`, `{}`, `{"a":"1"}`, `{"a":"1","b":"2","a":"1"}`, `{"a":"1","b":2}`, `{"a":"1","b":"2"`, `{"a":"1","b":"2"}x`, "{\"a\":\"\xff\",\"b\":\"2\"}", `{"a":"\ud800","b":"2"}`,
	} {
		if got, _, ok := both.Remove([]byte(body)); ok {
			t.Errorf("Remove(%q) = %s, want a refusal", body, got)
		}
	}
}

func TestMembersAreRemovedFromInnerObjects(t *testing.T) {
	t.Parallel()
	n := jsonbytes.NewInsertion(paths(t, "$.b", "$.head.sign", "$.head.of.alg")...)
	for _, tt := range []struct{ body, want string }{
		{`{"head":{"sign":"2","of":{"alg":"3"}},"b":"1"}`, `{"head":{"of":{}}}`},
		{`{"b":"1", "c":1, "head" : { "v":[1], "of":{"x":{},"alg":"3"}, "sign":"2" }}`, `{ "c":1, "head" : { "v":[1], "of":{"x":{}} }}`},
		{`{"c":{"sign":"x","of":0}, "b":"1","head":{"sign":"2","of":{"alg":"3" , "y":"2"}} ,"d":{"head":1}}`, `{"c":{"sign":"x","of":0},"head":{"of":{ "y":"2"}} ,"d":{"head":1}}`},
	} {
		got, values, ok := n.Remove([]byte(tt.body))
		if !ok || string(got) != tt.want || !cmp.Equal(values, []string{"1", "2", "3"}) {
			t.Errorf("Remove(%s) = %s, %q, %t, want %s", tt.body, got, values, ok, tt.want)
		}
	}
	for _, body := range []string{
		`{"b":"1","head":{"sign":"2","of":{}}}`,
		`{"b":"1","head":{"sign":"2","of":[{"alg":"3"}]}}`,
		`{"b":"1","head":{"sign":"2","of":{"alg":"3"}},"head":{}}`,
		`{"b":"1","head":{"sign":"2","of":{"alg":{}}}}`,
		`{"b":"1","head":"sign"}`,
	} {
		if got, _, ok := n.Remove([]byte(body)); ok {
			t.Errorf("Remove(%q) = %s, want a refusal", body, got)
		}
	}
}

func TestNewMembersReplaceNothing(t *testing.T) {
	t.Parallel()
	n := jsonbytes.NewInsertion(paths(t, "$.head.sign")...)
	if got, _, err := n.Add([]byte(`{"head":{"v":1}}`), [][]byte{[]byte("x")}); err != nil || string(got) != `{"head":{"v":1,"sign":"x"}}` {
		t.Errorf("Add = %s, %v", got, err)
	}
	if got, at, err := n.Add([]byte(`{"head":{"sign":null}}`), [][]byte{[]byte("x")}); !errors.Is(err, jsonbytes.ErrNoPlace) || at != 0 {
		t.Errorf("Add = %s, %d, %v, want no place for the first path", got, at, err)
	}
}

// FuzzRemove adds members and removes them again.
func FuzzRemove(f *testing.F) {
	for _, body := range []string{`{"o":{}}`, `{ "x" : [1, {"a": 2}] , "o":{"y":{}, "a":{} } }`, `{"a":1}`, `[]`, ` {"\u0061":"c", "o" : { }}`} {
		f.Add(body, "1", "\"\\\n")
	}
	n := jsonbytes.NewInsertion(paths(f, "$.a", "$.o.b", "$.o.c")...)
	f.Fuzz(func(t *testing.T, body, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		made, _, err := n.Add([]byte(body), [][]byte{[]byte(a), []byte(b), []byte(a)})
		if err != nil {
			return
		}
		got, values, ok := n.Remove(made)
		if !ok || string(got) != body || !cmp.Equal(values, []string{a, b, a}) {
			t.Errorf("Remove(%q) = %q, %q, %t, want %q", made, got, values, ok, body)
		}
	})
}
