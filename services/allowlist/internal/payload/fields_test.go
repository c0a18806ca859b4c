package payload_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// sealedFields replaces all sealed values of a body by a `#`.
func sealedFields(t *testing.T, body string) string {
	t.Helper()
	parts := strings.Split(body, `"<`)
	for i, part := range parts[1:] {
		_, rest, ok := strings.Cut(part, `>"`)
		if !ok {
			t.Fatalf("a sealed value has no end: %s", part)
		}
		parts[i+1] = rest
	}
	return strings.Join(parts, "#")
}

func TestFieldsReplaceSelectedValuesOnly(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		paths       []string
		body, shape string
	}{
		{"a string", []string{"$.a"}, `{"a":"x","b":"y"}`, `{"a":#,"b":"y"}`},
		{"everything else keeps its bytes", []string{"$.a"}, " {\t\"b\" : 1.10e+2 ,\"a\": [ 1 ] ,\n\"c\":\"\\u0041\\/\"} \n", " {\t\"b\" : 1.10e+2 ,\"a\": # ,\n\"c\":\"\\u0041\\/\"} \n"},
		{"every kind of value", []string{"$[*]"}, `[1,-0.5e-3,"s",true,false,null,{},[],{"a":[1]}]`, `[#,#,#,#,#,#,#,#,#]`},
		{"a wildcard over an object", []string{"$.a[*]"}, `{"a":{"x":1,"y":2}}`, `{"a":{"x":#,"y":#}}`},
		{"an index", []string{"$.a[1]", "$.a[3]"}, `{"a":[0,1,2,3,4]}`, `{"a":[0,#,2,#,4]}`},
		{"a path through a wildcard", []string{"$.items[*].pan", "$.items[0]['c.v']"}, `{"items":[{"pan":"1","c.v":2},{"pan":"3","c.v":4},{}]}`, `{"items":[{"pan":#,"c.v":#},{"pan":#,"c.v":4},{}]}`},
		{"a name written with escapes", []string{"$['a']", `$['\u00e9\'"\\']`}, `{"\u0061":1,"é'\"\\":2}`, `{"\u0061":#,"é'\"\\":#}`},
		{"the same name elsewhere", []string{"$.a.a"}, `{"b":{"a":1},"a":{"b":{"a":2},"a":3}}`, `{"b":{"a":1},"a":{"b":{"a":2},"a":#}}`},
		{"a name is not an index", []string{"$.a[0]", "$.b['0']"}, `{"a":[1],"b":{"0":2}}`, `{"a":[#],"b":{"0":#}}`},
		{"the order of the paths does not matter", []string{"$.c", "$.a"}, `{"a":1,"b":2,"c":3}`, `{"a":#,"b":2,"c":#}`},
		{"members outside all paths may occur twice", []string{"$.a"}, `{"a":1,"b":2,"b":3}`, `{"a":#,"b":2,"b":3}`},
	}
	for _, cipher := range []string{gcm, cbc} {
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				p := pipeline(t, cipher+fields("", test.paths...)+`envelope { text: "<${data}>" }`)
				sent := encrypt(t, p, test.body)
				if got := sealedFields(t, string(sent.Body)); got != test.shape {
					t.Errorf("Encrypt(%s) has the shape %s, want %s", test.body, got, test.shape)
				}
				if !json.Valid(sent.Body) || sent.ContentType != "application/json" {
					t.Errorf("Encrypt(%s) = %s as %s, want JSON", test.body, sent.Body, sent.ContentType)
				}
				if got := decrypt(t, p, string(sent.Body)); got != test.body {
					t.Errorf("Decrypt(Encrypt(%s)) = %s", test.body, got)
				}
			})
		}
	}
}

func TestStringFormComesBackAsStrings(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+fields("value_form: VALUE_FORM_STRING", "$[*]")+`envelope { text: "\"${data}\\" }`)
	body := `["plain", "q\"\\\/\b\f\n\r\t\u0001\u00e9\ud83c\udfaf", 1.10, {"a": [true]}, null, ""]`
	want := `["plain", "q\"\\/\b\f\n\r\t\u0001é🎯", "1.10", "{\"a\": [true]}", "null", ""]`
	if got := decrypt(t, p, string(encrypt(t, p, body).Body)); got != want {
		t.Errorf("Decrypt(Encrypt(%s)) = %s, want %s", body, got, want)
	}
	form := pipeline(t, gcm)
	sealed := string(encrypt(t, form, `q"é`).Body)
	one := pipeline(t, gcm+fields("value_form: VALUE_FORM_STRING", "$.a"))
	if got := decrypt(t, one, `{"a":"`+sealed+`"}`); got != `{"a":"q\"é"}` {
		t.Errorf("the plaintext is not the characters of the string: %s", got)
	}
}

func TestBodiesThatDoNotGoWithTheSelectionAreRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	tests := []struct{ name, body, path string }{
		{"nothing", ``, ""},
		{"no JSON", `a=1&b=2`, ""},
		{"JSON and more", `{"a":1,"b":2} {}`, ""},
		{"a comma too many", `{"a":1,"b":2,}`, ""},
		{"a leading zero", `{"a":01,"b":2}`, ""},
		{"half of a document", `{"a":1,"b":2`, ""},
		{"an invalid escape", `{"a":1,"b":2,"c":"\x"}`, ""},
		{"a control character", "{\"a\":1,\"b\":2,\"c\":\"\n\"}", ""},
		{"not UTF-8", "{\"a\":1,\"b\":2,\"c\":\"\xff\"}", ""},
		{"a byte order mark", "\ufeff{\"a\":1,\"b\":2}", ""},
		{"too deep", `{"a":` + deep + `,"b":2}`, ""},
		{"too deep beside", `{"a":1,"b":2,"c":` + deep + `}`, ""},
		{"a selected name twice", `{"a":1,"b":2,"a":3}`, ""},
		{"a selected name twice, once escaped", `{"a":1,"b":2,"\u0061":3}`, ""},
		{"a missing value", `{"b":2}`, "$.a"},
		{"an array for an object", `[{"a":1}]`, "$.a"},
		{"half of a surrogate pair", `{"a":"\ud83c","b":2}`, "$.a"},
	}
	p := pipeline(t, gcm+fields("value_form: VALUE_FORM_STRING", "$.a", "$.b"))
	keys := resolve(p.EncryptReferences())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := encryptWith(p, now, strings.NewReader(strings.Repeat("r", 100)), keys, []byte(test.body))
			f, ok := fault.From(err)
			if !ok || f.Reason != payload.BodyNotEncryptable || f.Kind != fault.InvalidArgument || f.Metadata["path"] != test.path {
				t.Errorf("Encrypt(%.40q) = %s, %v (%v), want BODY_NOT_ENCRYPTABLE with path %q", test.body, got.Body, err, f, test.path)
			}
			if _, err := decryptWith(p, now, keys, []byte(test.body)); !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("Decrypt(%.40q): %v, want DECRYPTION_FAILED", test.body, err)
			}
		})
	}
}

func TestWildcardsRefuseNamesThatStandTwice(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+fields("", "$[*]"))
	_, err := encryptWith(p, now, strings.NewReader(strings.Repeat("r", 100)), resolve(p.EncryptReferences()), []byte(`{"a":1,"a":2}`))
	if !fault.Is(err, payload.BodyNotEncryptable) {
		t.Errorf("Encrypt: %v, want BODY_NOT_ENCRYPTABLE", err)
	}
}

func TestMissingValuesMayBeSkipped(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+fields("missing: MISSING_SKIP", "$.a", "$.b[*]"))
	for _, body := range []string{`{}`, `{"b":[]}`, `{"a":1}`, `7`} {
		if got := decrypt(t, p, string(encrypt(t, p, body).Body)); got != body {
			t.Errorf("Decrypt(Encrypt(%s)) = %s", body, got)
		}
	}
}

func TestNumberOfSelectedValuesIsBounded(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+fields("", "$[*]"))
	keys := resolve(p.EncryptReferences())
	body := "[" + strings.Repeat("0,", 65536) + "0]"
	if _, err := encryptWith(p, now, strings.NewReader(""), keys, []byte(body)); !fault.Is(err, payload.BodyNotEncryptable) {
		t.Errorf("Encrypt of 65537 values: %v, want BODY_NOT_ENCRYPTABLE", err)
	}
}

func TestOpenedValuesMustFitIn(t *testing.T) {
	t.Parallel()
	whole := pipeline(t, gcm)
	tests := []struct {
		form, plaintext string
		opens           bool
	}{
		{"VALUE_FORM_JSON", `{"a":[1,"x"]}`, true},
		{"VALUE_FORM_JSON", ` 1 `, true},
		{"VALUE_FORM_JSON", `1,"admin":true`, false},
		{"VALUE_FORM_JSON", `"x" "y"`, false},
		{"VALUE_FORM_JSON", ``, false},
		{"VALUE_FORM_JSON", "\"\xff\"", false},
		{"VALUE_FORM_STRING", `1,"admin":true`, true},
		{"VALUE_FORM_STRING", "\xff", false},
		{"VALUE_FORM_STRING", ``, true},
	}
	for _, test := range tests {
		p := pipeline(t, gcm+fields("value_form: "+test.form, "$.a"))
		body := `{"a":` + strconv.Quote(string(encrypt(t, whole, test.plaintext).Body)) + `}`
		got, err := decryptWith(p, now, resolve(p.DecryptReferences()), []byte(body))
		if opens := err == nil; opens != test.opens || !opens && !fault.Is(err, payload.DecryptionFailed) {
			t.Errorf("%s: Decrypt of %q = %s, %v, want it to open: %v", test.form, test.plaintext, got, err, test.opens)
		}
		if err == nil && !json.Valid(got) {
			t.Errorf("%s: Decrypt of %q = %s, which is not JSON", test.form, test.plaintext, got)
		}
	}
}

func TestSameBytesInTheSameBodyLookDifferent(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+fields("", "$[*]"))
	var got []string
	if err := json.Unmarshal(encrypt(t, p, `["x","x"]`).Body, &got); err != nil {
		t.Fatal(err)
	}
	if cmp.Equal(got[0], got[1]) {
		t.Errorf("two values have one ciphertext: %s", got[0])
	}
}
