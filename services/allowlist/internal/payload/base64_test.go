package payload_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestBase64IsAcceptedAsItArrives(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	standard := blobOf("d", "BASE64", "IV", "CIPHERTEXT", "TAG")
	safeURL := blobOf("d", "BASE64URL", "IV", "CIPHERTEXT", "TAG")
	body := `{"a":"` + strings.Repeat("value ", 20) + `"}`
	for _, blob := range []string{standard, safeURL} {
		sent := string(s.encrypt(t, legacyPipeline(t, gcm+`envelope { `+blob+` text: "${d}" }`), body).Body)
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(sent), "="))
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			"the standard alphabet": base64.StdEncoding.EncodeToString(raw), "no padding": base64.RawStdEncoding.EncodeToString(raw),
			"the alphabet of URLs": base64.RawURLEncoding.EncodeToString(raw), "that with padding": base64.URLEncoding.EncodeToString(raw),
			"lines":                   inLines(base64.StdEncoding.EncodeToString(raw), 20, "\n", false),
			"lines of Windows":        inLines(base64.RawURLEncoding.EncodeToString(raw), 20, "\r\n", false),
			"a line end behind it":    base64.StdEncoding.EncodeToString(raw) + "\r\n",
			"lines of PEM":            inLines(base64.StdEncoding.EncodeToString(raw), 20, "\n", false) + "\n",
			"padding behind the line": strings.ReplaceAll(inLines(base64.URLEncoding.EncodeToString(raw), 20, "\n", false), "=", "\n="),
		} {
			quoted := strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(text)
			for place, received := range map[string][2]string{
				"a text":     {gcm + `envelope { ` + blob + ` text: "${d}" }`, text},
				"a prefix":   {gcm + `envelope { ` + blob + ` text: "v1:${d}" }`, "v1:" + text},
				"a document": {gcm + `envelope { ` + blob + ` json: '{"d":"${d}"}' }`, `{"d":"` + quoted + `"}`},
				"a member":   {gcm + `selection { object { path: "$.a" } } envelope { ` + blob + ` json: '{"d":"${d}"}' }`, `{"a":{"d":"` + quoted + `"}}`},
			} {
				want := body
				if place == "a member" {
					want = `{"a":` + body + `}`
				}
				p := legacyPipeline(t, received[0])
				if out, err := s.decrypt(t, p, payload.Output{Body: []byte(received[1])}); err != nil || string(out.Body) != want {
					t.Errorf("%s in %s: Decrypt = %q, %v at %q", name, place, out.Body, err, payload.Stage(err))
				}
			}
		}
	}
}

func TestBase64InFieldsAndFormsIsAcceptedAsItArrives(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, gcm+fields("value_form: VALUE_FORM_STRING", "$.a"))
	sent := string(s.encrypt(t, p, `{"a":"value"}`).Body)
	text := strings.TrimSuffix(strings.TrimPrefix(sent, `{"a":"`), `"}`)
	changed := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(text)
	s.opens(t, p, payload.Output{Body: []byte(`{"a":"` + inLines(changed, 20, `\r\n`, false) + `"}`)}, `{"a":"value"}`)
	form := legacyPipeline(t, gcm+`selection { form { names: "a" } }`)
	values, err := url.ParseQuery(string(s.encrypt(t, form, "a=value").Body))
	if err != nil {
		t.Fatal(err)
	}
	values.Set("a", inLines(strings.NewReplacer("+", "-", "/", "_").Replace(values.Get("a")), 20, "\n", false))
	s.opens(t, form, payload.Output{Body: []byte(values.Encode())}, "a=value")
}

func TestHeadersHaveNoLineEnds(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, gcm+`envelope { `+blobOf("i", "BASE64", "IV")+blobOf("d", "BASE64", "CIPHERTEXT", "TAG")+` text: "${d}" headers { key: "X-Iv" value: "${i}" } }`)
	sent := s.encrypt(t, p, "body")
	iv := sent.Headers[0].Value
	for text, ok := range map[string]bool{
		strings.NewReplacer("+", "-", "/", "_").Replace(iv): true, iv[:4] + "\n" + iv[4:]: false, iv[:4] + "\r\n" + iv[4:]: false,
	} {
		out, err := s.decrypt(t, p, payload.Output{Body: sent.Body, Headers: []payload.Header{{Name: "X-Iv", Value: text}}})
		if (err == nil) != ok || ok && string(out.Body) != "body" {
			t.Errorf("Decrypt with the header %q = %q, %v, want it to be accepted: %v", text, out.Body, err, ok)
		}
	}
}

// A separator that the other alphabet contains ends a blob, as before.
func TestSeparatorsOfTheOtherAlphabetStillSeparate(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	for _, separator := range []string{"-", "_", "-_-"} {
		p := legacyPipeline(t, gcm+`envelope { `+blobOf("i", "BASE64", "IV")+blobOf("d", "BASE64", "CIPHERTEXT", "TAG")+` text: "${i}`+separator+`${d}" }`)
		for range 50 {
			s.opens(t, p, s.encrypt(t, p, "body"), "body")
		}
	}
	p := legacyPipeline(t, gcm+`envelope { `+blobOf("i", "BASE64URL", "IV")+blobOf("d", "BASE64URL", "CIPHERTEXT", "TAG")+` text: "${d}/${i}" }`)
	for range 50 {
		s.opens(t, p, s.encrypt(t, p, "body"), "body")
	}
}

func TestTheOuterBase64IsAcceptedAsItArrives(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	p := legacyPipeline(t, gcm+`envelope { json: '{"d":"${data}"}' encoding: ENCODING_BASE64 }`)
	sent := string(s.encrypt(t, p, "body").Body)
	s.opens(t, p, payload.Output{Body: []byte(inLines(strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(sent), "="), 20, "\r\n", false) + "\n")}, "body")
}
