package answer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/preset/answer"
)

var now = time.Date(2027, 1, 1, 12, 0, 0, 0, time.UTC)

// signature is what `openssl dgst -sha256 -hmac throwaway` prints for plaintext.
const (
	plaintext = `{"amount":1}`
	signature = "628b9306c8a68aa0bc66dcc84991ff1183e4a7fecc6b4cc0b96e61bd828ab581"
)

// folder returns a folder with the preset partner, a copy of a built-in one, and a known answer of
// it, after both were changed.
func folder(t testing.TB, change func(known map[string]any)) string {
	t.Helper()
	text, err := os.ReadFile("../presets/hmac_header.json")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]any{
		"preset": "partner", "tool": "openssl 3.0.19", "direction": "request", "deterministic": true,
		"secrets":   map[string]any{"secret": map[string]any{"value": "throwaway"}},
		"settings":  map[string]string{"header": "X-Signature", "prefix": "v1="},
		"plaintext": plaintext, "body": plaintext, "headers": map[string]string{"X-Signature": "v1=" + signature},
	}
	change(known)
	answers, err := json.Marshal([]any{known})
	if err != nil {
		t.Fatal(err)
	}
	return write(t, map[string]string{
		"partner.json":        strings.Replace(string(text), `"id": "hmac_header"`, `"id": "partner"`, 1),
		"partner.answer.json": string(answers),
	})
}

func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAFolderWithKnownAnswersIsVerified(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := answer.CheckFolder(&out, folder(t, func(map[string]any) {}), now); err != nil {
		t.Fatalf("CheckFolder: %v", err)
	}
	const want = `partner: HMAC-SHA256 in a header
  secret secret (KEY)
    purpose raw > HMAC-SHA256(of=message)
  known answers verified: 1
`
	if out.String() != want {
		t.Errorf("CheckFolder prints\n%s\nwant\n%s", out.String(), want)
	}
}

func TestAWrongAnswerIsNamedWithoutItsValues(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(known map[string]any)
		want   string
	}{
		"another key": {func(a map[string]any) {
			a["secrets"] = map[string]any{"secret": map[string]any{"value": "confidential"}}
		}, "[0]: open the message"},
		"another body":      {func(a map[string]any) { a["body"] = `{"amount":2}` }, "[0]: open the message"},
		"another plaintext": {func(a map[string]any) { a["plaintext"] = `{"amount":10}` }, "[0]: open the message: the result differs at byte 11: it has 12 bytes, want 13"},
		"a missing secret":  {func(a map[string]any) { a["secrets"] = map[string]any{} }, `secrets["secret"]: is required`},
		"another setting":   {func(a map[string]any) { a["settings"] = map[string]string{"confidential": "x"} }, "must contain exactly these names"},
		"another preset":    {func(a map[string]any) { a["preset"] = "confidential" }, "[0].preset: must be the ID"},
		"another direction": {func(a map[string]any) { a["direction"] = "confidential" }, "[0].direction: must be"},
		"another header":    {func(a map[string]any) { a["headers"] = map[string]string{"X-Other": signature} }, "[0]: open the message"},
		"a header too many": {func(a map[string]any) {
			a["headers"] = map[string]string{"X-Other": "confidential", "X-Signature": "v1=" + signature}
		}, "the headers differ: they are x-signature"},
		"an unknown field": {func(a map[string]any) { a["vector"] = "confidential" }, "parse known answers"},
	} {
		var out strings.Builder
		err := answer.CheckFolder(&out, folder(t, tt.change), now)
		if err == nil || !strings.Contains(err.Error(), "partner.answer.json: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: CheckFolder = %v, want an error with %q", name, err, tt.want)
			continue
		}
		if strings.Contains(err.Error(), "confidential") || strings.Contains(err.Error(), signature) {
			t.Errorf("%s: the error repeats a value: %v", name, err)
		}
		if !strings.Contains(out.String(), "known answers verified: 0") {
			t.Errorf("%s: CheckFolder prints\n%s", name, out.String())
		}
	}
}

func TestAFolderWithoutPresetsIsAnError(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := answer.CheckFolder(&out, t.TempDir(), now); err == nil {
		t.Error("CheckFolder of an empty folder succeeded")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`[{"preset":"p","secrets":{"key":{"value":"x"}},"exchange":{"key":"00","iv":"00"}}]`))
	f.Add([]byte(`[{"preset":"p","context":{"time":1e300}}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		answers, err := answer.Parse("p", text)
		if err != nil {
			return
		}
		for _, a := range answers {
			if _, err := a.State(); err != nil {
				continue
			}
			if a.Preset != "p" || a.At(now).Time.IsZero() {
				t.Errorf("Parse = %+v", a)
			}
		}
	})
}
