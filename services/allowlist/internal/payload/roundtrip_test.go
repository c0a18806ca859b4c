package payload_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

func TestWhatEncryptMadeDecryptOpens(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("0123456789abcdef", 1<<12)
	profiles := map[string]string{
		"the default envelope":     gcm,
		"CBC":                      cbc,
		"two keys":                 gcmTwo,
		"a signature":              gcm + mac,
		"tag first, iv last":       gcm + `envelope { blobs { key: "data" value { parts { slot: SLOT_TAG } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_IV } } } }`,
		"ciphertext, iv, tag":      gcm + `envelope { blobs { key: "data" value { parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_IV } parts { slot: SLOT_TAG } } } }`,
		"iv, tag, ciphertext":      gcm + `envelope { blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_TAG } parts { slot: SLOT_CIPHERTEXT } } } }`,
		"CBC, ciphertext first":    cbc + `envelope { blobs { key: "data" value { parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_IV } encoding: ENCODING_BASE64URL } } }`,
		"three blobs, two with ct": gcmTwo + `envelope { blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_IV } encoding: ENCODING_HEX } } blobs { key: "t" value { parts { slot: SLOT_TAG } } } text: "v1:${c}.${t}!" }`,
		"a JSON template":          gcm + `envelope { blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } } } blobs { key: "i" value { parts { slot: SLOT_IV } encoding: ENCODING_HEX } } blobs { key: "t" value { parts { slot: SLOT_TAG } encoding: ENCODING_BASE64URL } } json: '{"v":[1,true,{"i":"<${i}>"}],"t":"${t}", "c" : "${c}","e":{},"l":[],"q":"a\\"b"}' }`,
	}
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, profile)
			for _, body := range []string{"", "a", "0123456789abcdef", `{"a":1}`, "\xff\x00", large} {
				sent := encrypt(t, p, body)
				if got := open(t, p, sent); got != body {
					t.Errorf("Decrypt(Encrypt(%.20q)) = %.20q", body, got)
				}
				if again := encrypt(t, p, body); bytes.Equal(again.Body, sent.Body) {
					t.Errorf("Encrypt(%.20q) twice gave the same body", body)
				}
			}
		})
	}
}

func TestGCMAgreesWithTheLibrary(t *testing.T) {
	t.Parallel()
	for _, size := range []int{16, 24, 32} {
		for _, ivSize := range []int{12, 16} {
			profile := fmt.Sprintf(`cipher { algorithm: ALGORITHM_AES_%d_GCM shared_key { %s } iv { bytes: %d } }`, size*8, ref, ivSize)
			p := pipeline(t, profile)
			key := unhex(t, keyA)[:size]
			stored := keysOf(sensitive.New([]byte(hex.EncodeToString(key))))
			iv := bytes.Repeat([]byte{7}, ivSize)
			got, err := encryptWith(p, now, bytes.NewReader(iv), stored, []byte("attack at dawn"))
			if err != nil {
				t.Fatal(err)
			}
			block, err := aes.NewCipher(key)
			if err != nil {
				t.Fatal(err)
			}
			aead, err := cipher.NewGCMWithNonceSize(block, ivSize)
			if err != nil {
				t.Fatal(err)
			}
			want := base64.StdEncoding.EncodeToString(aead.Seal(iv, iv, []byte("attack at dawn"), nil))
			if string(got.Body) != want {
				t.Errorf("AES-%d-GCM, %d byte IV: Encrypt = %s, want %s", size*8, ivSize, got.Body, want)
			}
			opened, err := decryptWith(p, now, stored, []byte(want))
			if err != nil || string(opened) != "attack at dawn" {
				t.Errorf("AES-%d-GCM, %d byte IV: Decrypt = %q, %v", size*8, ivSize, opened, err)
			}
		}
	}
}

// The vectors are F.2.1, F.2.3, and F.2.5 of NIST SP 800-38A; a block of padding follows them.
func TestCBCAgreesWithNIST(t *testing.T) {
	t.Parallel()
	plaintext := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710")
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	tests := []struct{ bits, key, want string }{
		{"128", "2b7e151628aed2a6abf7158809cf4f3c", "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b273bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},
		{"192", "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"},
		{"256", "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},
	}
	for _, test := range tests {
		p := pipeline(t, `cipher { algorithm: ALGORITHM_AES_`+test.bits+`_CBC shared_key { `+ref+` } } envelope { blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } encoding: ENCODING_HEX } } blobs { key: "i" value { parts { slot: SLOT_IV } encoding: ENCODING_HEX } } text: "${i}:${c}" }`+ack)
		keys := keysOf(sensitive.New([]byte(test.key)))
		sent, err := encryptWith(p, now, bytes.NewReader(iv), keys, plaintext)
		if err != nil {
			t.Fatal(err)
		}
		_, ciphertext, _ := strings.Cut(string(sent.Body), ":")
		if !strings.HasPrefix(ciphertext, test.want) || len(ciphertext) != len(test.want)+32 {
			t.Errorf("AES-%s-CBC: Encrypt = %s, want %s and a block of padding", test.bits, ciphertext, test.want)
		}
		opened, err := decryptWith(p, now, keys, sent.Body)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Errorf("AES-%s-CBC: Decrypt = %x, %v", test.bits, opened, err)
		}
	}
}

func TestEnvelopesAreWrittenAsConfigured(t *testing.T) {
	t.Parallel()
	threeBlobs := func(encoding string) string {
		return `blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } encoding: ` + encoding + ` } }
			blobs { key: "i" value { parts { slot: SLOT_IV } encoding: ` + encoding + ` } }
			blobs { key: "t" value { parts { slot: SLOT_TAG } encoding: ` + encoding + ` } } `
	}
	const zeros, iv = "530f8afbc74536b9a963b4f1c4cb738b", "000000000000000000000000" // GCM specification, test case 13: empty plaintext
	tests := []struct{ name, envelope, want, contentType string }{
		{"hexadecimal is lower case", threeBlobs("ENCODING_HEX") + `text: "${i}:${t}:${c}"`, iv + ":" + zeros + ":", "text/plain"},
		{"base64 is padded", threeBlobs("ENCODING_BASE64") + `text: "${i}.${c}.${t}"`, "AAAAAAAAAAAAAAAA..Uw+K+8dFNrmpY7TxxMtziw==", "text/plain"},
		{"base64url is not padded", threeBlobs("ENCODING_BASE64URL") + `text: "${i}.${c}.${t}"`, "AAAAAAAAAAAAAAAA..Uw-K-8dFNrmpY7TxxMtziw", "text/plain"},
		{"JSON keeps its exact bytes", threeBlobs("ENCODING_HEX") + `json: ' {"iv" : "${i}",\n"x\\u0041":"\\u0024{c}", "d":["${c}","${t}"] } ' content_type: "application/x+json; charset=utf-8"`, " {\"iv\" : \"" + iv + "\",\n\"x\\u0041\":\"\\u0024{c}\", \"d\":[\"\",\"" + zeros + "\"] } ", "application/x+json; charset=utf-8"},
		{"the default is base64 of iv, ciphertext and tag", ``, "AAAAAAAAAAAAAAAAUw+K+8dFNrmpY7TxxMtziw==", "text/plain"},
		{"a dollar without a brace is a literal", `text: "$ ${data}$"`, "$ AAAAAAAAAAAAAAAAUw+K+8dFNrmpY7TxxMtziw==$", "text/plain"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, gcm+"envelope { "+test.envelope+" }")
			key := keysOf(sensitive.New([]byte(strings.Repeat("00", 32))))
			got, err := encryptWith(p, now, bytes.NewReader(make([]byte, 12)), key, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := payload.Output{Body: []byte(test.want), ContentType: test.contentType, Used: []payload.UsedKey{{Version: 1}}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Encrypt (-want +got):\n%s", diff)
			}
			if _, err := decryptWith(p, now, key, got.Body); err != nil {
				t.Errorf("Decrypt: %v", err)
			}
		})
	}
}

func TestEnvelopesAreReadAsTheyMayCome(t *testing.T) {
	t.Parallel()
	sealed := "AAAAAAAAAAAAAAAAUw+K+8dFNrmpY7TxxMtziw"
	three := `blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } encoding: ENCODING_HEX } } blobs { key: "n" value { parts { slot: SLOT_IV } parts { slot: SLOT_TAG } encoding: ENCODING_HEX } } `
	sealedHex := "000000000000000000000000" + "530f8afbc74536b9a963b4f1c4cb738b"
	tests := []struct {
		name, envelope, body string
		opens                bool
	}{
		{"padding may be there", ``, sealed + "==", true},
		{"padding may be missing", ``, sealed, true},
		{"half of the padding may not", ``, sealed + "=", false},
		{"white space may surround a string", ``, " \t" + sealed + "\r\n", true},
		{"line ends may be inside", ``, sealed[:8] + "\r\n" + sealed[8:], true},
		{"other white space inside is refused", ``, sealed[:8] + " " + sealed[8:], false},
		{"the alphabet may be that of URLs", ``, strings.ReplaceAll(sealed, "+", "-"), true},
		{"a mix of alphabets is refused", ``, strings.Replace(sealed, "+", "-", 1), false},
		{"unused bits must be zero", ``, sealed[:len(sealed)-1] + "x==", false},
		{"nothing is refused", ``, "", false},
		{"a literal must be present", `text: "v1:${data}"`, sealed, false},
		{"a literal at the end must be present", `text: "${data}:"`, sealed, false},
		{"a literal must be the same", `text: "v1:${data}"`, "v2:" + sealed, false},
		{"white space at the ends of a template does not count", `text: "\n<${data}>\n"`, "<" + sealed + ">", true},
		{"hexadecimal may be upper case", three + `text: "${n}|${c}"`, strings.ToUpper(sealedHex) + "|", true},
		{"a part must have its length", three + `text: "${n}|${c}"`, sealedHex + "00|", false},
		{"JSON may be reformatted", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, "\n{ \"v\":1,\t\"c\" : [ \"\" ], \"n\":\"" + sealedHex + "\" }\n", true},
		{"JSON strings may be escaped", `json: '{"d":"${data}"}'`, `{"\u0064":"` + strings.ReplaceAll(sealed, "w", `\u0077`) + `"}`, true},
		{"PHP escapes slashes", `json: '{"u":"a/b","d":"${data}"}'`, `{"u":"a\/b","d":"` + sealed + `"}`, true},
		{"an extra member is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":[""],"v":1,"w":1}`, false},
		{"a missing member is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":[""]}`, false},
		{"a duplicate member is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":[""],"v":1,"v":1}`, false},
		{"another literal is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":[""],"v":2}`, false},
		{"a list that is too long is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":["",""],"v":1}`, false},
		{"a list that is too short is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":"` + sealedHex + `","c":[],"v":1}`, false},
		{"another type is refused", three + `json: '{"n":"${n}","c":["${c}"],"v":1}'`, `{"n":["` + sealedHex + `"],"c":[""],"v":1}`, false},
		{"text after JSON is refused", `json: '{"d":"${data}"}'`, `{"d":"` + sealed + `"}x`, false},
		{"a byte order mark is refused", `json: '{"d":"${data}"}'`, "\ufeff" + `{"d":"` + sealed + `"}`, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := pipeline(t, gcm+"envelope { "+test.envelope+" }")
			key := keysOf(sensitive.New([]byte(strings.Repeat("00", 32))))
			_, err := decryptWith(p, now, key, []byte(test.body))
			if opens := err == nil; opens != test.opens || !opens && !fault.Is(err, payload.DecryptionFailed) {
				t.Errorf("Decrypt(%q): %v, want it to open: %v", test.body, err, test.opens)
			}
		})
	}
}

func TestSignatureIsOverTheBytesSent(t *testing.T) {
	t.Parallel()
	signed := `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + refB + ` headers { key: "X-B" value: "b" } headers { key: "X-A" value: "v1=${signature}; x" } encoding: ENCODING_BASE64URL }`
	for _, profile := range []string{gcm, "", gcm + fields("", "$.a")} {
		got := encrypt(t, pipeline(t, profile+signed), `{"a":1}`)
		h := hmac.New(sha256.New, unhex(t, keyB))
		h.Write(got.Body)
		signature := base64.RawURLEncoding.EncodeToString(h.Sum(nil))
		want := []payload.Header{{Name: "X-A", Value: "v1=" + signature + "; x"}, {Name: "X-B", Value: "b"}}
		if diff := cmp.Diff(want, got.Headers); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
	}
}

func TestResponseMirrorsRequestWithoutSigning(t *testing.T) {
	t.Parallel()
	c := config(t, gcmTwo+mac)
	request, response := c.Pipeline(payload.Request), c.Pipeline(payload.Response)
	if got := len(request.EncryptReferences()); got != 2 {
		t.Errorf("the request needs %d keys to encrypt, want 2", got)
	}
	if diff := cmp.Diff(request.EncryptReferences()[:1], response.EncryptReferences()); diff != "" {
		t.Errorf("the response's keys (-want +got):\n%s", diff)
	}
	sent := encrypt(t, response, "answer")
	if sent.Headers != nil {
		t.Errorf("the response is signed: %v", sent.Headers)
	}
	if got := decrypt(t, pipeline(t, gcmTwo), string(sent.Body)); got != "answer" {
		t.Errorf("Decrypt = %q", got)
	}

	c, err := payload.Parse(message(t, "request { "+gcm+" } response { "+mac+" }"), "acme", now)
	if err != nil {
		t.Fatal(err)
	}
	sent = encrypt(t, c.Pipeline(payload.Response), "answer")
	if string(sent.Body) != "answer" || len(sent.Headers) != 1 || sent.ContentType != "" {
		t.Errorf("a response that is only signed = %+v", sent)
	}
	p := c.Pipeline(payload.Response)
	in := payload.Input{Nonces: payload.Uncounted, Now: now, Keys: resolve(p.DecryptReferences()), Body: []byte("answer"), Headers: came(sent.Headers)}
	if got, err := p.Decrypt(in); err != nil || string(got.Body) != "answer" {
		t.Errorf("a body that is only signed decrypts to %q, %v", got.Body, err)
	}
	in.Body = []byte("another")
	if got, err := p.Decrypt(in); !fault.Is(err, payload.SignatureInvalid) || got.Body != nil {
		t.Errorf("a changed body decrypts to %q, %v", got.Body, err)
	}
}

func TestEachLiveKeyOpens(t *testing.T) {
	t.Parallel()
	old := encrypt(t, pipeline(t, strings.Replace(gcm, "secrets/a", "secrets/b", 1)), "from before").Body
	if got := decrypt(t, pipeline(t, gcmTwo), string(old)); got != "from before" {
		t.Errorf("Decrypt with the second key = %q", got)
	}
	p := pipeline(t, gcm)
	if _, err := decryptWith(p, now, resolve(p.DecryptReferences()), old); !fault.Is(err, payload.DecryptionFailed) {
		t.Errorf("Decrypt with another key: %v", err)
	}
}

func TestMissingKeysAndRandomnessAreErrors(t *testing.T) {
	t.Parallel()
	p := pipeline(t, gcm+mac)
	keys := resolve(p.EncryptReferences())
	if _, err := encryptWith(p, now, rand.Reader, keys[:1], nil); err == nil {
		t.Error("Encrypt with one key of two succeeded")
	}
	if _, err := decryptWith(p, now, keys, nil); err == nil {
		t.Error("Decrypt with two keys for one succeeded")
	}
	broken := errors.New("no entropy")
	for _, random := range []io.Reader{iotest.ErrReader(broken), bytes.NewReader(make([]byte, 11))} {
		for _, profile := range []string{gcm, gcm + fields("", "$.a")} {
			p := pipeline(t, profile)
			if got, err := encryptWith(p, now, random, keys[:1], []byte(`{"a":1}`)); err == nil {
				t.Errorf("Encrypt without randomness = %s", got.Body)
			}
		}
	}
}

func TestExpiredAcknowledgementStopsBoth(t *testing.T) {
	t.Parallel()
	p := pipeline(t, cbc)
	end := time.Unix(1798761600, 0)
	body := encrypt(t, p, "body").Body
	keys := resolve(p.DecryptReferences())
	_, encryptErr := encryptWith(p, end, rand.Reader, keys, nil)
	_, decryptErr := decryptWith(p, end, keys, body)
	for _, err := range []error{encryptErr, decryptErr} {
		f, ok := fault.From(err)
		if !ok || f.Reason != payload.LegacyNotAcknowledged || f.Kind != fault.FailedPrecondition || f.Metadata["flags"] != "UNAUTHENTICATED_CBC" {
			t.Errorf("at the end of the acknowledgement: %v, want LEGACY_NOT_ACKNOWLEDGED", err)
		}
	}
	if _, err := decryptWith(p, end.Add(-time.Nanosecond), keys, body); err != nil {
		t.Errorf("before the end of the acknowledgement: %v", err)
	}
}

func TestLargeBodies(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("a", 16<<20)
	quoted, err := json.Marshal(map[string]string{"a": body})
	if err != nil {
		t.Fatal(err)
	}
	for profile, body := range map[string]string{gcm: body, gcm + fields("", "$.a"): string(quoted)} {
		p := pipeline(t, profile)
		if got := decrypt(t, p, string(encrypt(t, p, body).Body)); got != body {
			t.Errorf("a body of %d bytes came back with %d", len(body), len(got))
		}
	}
}
