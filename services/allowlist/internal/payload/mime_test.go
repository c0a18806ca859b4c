package payload_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// inLines returns base64 in lines of n characters. All lines have a line end, except perhaps the
// last.
func inLines(text string, n int, end string, last bool) string {
	var lines []string
	for len(text) > n {
		lines, text = append(lines, text[:n]), text[n:]
	}
	text = strings.Join(append(lines, text), end)
	if last {
		text += end
	}
	return text
}

func TestBase64InLinesWorksInEveryPlace(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	mime := func(rest string) string {
		return `envelope { ` + blobOf("data", "BASE64_MIME", "IV", "CIPHERTEXT", "TAG") + rest + ` } `
	}
	apart := blobOf("d", "BASE64_MIME", "IV", "CIPHERTEXT") + blobOf("m", "HEX", "MAC")
	authenticated := func(input string) string {
		return under("AES_256_CBC", `mac { algorithm: ALGORITHM_HMAC_SHA256 input: "`+input+`" }`)
	}
	for name, profile := range map[string]string{
		"a text":                  gcm + mime(""),
		"a string with literals":  gcm + mime(`text: "v1:${data}."`),
		"JSON":                    gcm + mime(`json: '{"d":"${data}","v":1}'`),
		"fields":                  gcm + twoFields + mime(""),
		"an object":               gcm + `selection { object { path: "$.a" } } ` + mime(`json: '{"d":"${data}"}'`),
		"an object as a string":   gcm + `selection { object { path: "$.a" } } ` + mime(""),
		"the outer encoding":      gcm + `envelope { encoding: ENCODING_BASE64_MIME }`,
		"both":                    gcm + mime(`encoding: ENCODING_BASE64_MIME`),
		"a MAC over the string":   authenticated("${d}") + `envelope { ` + apart + ` text: "${d}.${m}" }`,
		"a MAC over the bytes":    authenticated("v1${d|raw}") + `envelope { ` + apart + ` json: '["${m}","${d}"]' }`,
		"a wrapped key":           sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + strings.ReplaceAll(hybrid, "BASE64", "BASE64_MIME"),
		"a blob after fixed ones": sessionKey("AES_128_GCM", oaep, named("rsa", "PEM")) + `envelope { ` + blobOf("i", "HEX", "IV") + blobOf("k", "BASE64", "WRAPPED_KEY") + blobOf("d", "BASE64_MIME", "CIPHERTEXT", "TAG") + ` text: "${i}${k}${d}" }`,
		"a salted string":         sharedEVP + strings.Replace(salted, "BASE64", "BASE64_MIME", 1),
		"RSA":                     `rsa_direct { oaep {} ` + named("rsa", "PEM") + ` } selection { object { path: "$.b" } } envelope { ` + blobOf("data", "BASE64_MIME", "CIPHERTEXT") + `}`,
		"binary OpenPGP":          `pgp { ` + named("pgp", "RAW") + ` binary: true } envelope { ` + blobOf("data", "BASE64_MIME", "CIPHERTEXT") + `}`,
		"the bytes themselves":    `envelope { ` + blobOf("data", "BASE64_MIME", "CIPHERTEXT") + ` json: '{"request":"${data}"}' }`,
		"a digest as the key":     `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { ` + named("pass", "RAW") + ` derivation { digest { hash: HASH_SHA256 encoding: ENCODING_BASE64_MIME take: 32 } } } } ` + mime(""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := legacyPipeline(t, profile)
			for _, n := range []int{0, 1, 20, 100, 5000} {
				body := `{"a":"` + strings.Repeat("x", n) + `","b":[2]}`
				sent := s.encrypt(t, p, body)
				opened, err := s.decrypt(t, p, sent)
				if err != nil || string(opened.Body) != body {
					t.Errorf("Decrypt(Encrypt(%d bytes)) = %.40q, %v", len(body), opened.Body, err)
				}
			}
		})
	}
	form := legacyPipeline(t, gcm+`selection { form { names: "a" } } `+mime(""))
	if got := open(t, form, encrypt(t, form, "a="+strings.Repeat("x", 200)+"&b=1")); got != "a="+strings.Repeat("x", 200)+"&b=1" {
		t.Errorf("a form decrypts to %q", got)
	}
}

// The output of other tools is accepted, but white space other than line ends is not.
func TestBase64InLinesIsReadAsToolsWriteIt(t *testing.T) {
	t.Parallel()
	const body = `{"amount":1250.5,"note":"long enough for three lines of base64 in every tool's way, whatever it may be, and some more"}`
	sealed, err := base64.StdEncoding.DecodeString(string(encrypt(t, pipeline(t, gcm), body).Body))
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(sealed)
	whole := pipeline(t, gcm+`envelope { `+blobOf("data", "BASE64_MIME", "IV", "CIPHERTEXT", "TAG")+`}`)
	inJSON := pipeline(t, gcm+`envelope { `+blobOf("data", "BASE64_MIME", "IV", "CIPHERTEXT", "TAG")+` json: '{"d":"${data}"}' }`)
	for _, tt := range []struct {
		name, text string
		opens      bool
	}{
		{"MIME", inLines(text, 76, "\r\n", false), true},
		{"Android's default", inLines(text, 76, "\n", true), true},
		{"openssl enc -a, and PEM", inLines(text, 64, "\n", true), true},
		{"one line", text, true},
		{"one line without padding", strings.TrimRight(text, "="), true},
		{"empty lines", "\r" + inLines(text, 1, "\n\n", true), true},
		{"a space at the end of a line", inLines(text, 76, " \r\n", false), false},
		{"a tab in a line", text[:8] + "\t" + text[8:], false},
		{"a missing byte", inLines(text[4:], 64, "\n", true), false},
		{"only line ends", strings.Repeat("\r\n", 1000), false},
	} {
		opens := func(p *payload.Pipeline, body string) bool {
			got, err := decryptWith(p, now, resolve(p.DecryptReferences()), []byte(body))
			if err != nil && !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("%s: Decrypt: %v", tt.name, err)
			}
			return err == nil && len(got) > 0
		}
		if got := opens(whole, tt.text); got != tt.opens {
			t.Errorf("%s as a string: decrypts %v, want %v", tt.name, got, tt.opens)
		}
		escaped := strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(tt.text)
		if got := opens(inJSON, `{"d":"`+escaped+`"}`); got != tt.opens {
			t.Errorf("%s in JSON: decrypts %v, want %v", tt.name, got, tt.opens)
		}
	}
}

func TestLinesAreWrittenAsMIMEHasThem(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+`envelope { `+blobOf("data", "BASE64_MIME", "IV", "CIPHERTEXT", "TAG")+`}`)
	sent := string(encrypt(t, p, strings.Repeat("x", 200)).Body)
	if want := inLines(strings.ReplaceAll(sent, "\r\n", ""), 76, "\r\n", false); sent != want || !strings.Contains(sent, "\r\n") {
		t.Errorf("Encrypt = %q, want lines of 76 characters", sent)
	}
}

func TestParseNamesWhereBase64InLinesCannotStand(t *testing.T) {
	t.Parallel()
	lines := `envelope { ` + blobOf("i", "BASE64_MIME", "IV") + blobOf("d", "BASE64_MIME", "CIPHERTEXT", "TAG")
	refused(t, []mistake{
		{name: "in a header", profile: gcm + lines + ` text: "${d}" headers { key: "X" value: "${i}" } }`, fields: []string{`envelope.blobs["i"].encoding`}},
		{name: "of a signature", profile: mac[:len(mac)-2] + ` encoding: ENCODING_BASE64_MIME }`, fields: []string{"signing.encoding"}},
		{name: "before a line end", profile: gcm + lines + ` text: "${i}\n${d}" }`, fields: []string{"envelope.text"}},
		{name: "before a carriage return", profile: gcm + lines + ` text: "${i}\r\n${d}" }`, fields: []string{"envelope.text"}},
		{name: "before a line end in JSON", profile: gcm + lines + ` json: '["${i}\\n${d}"]' }`, fields: []string{"envelope.json"}},
		{name: "adjacent, with unknown lengths", profile: gcm + lines + ` text: "${i}${d}" }`, fields: []string{"envelope.text"}},
	})
}
