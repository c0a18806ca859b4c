package snippet

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// load returns a language.
func load(t *testing.T, name string) *language {
	t.Helper()
	l, err := newLanguage(name)
	if err != nil {
		t.Fatalf("newLanguage(%s): %v", name, err)
	}
	return l
}

func quoted(t *testing.T, l *language, text string) string {
	t.Helper()
	literal, err := l.phrase("string", text)
	if err != nil {
		t.Fatal(err)
	}
	return literal
}

func TestEveryLanguageHasTheSamePhrases(t *testing.T) {
	t.Parallel()
	phrases := func(name string) []string {
		var all []string
		for _, defined := range load(t, name).templates.Templates() {
			if !strings.HasSuffix(defined.Name(), ".tmpl") && defined.Name() != "type" {
				all = append(all, defined.Name())
			}
		}
		slices.Sort(all)
		return all
	}
	want := phrases("node")
	if len(want) < 30 {
		t.Fatalf("found %d phrases", len(want))
	}
	for _, name := range languages() {
		if got := phrases(name); !slices.Equal(got, want) {
			t.Errorf("%s has the phrases %q, want %q", name, got, want)
		}
	}
}

func TestNoStringLeavesItsQuotes(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := range rune(0x1800) {
		all.WriteRune(r)
	}
	for _, text := range []string{"", `"`, `'`, `\`, `\"`, `\u000a`, "${x}`*/ // <!--", "\r\n\t\x00\x7f\u2028\u2029", "é🎯", all.String()} {
		for _, name := range []string{"java", "python"} {
			// Go accepts everything that these accept between double quotes.
			if got, err := strconv.Unquote(quoted(t, load(t, name), text)); err != nil || got != text {
				t.Errorf("%s reads %.40q as %.40q, %v", name, text, got, err)
			}
		}
		literal := quoted(t, load(t, "node"), text)
		inside := strings.ReplaceAll(strings.ReplaceAll(literal[1:len(literal)-1], `\'`, `'`), `"`, `\"`)
		if got, err := strconv.Unquote(`"` + inside + `"`); err != nil || got != text {
			t.Errorf("JavaScript reads %.40q as %.40q, %v", text, got, err)
		}
	}
}

func TestALongStringIsWrittenInPieces(t *testing.T) {
	t.Parallel()
	literal := quoted(t, load(t, "java"), strings.Repeat("é", 50_000))
	if !strings.HasPrefix(literal, `String.join("", "`) || strings.Count(literal, "é") != 50_000 || strings.Count(literal, `"`) != 2+2*3 {
		t.Errorf("a string of 100,000 bytes is written as %.60s…", literal)
	}
}

func TestAProgramGetsTheFunctionsThatItCallsAndThoseTheyCall(t *testing.T) {
	t.Parallel()
	const library = "function a(x) {\n  return b(x);\n}\n\n// Two.\nfunction b(x) {\n  return x.c();\n}\n\nfunction c() {}\n\n  /** In Java. */\n  static byte[] d(String x) {}\n\n# In Python.\ndef e(x):\n    return x\n"
	for code, want := range map[string]int{"a(1)": 2, "b(1)": 1, "x.a(1)": 0, "ba(1)": 0, "map(Open::d)": 1, "c()": 1, "e(1)": 1, "": 0} {
		if got := functions(library, code); len(got) != want {
			t.Errorf("%q gets %d functions, want %d: %q", code, len(got), want, got)
		}
	}
	for name, code := range map[string]string{
		"node": "pick( cbcHmac( verifyPss(", "java": "pick( cbcHmac( verifyPss(", "python": "pick( cbc_hmac( verify_pss(",
	} {
		if got := functions(load(t, name).library, code); len(got) < 6 {
			t.Errorf("the library of %s lacks functions: %q", name, got)
		}
	}
}

func TestAProgramImportsWhatItNames(t *testing.T) {
	t.Parallel()
	const imports = "import re\nimport sys\n\nfrom a.b import c as d\n"
	for code, want := range map[string]string{
		"sys.x re.y": "import re\nimport sys\n", "d(1)": "from a.b import c as d\n", "c(rest)": "",
		"re d": "import re\n\nfrom a.b import c as d\n",
	} {
		if got := imported(imports, code); got != want {
			t.Errorf("%q imports %q, want %q", code, got, want)
		}
	}
}
