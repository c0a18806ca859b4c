package selection_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

func TestFormsReplaceSelectedValuesOnly(t *testing.T) {
	t.Parallel()
	ab := []string{"a", "b c"}
	for _, test := range []struct {
		name         string
		config       selection.FormConfig
		body, sealed string
		opened       string // empty: the body
	}{
		{"a pair", selection.FormConfig{Names: ab[:1]}, "x=1&a=v&y=2", "x=1&a=%3C76%3E&y=2", ""},
		{"everything else keeps its bytes", selection.FormConfig{Names: ab[:1]}, "&&x=%41+%zz&a=v&=&y&", "&&x=%41+%zz&a=%3C76%3E&=&y&", ""},
		{"each pair with the name", selection.FormConfig{Names: ab[:1]}, "a=1&x=0&a=2", "a=%3C31%3E&x=0&a=%3C32%3E", ""},
		{"names in any spelling", selection.FormConfig{Names: ab}, "b%20c=1&%61=2&b+c=3", "b%20c=%3C31%3E&%61=%3C32%3E&b+c=%3C33%3E", ""},
		{"values are decoded and written as a form does", selection.FormConfig{Names: ab[:1]}, "a=%c3%bc+%41%2f*", "a=%3C" + x("ü A/*") + "%3E", "a=%C3%BC+A%2F*"},
		{"a value with equals signs", selection.FormConfig{Names: ab[:1]}, "a=b=c", "a=%3C" + x("b=c") + "%3E", "a=b%3Dc"},
		{"bytes that are not text", selection.FormConfig{Names: ab[:1]}, "a=%FF%00", "a=%3Cff00%3E", ""},
		{"an empty value", selection.FormConfig{Names: ab[:1]}, "a=&x=1", "a=%3C%3E&x=1", ""},
		{"a name without a value", selection.FormConfig{Names: ab[:1]}, "a&x=1", "a=%3C%3E&x=1", "a=&x=1"},
		{"empty values may stay", selection.FormConfig{Names: ab[:1], SkipEmpty: true}, "a=&a&a=1", "a=&a&a=%3C31%3E", ""},
		{"a name may be missing", selection.FormConfig{Names: ab, Optional: true}, "a=1", "a=%3C31%3E", ""},
		{"all names may be missing", selection.FormConfig{Names: ab, Optional: true}, "", "", ""},
		{"longer names", selection.FormConfig{Names: ab[:1]}, "aa=1&a=2&" + strings.Repeat("a", 800) + "=3", "aa=1&a=%3C32%3E&" + strings.Repeat("a", 800) + "=3", ""},
		{"the longest name in its longest spelling", selection.FormConfig{Names: []string{strings.Repeat("ÿ", 128)}}, strings.Repeat("%C3%BF", 128) + "=1", strings.Repeat("%C3%BF", 128) + "=%3C31%3E", ""},
	} {
		d := formOf(t, test.config)
		sealed, err := d.encrypt(t, test.body)
		if err != nil || sealed != test.sealed {
			t.Errorf("%s: Encrypt = %s, %v, want %s", test.name, sealed, err, test.sealed)
		}
		want := test.opened
		if want == "" {
			want = test.body
		}
		if got, err := d.decrypt(t, sealed); err != nil || got != want {
			t.Errorf("%s: Decrypt = %s, %v, want %s", test.name, got, err, want)
		}
	}
}

func TestFormsWithoutTheNamesAreRefused(t *testing.T) {
	t.Parallel()
	d := formOf(t, selection.FormConfig{Names: []string{"a", "b"}})
	for _, body := range []string{"", "a=1", "a=1&B=2", `{"a":1,"b":2}`, "a=1;b=2", "a=1&b%3d=2"} {
		var refusal *selection.BodyError
		if got, err := d.encrypt(t, body); !errors.As(err, &refusal) || refusal.Path == "" {
			t.Errorf("Encrypt(%q) = %q, %v, want a refusal with the name", body, got, err)
		}
		if got, err := d.decrypt(t, body); !errors.Is(err, selection.ErrSelect) {
			t.Errorf("Decrypt(%q) = %q, %v, want ErrSelect", body, got, err)
		}
	}
}

// The tables were generated with URLSearchParams of Node.js 20.
func TestFormsAreWrittenAsBrowsersDo(t *testing.T) {
	t.Parallel()
	d := formOf(t, selection.FormConfig{Names: []string{"k"}})
	for value, want := range map[string]string{
		"a b": "k=a+b", "ü": "k=%C3%BC", "+&=%": "k=%2B%26%3D%25", "*-._~!()'": "k=*-._%7E%21%28%29%27", "\x00\n\r": "k=%00%0A%0D", "🎯": "k=%F0%9F%8E%AF", "/=+==": "k=%2F%3D%2B%3D%3D", "A": "k=A",
	} {
		if got, err := d.decrypt(t, "k=%3C"+x(value)+"%3E"); err != nil || got != want {
			t.Errorf("Decrypt of %q = %s, %v, want %s", value, got, err, want)
		}
	}
}

func TestFormsAreReadAsBrowsersDo(t *testing.T) {
	t.Parallel()
	d := formOf(t, selection.FormConfig{Names: []string{"k"}, Optional: true})
	for body, want := range map[string][]string{
		"k=a+b": {"a b"}, "k=%41%zz": {"A%zz"}, "k=%": {"%"}, "k=%4": {"%4"}, "k": {""}, "k=": {""}, "&&k=1&": {"1"}, "k=a=b": {"a=b"}, "%6B=x": {"x"}, "k=%C3%BC": {"ü"}, "k=ü": {"ü"},
		"k=1&k=2": {"1", "2"}, "k%3d=1": nil, "=k": nil, "+k=1": nil, "k=1;k=2": {"1;k=2"},
	} {
		sealed, err := d.encrypt(t, body)
		pairs, parseErr := url.ParseQuery(strings.NewReplacer("%zz", "", ";", "").Replace(sealed))
		if err != nil || parseErr != nil || len(pairs["k"]) != len(want) {
			t.Errorf("Encrypt(%s) = %s, %v, want %d values", body, sealed, err, len(want))
			continue
		}
		for i, value := range want {
			if pairs["k"][i] != "<"+x(value)+">" {
				t.Errorf("Encrypt(%s) = %s, want %q at %d", body, sealed, value, i)
			}
		}
	}
}

// For any body, other pairs keep their bytes, and opened values equal the sealed ones.
func FuzzForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2&c", "&&a=%41+%zz&=&b", "a=%FF%00&%62=%", "a&a=&b=+", "x=%3&a=%C3%BC"} {
		f.Add([]byte(seed))
	}
	all := formOf(f, selection.FormConfig{Names: []string{"a", "b"}, Optional: true})
	some := formOf(f, selection.FormConfig{Names: []string{"a", "b"}, SkipEmpty: true})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = some.decrypt(t, string(body)) // whatever it is, it is read without upset
		sealed, err := all.encrypt(t, string(body))
		if err != nil {
			t.Fatalf("Encrypt(%q): %v", body, err)
		}
		opened, err := all.decrypt(t, sealed)
		again, err2 := all.encrypt(t, opened)
		if err != nil || err2 != nil || again != sealed {
			t.Errorf("Encrypt(%q) = %q, which opens as %q, %v, and is then sealed as %q, %v", body, sealed, opened, err, again, err2)
		}
		was, is := strings.Split(string(body), "&"), strings.Split(sealed, "&")
		if len(was) != len(is) {
			t.Fatalf("Encrypt(%q) = %q, which has another number of pairs", body, sealed)
		}
		for i := range was {
			name, _, _ := strings.Cut(was[i], "=")
			if name, err := url.QueryUnescape(name); err == nil && name != "a" && name != "b" && was[i] != is[i] {
				t.Errorf("Encrypt(%q) = %q, which changes the pair %d", body, sealed, i)
			}
		}
	})
}
