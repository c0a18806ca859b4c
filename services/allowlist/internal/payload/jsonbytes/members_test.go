package jsonbytes_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

func TestMembersAreVisitedInTheirOrder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		document, want string
		ok             bool
	}{
		{` {"b":"1", "\u0061" : 2.0,"b":[ {} ],"":null} `, "b=1 a=2.0 b=[ {} ] =null", true},
		{`{}`, "", true},
		{`{"a":"q\"\u00e9"}`, `a=q"é`, true},
		{`[]`, "", false},
		{``, "", false},
		{`{"a":1}x`, "a=1", false},
		{`{"a":1,`, "a=1", false},
		{`{"a":"\ud800"}`, "", false},
		{`{"\ud800":1}`, "", false},
		{"{\"a\":\"\xff\"}", "", false},
		{`{"a":1,"stop":2,"b":3}`, "a=1", false},
	} {
		var got []string
		ok := jsonbytes.Members([]byte(tt.document), func(name, text []byte) bool {
			if string(name) == "stop" {
				return false
			}
			got = append(got, string(name)+"="+string(text))
			return true
		})
		if ok != tt.ok || strings.Join(got, " ") != tt.want {
			t.Errorf("Members(%q) visits %q, %t, want %q, %t", tt.document, got, ok, tt.want, tt.ok)
		}
	}
}
