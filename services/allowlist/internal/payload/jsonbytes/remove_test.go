package jsonbytes_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

func TestMembersAreRemovedWithTheirComma(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ body, want string }{
		{`{"a":"1","b":"2"}`, `{}`},
		{`{ "a" : "1" , "b" : "2" }`, `{ }`},
		{`{"a":"1","c":3,"b":"2"}`, `{"c":3}`},
		{` {"c":3 , "a":"1", "d":[{"a":"x"}], "b":"2" ,"e":{} } `, ` {"c":3 , "d":[{"a":"x"}],"e":{} } `},
		{`{"c":"\"}","\u0061":"1","b":"2"}`, `{"c":"\"}"}`},
	} {
		got, values, ok := jsonbytes.Remove([]byte(tt.body), []string{"b", "a"})
		if !ok || string(got) != tt.want || !cmp.Equal(values, []string{"2", "1"}) {
			t.Errorf("Remove(%s) = %s, %q, %t, want %s", tt.body, got, values, ok, tt.want)
		}
	}
	for _, body := range []string{
		``, `[]`, `{}`, `{"a":"1"}`, `{"a":"1","b":"2","a":"1"}`, `{"a":"1","b":2}`, `{"a":"1","b":"2"`, `{"a":"1","b":"2"}x`, "{\"a\":\"\xff\",\"b\":\"2\"}", `{"a":"\ud800","b":"2"}`,
	} {
		if got, _, ok := jsonbytes.Remove([]byte(body), []string{"b", "a"}); ok {
			t.Errorf("Remove(%q) = %s, want a refusal", body, got)
		}
	}
}

// FuzzRemove inserts members and removes them again.
func FuzzRemove(f *testing.F) {
	for _, body := range []string{`{}`, `{ "x" : [1, {"a": 2}] , "y":"b" }`, `{"a":1}`, `[]`, ` {"\u0061":"c"}`} {
		f.Add(body, "1", "\"\\\n")
	}
	var paths []jsonbytes.Path
	for _, name := range []string{"$.a", "$.b"} {
		path, _ := jsonbytes.ParsePath(name)
		paths = append(paths, path)
	}
	f.Fuzz(func(t *testing.T, body, a, b string) {
		if jsonbytes.Has([]byte(body), "a") || jsonbytes.Has([]byte(body), "b") {
			return
		}
		made, _, err := jsonbytes.NewInsertion(paths...).Insert([]byte(body), [][]byte{[]byte(a), []byte(b)})
		if err != nil {
			return
		}
		got, values, ok := jsonbytes.Remove(made, []string{"a", "b"})
		if !ok || string(got) != body || values[0] != a || values[1] != b {
			if jsonbytes.Valid(made) {
				t.Errorf("Remove(%q) = %q, %q, %t, want %q", made, got, values, ok, body)
			}
		}
	})
}
