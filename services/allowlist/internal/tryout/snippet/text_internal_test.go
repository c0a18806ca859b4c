package snippet

import (
	"strconv"
	"strings"
	"testing"
)

func TestNoTextLeavesItsQuotes(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := range rune(0x1800) {
		all.WriteRune(r)
	}
	for _, text := range []string{"", `"`, `'`, `\`, `\"`, `\u000a`, "${x}`*/ // <!--", "\r\n\t\x00\x7f\u2028\u2029", "é🎯", all.String()} {
		// What Java takes between double quotes, Go does too.
		if got, err := strconv.Unquote(java{}.quote(text)); err != nil || got != text {
			t.Errorf("Java reads %.40q as %.40q, %v", text, got, err)
		}
		literal := node{}.quote(text)
		inside := strings.ReplaceAll(strings.ReplaceAll(literal[1:len(literal)-1], `\'`, `'`), `"`, `\"`)
		if got, err := strconv.Unquote(`"` + inside + `"`); err != nil || got != text {
			t.Errorf("JavaScript reads %.40q as %.40q, %v", text, got, err)
		}
	}
}

func TestALongTextIsWrittenInPieces(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("é", 50_000)
	literal := java{}.quote(text)
	if !strings.HasPrefix(literal, `String.join("", "`) || strings.Count(literal, "é") != 50_000 || strings.Count(literal, `"`) != 2+2*3 {
		t.Errorf("a text of 100,000 bytes is written as %.60s…", literal)
	}
}

func TestAProgramGetsTheFunctionsThatItCallsAndThoseTheyCall(t *testing.T) {
	t.Parallel()
	const source = "function a(x) {\n  return b(x);\n}\n\n// Two.\nfunction b(x) {\n  return x.c();\n}\n\nfunction c() {}\n\n  /** In Java. */\n  static byte[] d(String x) {}\n"
	for code, want := range map[string]int{"a(1)": 2, "b(1)": 1, "x.a(1)": 0, "ba(1)": 0, "map(Open::d)": 1, "c()": 1, "": 0} {
		if got := functions(source, code); len(got) != want {
			t.Errorf("%q gets %d functions, want %d: %q", code, len(got), want, got)
		}
	}
	for _, file := range []string{"open.js", "Open.java"} {
		if len(functions(read(file), "pick( cbcHmac( verifyPss(")) < 6 {
			t.Errorf("%s does not hold its functions", file)
		}
	}
}

func TestASumIsPutInParenthesesBeforeAMethodIsCalledOnIt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`a + "."`: `(a + ".")`, `"a" + b`: `("a" + b)`, `"a + b"`: `"a + b"`, `"\" + b"`: `"\" + b"`, `a`: `a`,
	} {
		if got := receiver(text); got != want {
			t.Errorf("receiver(%s) = %s, want %s", text, got, want)
		}
	}
}
