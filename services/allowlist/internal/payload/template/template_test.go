package template_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The holes of the tables: two of any length, two of a fixed length, and one that accepts any
// characters.
const (
	hexHole = iota
	base64Hole
	fixedHex
	fixedBase64
	rawHole
	fixedRaw
	linesHole
)

func holes() []template.Hole {
	chars := func(e template.Encoding) template.Charset { return template.NewCodec(e).Chars() }
	return []template.Hole{
		hexHole:     {Name: "hex", Chars: chars(template.Hex)},
		base64Hole:  {Name: "base64", Chars: chars(template.Base64)},
		fixedHex:    {Name: "fixed_hex", Chars: chars(template.Hex), Fixed: true},
		fixedBase64: {Name: "fixed_base64", Chars: chars(template.Base64), Fixed: true},
		rawHole:     {Name: "raw", Chars: chars(template.Raw)},
		fixedRaw:    {Name: "fixed_raw", Chars: chars(template.Raw), Fixed: true},
		linesHole:   {Name: "lines", Chars: chars(template.Base64MIME)},
	}
}

// filled are the values of the holes.
var filled = []string{"c0ffee", "QUI+/w==", "00fF", "aGk=", "r\"a\\w\n${hex}", " #: ", "QUI+\r\n/w=="}

var lengths = []int{-1, -1, 4, 4, -1, 4, -1}

func compile(kind, text string) (*template.Template, string) {
	if kind == "json" {
		return template.JSON(text, holes())
	}
	return template.Text(text, holes())
}

func mustCompile(t testing.TB, kind, text string) *template.Template {
	t.Helper()
	compiled, violation := compile(kind, text)
	if violation != "" {
		t.Fatalf("%s template %q: %s", kind, text, violation)
	}
	return compiled
}

func fill(dst []byte, hole int) []byte { return append(dst, filled[hole]...) }

// want returns the values that Read should find.
func want(tmpl *template.Template) []string {
	found := make([]string, len(filled))
	for _, at := range tmpl.Holes() {
		found[at] = filled[at]
	}
	return found
}

func read(tmpl *template.Template, text string, lengths []int) ([]string, bool) {
	found := make([][]byte, len(filled))
	ok := tmpl.Read([]byte(text), found, lengths)
	texts := make([]string, len(found))
	for i, text := range found {
		texts[i] = string(text)
	}
	return texts, ok
}

func TestTemplatesAreWrittenAndRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, kind, text, written string }{
		{"one hole", "text", "${hex}", "c0ffee"},
		{"only a literal", "text", "ok", "ok"},
		{"nothing", "text", "", ""},
		{"literals around and between", "text", "v1,${hex}:${base64}!", "v1,c0ffee:QUI+/w==!"},
		{"a brace without a dollar", "text", "{$${hex}}$", "{$c0ffee}$"},
		{"a fixed hole before an open one", "text", "${fixed_hex}${base64}", "00fFQUI+/w=="},
		{"fixed holes around an open one", "text", "${fixed_base64}${hex}${fixed_hex}.", "aGk=c0ffee00fF."},
		{"nothing but fixed holes", "text", "<${fixed_hex}${fixed_base64}0${base64}", "<00fFaGk=0QUI+/w=="},
		{"a fixed hole before characters that it may contain", "text", "${fixed_raw}:${hex}", " #: :c0ffee"},
		{"a hole of any characters, at the end", "text", "${hex}.${raw}", "c0ffee.r\"a\\w\n${hex}"},
		{"an ignored string", "text", "${*}.${hex}.${*}", ".c0ffee."},
		{"an ignored string next to fixed holes", "text", "${*}${fixed_hex};${hex}", "00fF;c0ffee"},
		{"lines after a fixed hole", "text", "${fixed_hex}${lines}:${hex}", "00fFQUI+\r\n/w==:c0ffee"},
		{"lines in JSON", "json", `["${lines}"]`, `["QUI+\r\n/w=="]`},
		{"JSON in its own layout", "json", "{\"a\" : \"${hex}\",\n\"b\":[1.0,null,{}]}", "{\"a\" : \"c0ffee\",\n\"b\":[1.0,null,{}]}"},
		{"JSON with literals in strings", "json", `["<${hex}>","\u0024{hex}\u00e9\"","${*}"]`, `["<c0ffee>","\u0024{hex}\u00e9\"",""]`},
		{"JSON that is a string", "json", `"${fixed_hex}${base64}"`, `"00fFQUI+/w=="`},
		{"JSON that needs escaping", "json", `{"a":"${raw}","b":"${fixed_raw}"}`, `{"a":"r\"a\\w\n${hex}","b":" #: "}`},
	} {
		tmpl := mustCompile(t, test.kind, test.text)
		got, ok := tmpl.Append([]byte("before"), fill)
		if string(got) != "before"+test.written || !ok {
			t.Errorf("%s: Append = %q, %v, want %q", test.name, got, ok, test.written)
		}
		found, ok := read(tmpl, test.written, lengths)
		if diff := cmp.Diff(want(tmpl), found); diff != "" || !ok {
			t.Errorf("%s: Read = %v (-want +got):\n%s", test.name, ok, diff)
		}
	}
}

func TestLiteralsAreCounted(t *testing.T) {
	t.Parallel()
	if got := mustCompile(t, "text", "a${hex}xy${*}d").Literals(); got != 4 {
		t.Errorf("Literals = %d, want 4", got)
	}
}

func TestMessagesAreReadAsTheirSendersWriteThem(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, kind, text, message string
		ok                        bool
	}{
		{"a line end is ignored", "text", "${hex}", "c0ffee\r\n", true},
		{"white space around is ignored", "text", " ${hex}.${base64}", "\t c0ffee.QUI+/w== ", true},
		{"white space inside is not", "text", "${hex}.${base64}", "c0ffee. QUI+/w==", true}, // decoding detects that
		{"white space may belong to a hole of any characters", "text", "${hex}.${raw}", "c0ffee.x ", true},
		{"line ends around lines are ignored, and blanks", "text", "${lines}", " \r\nQUI+\n/w==\r\n\t", true},
		{"lines between literals", "text", "a:${lines}.${hex}", "a:\nQUI+\n/w==\n.c0ffee\n", true},
		{"an empty value before a space at the end", "text", "${hex} ${base64}", "c0ffee ", true},
		{"a wrong literal at the beginning", "text", "v1,${hex}", "v2,c0ffee", false},
		{"a wrong literal in between", "text", "${hex}::${base64}", "c0ffee:!QUI=", false},
		{"a missing literal", "text", "${hex}.${base64}", "c0ffee", false},
		{"trailing text", "text", "${hex}.", "c0ffee.x", false},
		{"too short for its fixed holes", "text", "${fixed_hex}${hex}${fixed_base64}", "00fFaGk", false},
		{"unpadded base64 where a literal ends it", "text", "${fixed_base64}.${hex}", "aGk.c0ffee", true},
		{"an ignored string may be long", "text", "${*}.${hex}", "some thing.c0ffee", true},
		{"members in another order", "json", `{"a":"${hex}","b":[1,"x"]}`, "{ \"b\" : [ 1, \"\\u0078\" ], \"\\u0061\":\"c0ff\\u0065e\" }\n", true},
		{"a member too many", "json", `{"a":"${hex}"}`, `{"a":"c0ffee","b":1}`, false},
		{"a member too few", "json", `{"a":"${hex}","b":1}`, `{"a":"c0ffee"}`, false},
		{"a member twice", "json", `{"a":"${hex}","b":1}`, `{"a":"c0ffee","a":"c0ffee"}`, false},
		{"an element too many", "json", `["${hex}"]`, `["c0ffee",1]`, false},
		{"an element too few", "json", `["${hex}",1]`, `["c0ffee"]`, false},
		{"a number written in another way", "json", `["${hex}",1.0]`, `["c0ffee",1]`, false},
		{"another kind of value", "json", `["${hex}",[]]`, `["c0ffee",{}]`, false},
		{"a number for a string", "json", `["${hex}"]`, `[7]`, false},
		{"a number for an ignored string", "json", `["${*}"]`, `[7]`, false},
		{"any string for an ignored string", "json", `["${*}"]`, `["\n7"]`, true},
		{"white space inside a string", "json", `["${hex}","x"]`, `["c0ffee","x "]`, false},
		{"trailing text after a document", "json", `["${hex}"]`, `["c0ffee"]]`, false},
		{"half of a surrogate pair", "json", `["${hex}"]`, `["\ud800"]`, false},
		{"no UTF-8", "json", `["${*}"]`, "[\"\xff\"]", false},
		{"no JSON", "json", `["${hex}"]`, `c0ffee`, false},
	} {
		if found, ok := read(mustCompile(t, test.kind, test.text), test.message, lengths); ok != test.ok {
			t.Errorf("%s: Read(%q) = %q, %v, want %v", test.name, test.message, found, ok, test.ok)
		}
	}
}

func TestTouchingHolesNeedTheirLengths(t *testing.T) {
	t.Parallel()
	tmpl := mustCompile(t, "text", "${fixed_hex}${base64}")
	for _, lengths := range [][]int{nil, {-1, -1, -1, -1, -1, -1}, {0, 0, 99}} {
		if found, ok := read(tmpl, "00fFQUI=", lengths); ok {
			t.Errorf("Read with the lengths %v = %q, want a refusal", lengths, found)
		}
	}
	if found, ok := read(mustCompile(t, "text", "${fixed_hex}.${base64}"), "00fF.QUI=", nil); !ok {
		t.Errorf("Read without lengths = %q, %v, where a literal marks the end", found, ok)
	}
}

func TestUnclearTemplatesAreRefused(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, kind, text, violation string }{
		{"a placeholder that does not end", "text", "${hex", "the form"},
		{"a placeholder with a strange name", "text", "${Hex}", "the form"},
		{"a placeholder without a name", "text", "${}", "the form"},
		{"an unknown name", "text", "${other}", "must not use the unknown name other; available: hex, base64"},
		{"a name twice", "text", "${hex}.${hex}", "twice"},
		{"two open holes that touch", "text", "${hex}${base64}", "a literal between"},
		{"an open hole next to an ignored string", "text", "${hex}${*}", "a literal between"},
		{"a literal that the hole may contain", "text", "${hex}a${base64}", "cannot contain"},
		{"a literal that a following fixed hole may contain", "text", "${hex}${fixed_base64}+", "cannot contain"},
		{"a literal after a hole of any characters", "text", "${raw}.", "cannot contain"},
		{"a line end after lines", "text", "${lines}\n${hex}", "cannot contain"},
		{"a carriage return after lines", "text", "${lines}\r\n${hex}", "cannot contain"},
		{"a line end after lines in JSON", "json", `["${lines}\n${hex}"]`, "cannot contain"},
		{"an open hole next to lines", "text", "${hex}${lines}", "a literal between"},
		{"a template that is too long", "text", strings.Repeat("x", 4097), "4,096"},
		{"a template that is not JSON", "json", `{"a":${hex}}`, "JSON"},
		{"a placeholder in a name", "json", `{"${hex}":1}`, "not in names"},
		{"a member twice", "json", `{"a":"${hex}","\u0061":1}`, "duplicate members"},
		{"half of a surrogate pair", "json", `["${hex}","\ud800"]`, "half of a surrogate pair"},
		{"half of a surrogate pair in a name", "json", `{"\ud800":"${hex}"}`, "half of a surrogate pair"},
		{"holes that touch in a string", "json", `["${hex}${base64}"]`, "a literal between"},
		{"an unknown name in JSON", "json", `["${other}"]`, "must not use the unknown name other; available: hex, base64"},
	} {
		if _, violation := compile(test.kind, test.text); !strings.Contains(violation, test.violation) {
			t.Errorf("%s: violation %q, want one with %q", test.name, violation, test.violation)
		}
	}
}

func TestInvalidUTF8IsNotWrittenIntoJSON(t *testing.T) {
	t.Parallel()
	tmpl := mustCompile(t, "json", `["${raw}"]`)
	if got, ok := tmpl.Append(nil, func(dst []byte, _ int) []byte { return append(dst, 0xff) }); ok {
		t.Errorf("Append = %q, want a refusal", got)
	}
}

func FuzzText(f *testing.F) {
	for _, seed := range []string{"${hex}.${base64}", "v1:${raw}", "${fixed_raw}${hex}\n", "$${*} {${hex}}$", " ${*}${fixed_hex} ${base64}", "${fixed_hex}${lines}.\n", "\n${hex} ${base64}\t${raw} "} {
		f.Add(seed, "text")
	}
	f.Fuzz(func(t *testing.T, text, message string) { tryTemplate(t, "text", text, message) })
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"i":"${hex}","c":"${base64}"}`, `["<${raw}",{"\u0061":"${*}","b":[1e2,null,"\u0024{c}"]}]`, `{"${hex}":1}`, `" ${fixed_hex}${hex} "`} {
		f.Add(seed, `{"i":"","c":"x"}`)
	}
	f.Fuzz(func(t *testing.T, text, message string) { tryTemplate(t, "json", text, message) })
}

// tryTemplate compiles a template. A valid template reads what it writes, and no message makes
// it panic.
func tryTemplate(t *testing.T, kind, text, message string) {
	t.Helper()
	tmpl, violation := compile(kind, text)
	if violation != "" {
		return
	}
	before := []byte(message)
	read(tmpl, message, lengths)
	if !bytes.Equal(before, []byte(message)) {
		t.Errorf("Read changed %q", before)
	}
	written, ok := tmpl.Append(nil, fill)
	if !ok || kind == "json" && !json.Valid(written) {
		t.Fatalf("Append with the template %q = %q, %v", text, written, ok)
	}
	found, ok := read(tmpl, string(written), lengths)
	if diff := cmp.Diff(want(tmpl), found); diff != "" || !ok {
		t.Errorf("the template %q writes %q and reads %v (-want +got):\n%s", text, written, ok, diff)
	}
}
