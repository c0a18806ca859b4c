package jsonbytes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPathsAreParsed(t *testing.T) {
	t.Parallel()
	tests := []struct{ text, want string }{
		{"$.a", "$['a']"},
		{"$.a.b_1", "$['a']['b_1']"},
		{"$._x", "$['_x']"},
		{"$.é", "$['é']"},
		{"$['a b']", "$['a b']"},
		{"$['']", "$['']"},
		{`$['it\'s']`, `$['it\'s']`},
		{`$['"']`, `$['"']`},
		{`$['\\"\n\u0041\ud83c\udfaf\/']`, `$['\\"\nA🎯/']`},
		{"$['a]'].b", "$['a]']['b']"},
		{"$[0][10][*]", "$[0][10][*]"},
		{"$[999999999]", "$[999999999]"},
	}
	for _, test := range tests {
		p, ok := ParsePath(test.text)
		if !ok || p.String() != test.want {
			t.Errorf("ParsePath(%q) = %v, %v, want %s", test.text, p, ok, test.want)
		}
	}
}

func TestInvalidPathsAreRefused(t *testing.T) {
	t.Parallel()
	tests := []string{
		"", "$", "a", "$a", "$.", "$..a", "$.*", "$.1", "$.a-b", "$.a b", "$ .a", "$.a ", "$[", "$[]", "$[*", "$[a]",
		"$[-1]", "$[01]", "$[+1]", "$[1:2]", "$[0,1]", "$[1000000000]", "$['a'", "$['a]", "$['a'b]", `$["a"]`, `$['\"']`, `$['\x']`,
		`$['\u12']`, `$['\ud800']`, "$['\n']", `$['\`, `$['a\`, "$[?@.a]", "$.a[(1)]", "@.a", "$['\xff']", "$.\xff",
		"$." + strings.Repeat("a", 255),
	}
	for _, text := range tests {
		if p, ok := ParsePath(text); ok {
			t.Errorf("ParsePath(%q) = %v, want a refusal", text, p)
		}
	}
}

func TestOverlapIsSeen(t *testing.T) {
	t.Parallel()
	tests := []struct {
		p, q string
		want bool
	}{
		{"$.a", "$['a']", true},
		{"$.a", "$.a.b", true},
		{"$.a.b", "$.a.c", false},
		{"$.a[0]", "$.a[1]", false},
		{"$.a[0]", "$.a[*]", true},
		{"$.a[*].b", "$.a[0].b.c", true},
		{"$.a[*].b", "$.a[0].c", false},
		{"$.a[*]", "$.a.b", true},
		{"$.a[0]", "$.a['0']", false},
		{"$[*][0]", "$[0][*]", true},
		{"$.a", "$.ab", false},
	}
	for _, test := range tests {
		p, _ := ParsePath(test.p)
		q, _ := ParsePath(test.q)
		if p.Overlaps(q) != test.want || q.Overlaps(p) != test.want {
			t.Errorf("%s overlaps %s: %v and %v, want %v", test.p, test.q, p.Overlaps(q), q.Overlaps(p), test.want)
		}
	}
}

func TestKindsOfPathsAreReported(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text           string
		members, exact bool
	}{
		{"$.a['b']", true, true},
		{"$.a[0]", false, true},
		{"$.a[*].b", false, false},
	}
	for _, test := range tests {
		p, _ := ParsePath(test.text)
		if p.Members() != test.members || p.Exact() != test.exact {
			t.Errorf("%s: Members = %v, Exact = %v, want %v, %v", test.text, p.Members(), p.Exact(), test.members, test.exact)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"$.a[0]['b c'][*].d", `$['\'"\\\u00e9\ud83c\udfaf']`, "$..a", "$[01]", `$['\ud800']`, "$['a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, ok := ParsePath(text)
		if !ok {
			return
		}
		canonical := p.String()
		if len(canonical) > MaxPathBytes {
			return // the original path is shorter
		}
		again, ok := ParsePath(canonical)
		if !ok || !cmp.Equal(p, again, cmp.AllowUnexported(segment{})) {
			t.Errorf("ParsePath(%q) = %q, which parses as %v, %v", text, canonical, again, ok)
		}
		if !p.Overlaps(again) {
			t.Errorf("%q does not overlap itself", text)
		}
	})
}

func TestAPathIsTakenStepByStep(t *testing.T) {
	t.Parallel()
	p, _ := ParsePath(`$.a['it\'s'][10][*]`)
	if diff := cmp.Diff([]string{"a", "it's", "10", "*"}, p.Steps()); diff != "" {
		t.Errorf("Steps() (-want +got):\n%s", diff)
	}
}
