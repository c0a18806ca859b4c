package selection_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/selection"
)

func TestFieldsReplaceSelectedValuesOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name         string
		config       selection.FieldsConfig
		body, sealed string
		opened       string // empty: the body
	}{
		{"a string", selection.FieldsConfig{Paths: []string{"$.a"}}, `{"a":"x","b":"y"}`, `{"a":"<` + x(`"x"`) + `>","b":"y"}`, ""},
		{
			"everything else keeps its bytes",
			selection.FieldsConfig{Paths: []string{"$.a"}},
			" {\t\"b\" : 1.10e+2 ,\"a\": [ 1 ] ,\n\"c\":\"\\u0041\\/\"} \n", " {\t\"b\" : 1.10e+2 ,\"a\": \"<" + x("[ 1 ]") + ">\" ,\n\"c\":\"\\u0041\\/\"} \n", "",
		},
		{"types survive", selection.FieldsConfig{Paths: []string{"$[*]"}}, `[1,null,{}]`, `["<` + x("1") + `>","<` + x("null") + `>","<` + x("{}") + `>"]`, ""},
		{"characters of strings", selection.FieldsConfig{Paths: []string{"$[*]"}, ValueForm: selection.Text}, `["q\"\u00e9","1",1.0]`, `["<` + x(`q"é`) + `>","<31>","<` + x("1.0") + `>"]`, `["q\"é","1","1.0"]`},
		{"bytes in base64", selection.FieldsConfig{Paths: []string{"$[*]"}, ValueForm: selection.Base64}, `["+/8=","-_8","+\r\n/8","",""]`, `["<fbff>","<fbff>","<fbff>","<>","<>"]`, `["+/8=","+/8=","+/8=","",""]`},
		{"bytes in hexadecimal", selection.FieldsConfig{Paths: []string{"$[*]"}, ValueForm: selection.Hex}, `["00ff","00Ff"]`, `["<00ff>","<00ff>"]`, `["00ff","00ff"]`},
		{"empty strings are sealed", selection.FieldsConfig{Paths: []string{"$.a"}, ValueForm: selection.Text}, `{"a":""}`, `{"a":"<>"}`, ""},
		{"empty strings may stay", selection.FieldsConfig{Paths: []string{"$[*]"}, ValueForm: selection.Text, SkipEmpty: true}, `["",[],"x",""]`, `["","<` + x("[]") + `>","<78>",""]`, `["","[]","x",""]`},
		{"an empty string is not missing", selection.FieldsConfig{Paths: []string{"$.a"}, SkipEmpty: true}, `{"a":""}`, `{"a":""}`, ""},
		{"a path may select nothing", selection.FieldsConfig{Paths: []string{"$.a", "$.b"}, Optional: true}, `{"b":1}`, `{"b":"<31>"}`, ""},
		{"all may select nothing", selection.FieldsConfig{Paths: []string{"$.a"}, Optional: true}, `7`, `7`, ""},
	} {
		d := fieldsOf(t, test.config)
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

func TestObjectsBecomeTheEnvelope(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, path   string
		document     bool
		body, sealed string
	}{
		{"a document", "$.o.p", true, ` {"o":{ "p" : {"a": 1.0} },"q":[]}`, ` {"o":{ "p" : {"v":"` + x(`{"a": 1.0}`) + `"} },"q":[]}`},
		{"a text", "$.p", false, `{"p":[1,2],"q":0}`, `{"p":"<` + x("[1,2]") + `>","q":0}`},
		{"an element", "$[1]", true, `[0,"x"]`, `[0,{"v":"` + x(`"x"`) + `"}]`},
	} {
		d := objectOf(t, test.path, test.document)
		sealed, err := d.encrypt(t, test.body)
		if err != nil || sealed != test.sealed {
			t.Errorf("%s: Encrypt = %s, %v, want %s", test.name, sealed, err, test.sealed)
		}
		if got, err := d.decrypt(t, sealed); err != nil || got != test.body {
			t.Errorf("%s: Decrypt = %s, %v, want %s", test.name, got, err, test.body)
		}
	}
}

func TestSealedTextsAreQuoted(t *testing.T) {
	t.Parallel()
	for _, d := range []door{fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}}), objectOf(t, "$.a", false)} {
		d.begin, d.end = "-----BEGIN \"M\\\n", "\té-----"
		sealed, err := d.encrypt(t, `{"a":1}`)
		if want := `{"a":"-----BEGIN \"M\\\n31\té-----"}`; err != nil || sealed != want {
			t.Errorf("Encrypt = %s, %v, want %s", sealed, err, want)
		}
		if got, err := d.decrypt(t, sealed); err != nil || got != `{"a":1}` {
			t.Errorf("Decrypt = %s, %v", got, err)
		}
		d.begin = "\xff"
		var refusal *selection.BodyError
		if sealed, err := d.encrypt(t, `{"a":1}`); !errors.As(err, &refusal) || refusal.Path != "$.a" {
			t.Errorf("Encrypt to bytes that are not text = %q, %v, want a refusal", sealed, err)
		}
	}
}

func TestBodiesWithoutTheValuesAreRefused(t *testing.T) {
	t.Parallel()
	doors := map[string]door{
		"fields": fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}, ValueForm: selection.Text}), "object": objectOf(t, "$.a", false), "document": objectOf(t, "$.a", true),
	}
	for _, test := range []struct{ name, body, path string }{
		{"nothing", ``, ""},
		{"no JSON", `a=1`, ""},
		{"something behind", `{"a":1} 2`, ""},
		{"no UTF-8", "{\"a\":1,\"b\":\"\xff\"}", ""},
		{"a name twice", `{"a":1,"\u0061":2}`, ""},
		{"too deep", `{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`, ""},
		{"a missing value", `{"b":1}`, "$.a"},
		{"an array for an object", `[{"a":1}]`, "$.a"},
	} {
		for kind, d := range doors {
			var refusal *selection.BodyError
			if got, err := d.encrypt(t, test.body); !errors.As(err, &refusal) || refusal.Path != test.path || got != "" {
				t.Errorf("%s, %s: Encrypt = %s, %v, want a refusal with the path %q", kind, test.name, got, err, test.path)
			}
			if got, err := d.decrypt(t, test.body); !errors.Is(err, selection.ErrSelect) || got != "" {
				t.Errorf("%s, %s: Decrypt = %s, %v, want ErrSelect", kind, test.name, got, err)
			}
		}
	}
	var refusal *selection.BodyError
	if _, err := doors["fields"].encrypt(t, `{"a":"\ud800"}`); !errors.As(err, &refusal) || refusal.Path != "$.a" {
		t.Errorf("Encrypt of half a character: %v, want a refusal", err)
	}
}

func TestSealedStringsMustBeStrings(t *testing.T) {
	t.Parallel()
	for _, d := range []door{fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}}), objectOf(t, "$.a", false)} {
		for _, body := range []string{`{"a":1}`, `{"a":["<31>"]}`, `{"a":"\ud800"}`} {
			if got, err := d.decrypt(t, body); !errors.Is(err, selection.ErrSelect) {
				t.Errorf("Decrypt(%s) = %s, %v, want ErrSelect", body, got, err)
			}
		}
	}
}

func TestValuesMustBeInTheEncodingOfTheirBytes(t *testing.T) {
	t.Parallel()
	for form, values := range map[selection.ValueForm][]string{
		selection.Base64: {`"A"`, `"AA=A"`, `"+_8="`, `" AAAA"`, `"AB=="`, `7777`, `null`, `true`, `["AAAA"]`, `{}`, `"\ud800AAA"`},
		selection.Hex:    {`"0"`, `"0x00"`, `"00 11"`, `1234`, `[]`, `null`},
	} {
		d := fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}, ValueForm: form})
		for _, value := range values {
			var refusal *selection.BodyError
			if got, err := d.encrypt(t, `{"a":`+value+`}`); !errors.As(err, &refusal) || refusal.Path != "$.a" {
				t.Errorf("form %d: Encrypt of %s = %s, %v, want a BodyError", form, value, got, err)
			}
		}
	}
}

func TestOpenedValuesMustFitIn(t *testing.T) {
	t.Parallel()
	asJSON := fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}})
	asText := fieldsOf(t, selection.FieldsConfig{Paths: []string{"$.a"}, ValueForm: selection.Text})
	object := objectOf(t, "$.a", false)
	for _, test := range []struct {
		name, value        string
		fitsJSON, fitsText bool
	}{
		{"a document", `{"a":[1,"x"]}`, true, true},
		{"white space around", ` 1 `, true, true},
		{"a value and another member", `1,"admin":true`, false, true},
		{"two values", `"x" "y"`, false, true},
		{"nothing", ``, false, true},
		{"no UTF-8", "\"\xff\"", false, false},
		{"too deep", strings.Repeat("[", 200) + strings.Repeat("]", 200), false, true},
	} {
		for _, try := range []struct {
			door
			fits bool
		}{{asJSON, test.fitsJSON}, {object, test.fitsJSON}, {asText, test.fitsText}} {
			got, err := try.decrypt(t, `{"a":"<`+x(test.value)+`>"}`)
			if (err == nil) != try.fits || !try.fits && !errors.Is(err, selection.ErrValue) {
				t.Errorf("%s: Decrypt = %s, %v, want that it fits: %v", test.name, got, err, try.fits)
			}
			if err == nil && !json.Valid([]byte(got)) {
				t.Errorf("%s: Decrypt = %s, which is not JSON", test.name, got)
			}
		}
	}
}

func TestNumberOfValuesIsBounded(t *testing.T) {
	t.Parallel()
	inArray := "[" + strings.Repeat("0,", selection.MaxValues) + "0]"
	inForm := strings.Repeat("a=0&", selection.MaxValues+1)
	for _, test := range []struct {
		door
		body string
	}{
		{fieldsOf(t, selection.FieldsConfig{Paths: []string{"$[*]"}}), inArray},
		{formOf(t, selection.FormConfig{Names: []string{"a"}}), inForm},
	} {
		var refusal *selection.BodyError
		if _, err := test.encrypt(t, test.body); !errors.As(err, &refusal) {
			t.Errorf("Encrypt of too many values: %v, want a refusal", err)
		}
		if _, err := test.decrypt(t, test.body); !errors.Is(err, selection.ErrSelect) {
			t.Errorf("Decrypt of too many values: %v, want ErrSelect", err)
		}
	}
}

// Any body is refused, or restored as it was.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":1,"b":[{"c":"x"}]}`, ` {"b":[{"c":{}},{"c":""}],"a":null} `, `{"a":"\ud800"}`, `{"a":1,"a":2}`, `[]`, "{\"a\":\"\u2028\\u0000\"}"} {
		f.Add([]byte(seed))
	}
	doors := []door{
		fieldsOf(f, selection.FieldsConfig{Paths: []string{"$.a", "$.b[*].c"}, Optional: true}),
		fieldsOf(f, selection.FieldsConfig{Paths: []string{"$.a", "$.b[*].c"}, Optional: true, SkipEmpty: true}),
		objectOf(f, "$.b[0]", true), objectOf(f, "$.a", false),
	}
	asText := fieldsOf(f, selection.FieldsConfig{Paths: []string{"$.a"}, ValueForm: selection.Text})
	f.Fuzz(func(t *testing.T, body []byte) {
		for i, d := range doors {
			_, _ = d.decrypt(t, string(body)) // whatever it is, it is read without upset
			sealed, err := d.encrypt(t, string(body))
			var refusal *selection.BodyError
			if errors.As(err, &refusal) {
				continue
			}
			got, err2 := d.decrypt(t, sealed)
			if got != string(body) || err != nil || err2 != nil || !jsonbytes.Valid([]byte(sealed)) {
				t.Errorf("%d: Encrypt(%q) = %q, %v, and back %q, %v", i, body, sealed, err, got, err2)
			}
		}
		sealed, err := asText.encrypt(t, string(body))
		if err != nil {
			return
		}
		opened, err := asText.decrypt(t, sealed)
		again, err2 := asText.encrypt(t, opened)
		if err != nil || err2 != nil || again != sealed {
			t.Errorf("Encrypt(%q) = %q, which opens as %q, %v, and is then sealed as %q, %v", body, sealed, opened, err, again, err2)
		}
	})
}
