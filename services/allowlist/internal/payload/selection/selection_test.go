package selection_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

var (
	errSeal = errors.New("the sealer fails")
	errOpen = errors.New("the opener fails")
)

// A hand seals a value as its hexadecimal digits between two strings, and opens such text. It
// checks that its methods are called as documented.
type hand struct {
	t           testing.TB
	begin, end  string
	left        int // remaining values, -1 before the number is known
	wiped, fail bool
	opened      []byte
}

func newHand(t testing.TB, begin, end string) *hand {
	return &hand{t: t, begin: begin, end: end, left: -1}
}

func (h *hand) Prepare(values int) error {
	if h.left != -1 {
		h.t.Error("Prepare is called twice")
	}
	h.left = values
	if h.fail {
		return errSeal
	}
	return nil
}

func (h *hand) SealedLen(n int) int { return len(h.begin) + 2*n + len(h.end) }

func (h *hand) Seal(dst, value []byte) ([]byte, error) {
	h.count()
	dst = append(dst, h.begin...)
	return append(hex.AppendEncode(dst, value), h.end...), nil
}

func (h *hand) Open(text []byte) ([]byte, error) {
	h.count()
	digits, ok := bytes.CutPrefix(text, []byte(h.begin))
	digits, also := bytes.CutSuffix(digits, []byte(h.end))
	clear(h.opened) // the previous value is no longer valid
	value, err := hex.AppendDecode(nil, digits)
	if !ok || !also || err != nil {
		return nil, errOpen
	}
	h.opened = value
	return value, nil
}

func (h *hand) Wipe() {
	clear(h.opened)
	h.wiped = true
}

func (h *hand) count() {
	if h.left <= 0 {
		h.t.Errorf("more values than prepared, or Prepare was not called")
	}
	h.left--
}

// A door is a selection with the strings that surround its sealed values.
type door struct {
	selection.Selection
	begin, end string
}

func (d door) encrypt(t testing.TB, body string) (string, error) {
	t.Helper()
	h := newHand(t, d.begin, d.end)
	before := strings.Clone(body)
	input := []byte(body)
	got, err := d.Encrypt(input, h)
	if h.left > 0 && err == nil {
		t.Errorf("Encrypt(%s) prepared %d values too many", body, h.left)
	}
	if string(input) != before {
		t.Errorf("Encrypt changed its input %s", before)
	}
	return string(got), err
}

func (d door) decrypt(t testing.TB, body string) (string, error) {
	t.Helper()
	h := newHand(t, d.begin, d.end)
	before := strings.Clone(body)
	input := []byte(body)
	got, err := d.Decrypt(input, h)
	if h.left > 0 && err == nil {
		t.Errorf("Decrypt(%s) prepared %d values too many", body, h.left)
	}
	if string(input) != before {
		t.Errorf("Decrypt changed its input %s", before)
	}
	return string(got), err
}

func must(t testing.TB, s selection.Selection, violations []selection.Violation) selection.Selection {
	t.Helper()
	if len(violations) > 0 {
		t.Fatalf("violations: %v", violations)
	}
	return s
}

func fieldsOf(t testing.TB, c selection.FieldsConfig) door {
	t.Helper()
	s, violations := selection.NewFields(c)
	return door{must(t, s, violations), "<", ">"}
}

func formOf(t testing.TB, c selection.FormConfig) door {
	t.Helper()
	s, violations := selection.NewForm(c)
	return door{must(t, s, violations), "<", ">"}
}

func objectOf(t testing.TB, path string, document bool) door {
	t.Helper()
	s, violations := selection.NewObject(path, document)
	if document {
		return door{must(t, s, violations), `{"v":"`, `"}`}
	}
	return door{must(t, s, violations), "<", ">"}
}

// x returns the hexadecimal digits of a string.
func x(text string) string { return hex.EncodeToString([]byte(text)) }

func TestWholeBodiesAreSealed(t *testing.T) {
	t.Parallel()
	d := door{selection.Whole(), "<", ">"}
	for _, body := range []string{"", "a=1", "\xff\x00"} {
		sealed, err := d.encrypt(t, body)
		if err != nil || sealed != "<"+x(body)+">" {
			t.Errorf("Encrypt(%q) = %q, %v", body, sealed, err)
		}
		if got, err := d.decrypt(t, sealed); err != nil || got != body {
			t.Errorf("Decrypt(%q) = %q, %v, want %q", sealed, got, err, body)
		}
	}
}

func TestErrorsOfTheCallerPassThrough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		door
		body, sealed string
	}{
		"whole":    {door{selection.Whole(), "<", ">"}, "x", "<zz>"},
		"fields":   {fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}}), `{"a":1}`, `{"a":"<zz>"}`},
		"object":   {objectOf(t, "$.a", false), `{"a":1}`, `{"a":"<zz>"}`},
		"document": {objectOf(t, "$.a", true), `{"a":1}`, `{"a":{"v":"zz"}}`},
		"form":     {formOf(t, selection.FormConfig{Names: []string{"a"}}), "a=1", "a=%3Czz%3E"},
	} {
		h := newHand(t, test.begin, test.end)
		h.fail = true
		if got, err := test.Encrypt([]byte(test.body), h); !errors.Is(err, errSeal) || got != nil {
			t.Errorf("%s: Encrypt = %q, %v, want the sealer's error", name, got, err)
		}
		h.left = -1
		if got, err := test.Decrypt([]byte(test.sealed), h); !errors.Is(err, errSeal) || got != nil {
			t.Errorf("%s: Decrypt = %q, %v, want the error of Prepare", name, got, err)
		}
		if got, err := test.decrypt(t, test.sealed); !errors.Is(err, errOpen) {
			t.Errorf("%s: Decrypt = %q, %v, want the opener's error", name, got, err)
		}
	}
}

func TestOpenersAreWiped(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		door
		sealed string
	}{
		"fields": {fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}}), `{"a":"<` + x("1") + `>"}`},
		"object": {objectOf(t, "$.a", true), `{"a":{"v":"` + x("1") + `"}}`},
		"form":   {formOf(t, selection.FormConfig{Names: []string{"a"}}), "a=%3C" + x("1") + "%3E"},
	} {
		h := newHand(t, test.begin, test.end)
		got, err := test.Decrypt([]byte(test.sealed), h)
		if err != nil || !h.wiped || bytes.IndexByte(got, 0) >= 0 {
			t.Errorf("%s: Decrypt = %q, %v, the opener wiped: %v", name, got, err, h.wiped)
		}
	}
}

func TestCoversReportsSelectedPaths(t *testing.T) {
	t.Parallel()
	fields := fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a.b", "$.c[*]"}})
	for _, test := range []struct {
		name string
		selection.Selection
		single bool
		covers []string
		not    []string
	}{
		{"whole", selection.Whole(), true, []string{"$.a"}, nil},
		{"fields", fields, false, []string{"$.a", "$.a.b", "$.a.b.c", "$.c[0]"}, []string{"$.b", "$.a.c"}},
		{"one field", fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}}), true, []string{"$.a"}, []string{"$.b"}},
		{"one field with a wildcard", fieldsOf(t, selection.FieldsConfig{Paths: []string{"$[*]"}}), false, []string{"$.a"}, nil},
		{"object", objectOf(t, "$.a.b", true), true, []string{"$.a.b", "$.a"}, []string{"$.a.c"}},
		{"form", formOf(t, selection.FormConfig{Names: []string{"a"}}), false, []string{"$.a"}, nil},
	} {
		if test.Single() != test.single {
			t.Errorf("%s: Single = %v", test.name, test.Single())
		}
		for i, text := range append(test.covers, test.not...) {
			p, _ := jsonbytes.ParsePath(text)
			if got := test.Covers(p); got != (i < len(test.covers)) {
				t.Errorf("%s: Covers(%s) = %v", test.name, text, got)
			}
		}
	}
}

func TestConfigurationsAreChecked(t *testing.T) {
	t.Parallel()
	names := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("$.n%d", i)
		}
		return all
	}
	for _, test := range []struct {
		name         string
		fields, form []string
		object       string
		want         []string
	}{
		{name: "no paths", fields: []string{}, want: []string{"paths"}},
		{name: "65 paths", fields: names(65), want: []string{"paths"}},
		{name: "64 paths", fields: names(64)},
		{name: "paths that do not parse", fields: []string{"$.a", "$", "a"}, want: []string{"paths[1]", "paths[2]"}},
		{name: "paths that overlap", fields: []string{"$.a.b", "$.c", "$.a", "$['c']"}, want: []string{"paths[2]", "paths[3]"}},
		{name: "no names", form: []string{}, want: []string{"names"}},
		{name: "65 names", form: names(65), want: []string{"names"}},
		{name: "64 names", form: names(64)},
		{name: "invalid names", form: []string{"", strings.Repeat("n", 257)}, want: []string{"names[0]", "names[1]"}},
		{name: "a name twice", form: []string{"a", "b", "a"}, want: []string{"names[2]"}},
		{name: "a path that does not parse", object: "$", want: []string{"path"}},
		{name: "a path with a wildcard", object: "$.a[*]", want: []string{"path"}},
	} {
		var violations []selection.Violation
		switch {
		case test.fields != nil:
			_, violations = selection.NewFields(selection.FieldsConfig{Paths: test.fields})
		case test.form != nil:
			_, violations = selection.NewForm(selection.FormConfig{Names: test.form})
		default:
			_, violations = selection.NewObject(test.object, true)
		}
		var got []string
		for _, f := range violations {
			got = append(got, f.Field)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
