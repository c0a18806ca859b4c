package jsonbytes

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

func TestValidReportsJSON(t *testing.T) {
	t.Parallel()
	tests := []string{
		`{}`, `[]`, `""`, `0`, `-0`, `-1.5E+10`, `1e5`, `true`, `false`, `null`, ` [ 1 , { "a" : "b" } ] `, `"\u00e9\ud83c\udfaf"`, `"\ud800"`, `"é"`,
		``, ` `, `{`, `}`, `[1,]`, `[,1]`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `01`, `1.`, `.5`, `-`, `+1`, `1e`, `1e+`, `tru`, `nulls`, `True`, `"`, `"\x"`, `"\u12g4"`, `"\u12`, "\"\t\"",
		"\"\x7f\"", "\x00", "[1\x00]", `1 2`, `[1 2]`, `{"a" 1}`, `{"a":1 "b":2}`, `[1}`, "\v1", "\u00a01", `"\`, `"0123456789"`, `"01234567\"9012345"`, "\"0123456\x1f89\"",
	}
	for _, text := range tests {
		if got, want := Valid([]byte(text)), json.Valid([]byte(text)); got != want {
			t.Errorf("Valid(%q) = %v, want %v", text, got, want)
		}
	}
	if Valid([]byte("\"\xff\"")) {
		t.Error("Valid accepts what is not UTF-8")
	}
}

func TestNestingIsBounded(t *testing.T) {
	t.Parallel()
	for _, pair := range []string{"[]", `{"":}`} {
		open, end := pair[:len(pair)-1], pair[len(pair)-1:]
		nested := func(n int) []byte {
			return []byte(strings.Repeat(open, n) + "0" + strings.Repeat(end, n))
		}
		if !Valid(nested(MaxDepth)) {
			t.Errorf("%s nested %d times is refused", pair, MaxDepth)
		}
		if Valid(nested(MaxDepth + 1)) {
			t.Errorf("%s nested %d times is accepted", pair, MaxDepth+1)
		}
	}
	if Valid(bytes.Repeat([]byte("["), 16<<20)) {
		t.Error("nothing but brackets is JSON")
	}
}

func TestPlainLenFindsTheFirst(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		special := c < 0x20 || c == '"' || c == '\\'
		for at := range 20 {
			text := bytes.Repeat([]byte{'x'}, 20)
			text[at] = byte(c)
			want := len(text)
			if special {
				want = at
			}
			if got := plainLen(text); got != want {
				t.Errorf("plainLen with %#x at %d = %d, want %d", c, at, got, want)
			}
			if got := plainLen(text[:at]); got != at {
				t.Errorf("plainLen of %d plain characters = %d", at, got)
			}
		}
	}
}

func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2.5e+3,"\u00e9\\",null]}`, `[1,]`, `"\ud83c\udfaf"`, "\"\xff\"", strings.Repeat("[", 200), `{"a":1,"a":2}`, "1\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, want := Valid(text), json.Valid(text) && utf8.Valid(text)
		if got != want && (got || bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= MaxDepth) {
			t.Errorf("Valid(%q) = %v, want %v", text, got, want)
		}
		if got && !gjson.ValidBytes(text) {
			t.Errorf("gjson refuses %q", text)
		}
	})
}

func FuzzQuote(f *testing.F) {
	for _, seed := range []string{`"a\u00e9\n\/\ud83c\udfaf"`, `"\ud800"`, `"\udc00\ud800"`, "\"\x7f\u2028\"", `"\ud800\u0041"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want string
		if !utf8.Valid(text) || len(text) < 2 || text[0] != '"' || json.Unmarshal(text, &want) != nil {
			return
		}
		text = bytes.TrimRight(text, " \t\r\n")
		got, ok := Unquote(text[1 : len(text)-1])
		if ok && string(got) != want {
			t.Errorf("Unquote(%q) = %q, want %q", text, got, want)
		}
		if !ok && !strings.Contains(want, "\ufffd") {
			t.Errorf("Unquote refuses %q", text)
		}
		var again string
		if err := json.Unmarshal(AppendQuoted(nil, []byte(want)), &again); err != nil || again != want {
			t.Errorf("AppendQuoted(%q) reads as %q, %v", want, again, err)
		}
	})
}
