package diagnosis

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// bodiesOf returns the other forms of a body by their descriptions.
func bodiesOf(add func(c *collector)) map[string]string {
	c := &collector{path: "request", profile: new(allowlistv1.Profile)}
	add(c)
	forms := make(map[string]string)
	for _, change := range c.all {
		forms[change.differences[0].Works] = string(change.body)
	}
	return forms
}

func TestABodyIsTakenAsProgramsWriteItAgain(t *testing.T) {
	t.Parallel()
	got := bodiesOf(func(c *collector) {
		c.forms([]byte(`{"b" : "a/é😀\u00fc\"\\",` + "\r\n" + `"a": 1.50}`))
	})
	want := map[string]string{
		"minified":                                `{"b":"a/é😀\u00fc\"\\","a":1.50}`,
		"minified, members sorted by name":        `{"a":1.50,"b":"a/é😀ü\"\\"}`,
		"indented by two spaces":                  "{\n  \"b\": \"a/é😀\\u00fc\\\"\\\\\",\n  \"a\": 1.50\n}",
		"with spaces after : and , and no others": `{"b": "a/é😀\u00fc\"\\", "a": 1.50}`,
		`with spaces after : and ,, and \u for non-ASCII characters (json.dumps of Python)`: `{"b": "a/\u00e9\ud83d\ude00\u00fc\"\\", "a": 1.50}`,
		`minified, with \/ for / and \u for non-ASCII characters (json_encode of PHP)`:      `{"b":"a\/\u00e9\ud83d\ude00\u00fc\"\\","a":1.50}`,
		`minified, with / for \/ and letters for \u (JSON.stringify)`:                       `{"b":"a/é😀ü\"\\","a":1.50}`,
		"with spaces after : and ,, members sorted by name":                                 `{"a": 1.50, "b": "a/é😀ü\"\\"}`,
		`minified, members sorted by name, \u for non-ASCII characters`:                     `{"a":1.50,"b":"a/\u00e9\ud83d\ude00\u00fc\"\\"}`,
		"with LF for CR LF":          `{"b" : "a/é😀\u00fc\"\\",` + "\n" + `"a": 1.50}`,
		"with a line end at its end": `{"b" : "a/é😀\u00fc\"\\",` + "\r\n" + `"a": 1.50}` + "\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("forms (-want +got):\n%s", diff)
	}
}

func TestADamagedBodyIsRepaired(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]map[string]string{
		`"q\/83=="`: {"the content of a JSON string": "q/83=="},
		`q/8 3 a==`: {"each space in it as +, which a form decoded": "q/8+3+a=="},
		`{"d": "aaaa bbbb cccc dd==", "note": "as is"}`: {"each space in it as +, which a form decoded": `{"d": "aaaa+bbbb+cccc+dd==", "note": "as is"}`},
		`q/83==`: {},
		`""`:     {},
	} {
		if diff := cmp.Diff(want, bodiesOf(func(c *collector) { c.damages([]byte(body)) })); diff != "" {
			t.Errorf("damages of %s (-want +got):\n%s", body, diff)
		}
	}
}

// All forms of a JSON body have the same meaning.
func FuzzForms(f *testing.F) {
	for _, seed := range []string{`{"b":"a/é\u00fc\"\\","a":[1.50,null]}`, `"\ud83d"`, "\xff", `[]`, `"\u0000\/"`, "{}\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want any
		valid := json.Unmarshal(body, &want) == nil
		for works, form := range bodiesOf(func(c *collector) {
			c.forms(body)
			c.damages(body)
		}) {
			var got any
			if valid && works != "the content of a JSON string" && works != "each space in it as +, which a form decoded" {
				if err := json.Unmarshal([]byte(form), &got); err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%q %s is %q, %v", body, works, form, err)
				}
			}
		}
	})
}
