//go:build interop

package tryout_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
	"github.com/keyward/keyward/services/e2e/partnertest"
)

// A printing is a program with its expected output.
type printing struct {
	name, code string
	want       []byte
}

// TestInteropProgramsOfPresetsOpenTheirMessages needs node, python3 with the package
// cryptography, and openssl, gpg, and jq; with a JDK, Java too.
func TestInteropProgramsOfPresetsOpenTheirMessages(t *testing.T) {
	t.Parallel()
	programs := make(map[string][]printing)
	for _, preset := range presets(t) {
		for _, direction := range []payload.Direction{payload.Request, payload.Response} {
			name := fmt.Sprintf("%s %d", preset.GetId(), direction)
			sample := sampleOf(t, preset.GetEncryption(), direction)
			result, err := tryout.DryRun(sample)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !result.Opened {
				t.Errorf("%s: our own decryption does not restore the sample", name)
			}
			if len(result.Programs) == 0 {
				t.Errorf("%s has no program", name)
			}
			for _, p := range result.Programs {
				if sample.Config.Pipeline(direction).Signs() && !strings.Contains(p.Code, "the signature is not valid") {
					t.Errorf("%s is not verified by its program", name)
				}
				programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
			}
		}
	}
	for name, sample := range awkward(t) {
		result := throwaway(t, sample)
		want := 3
		if strings.Contains(name, "ES256K") {
			want = 2 // Java lacks the curve
		}
		if len(result.Programs) != want {
			t.Errorf("%s has %d programs, want %d", name, len(result.Programs), want)
		}
		for _, p := range result.Programs {
			programs[p.Language] = append(programs[p.Language], printing{name, p.Code, sample.Body})
		}
	}
	judge(t, programs["shell"], partnertest.RunShell(t, sourcesOf(programs["shell"])), 6)
	judge(t, programs["node"], partnertest.RunNode(t, sourcesOf(programs["node"])), 50)
	judge(t, programs["python"], partnertest.RunPython(t, sourcesOf(programs["python"])), 50)
	if _, err := exec.LookPath("javac"); err != nil {
		t.Log("no JDK found: skipping the programs in Java")
		return
	}
	judge(t, programs["java"], partnertest.RunJava(t, sourcesOf(programs["java"])), 50)
}

// awkward are samples that a program must handle correctly despite their unusual content.
func awkward(t *testing.T) map[string]tryout.Sample {
	t.Helper()
	data := ` blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } encoding: ENCODING_%s } }`
	base64, raw, lines := fmt.Sprintf(data, "BASE64"), fmt.Sprintf(data, "RAW"), fmt.Sprintf(data, "BASE64_MIME")
	bare := strings.Replace(base64, "parts { slot: SLOT_TAG } ", "", 1)
	ciphered := func(mode, rest string) string {
		return `cipher { algorithm: ALGORITHM_AES_256_` + mode + ` shared_key { keys { name: "workspaces/acme/secrets/a" } } ` + rest + ` } `
	}
	session := `cipher { algorithm: ALGORITHM_AES_256_GCM session_key { rsa_oaep {} keys { name: "workspaces/acme/secrets/rsa" decoding: DECODING_PEM } } } `
	long := strings.Repeat("0123456789 é\n", 20)
	jwe := `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "workspaces/acme/secrets/jwe" decoding: DECODING_BASE64 } } `
	signed := func(place, algorithm string) string {
		return place + ` { jws { algorithm: ALGORITHM_` + algorithm + ` } keys { name: "workspaces/acme/secrets/` + place + `" } } `
	}
	return map[string]tryout.Sample{
		"a template of quotes":    sampleFor(t, shared+`envelope { `+base64+` text: "'\"\\ /*x*/ // $`+"`"+`\n<${data}>\u00e9" }`, "a text"),
		"members of quotes":       sampleFor(t, shared+`envelope { `+base64+` json: "{\"a\\\"'\\\\b\":[{\"\\u00e9\":\"<${data}>\"},null,\"${*}\"]}" }`, "a text"),
		"bytes":                   sampleFor(t, shared+`envelope { `+raw+` text: "${data}" }`, "a text"),
		"nothing":                 sampleFor(t, shared, ""),
		"paths of quotes":         sampleFor(t, shared+`selection { fields { paths: "$['it\\'s \"a\" \\\\']" } }`, `{"it's \"a\" \\": [1.10, 12345678901234567890]}`),
		"an object in a document": sampleFor(t, shared+`selection { object { path: "$.a[1]" } } envelope { `+base64+` json: "{\"x\":\"${data}\"}" }`, `{"a": [1, {"n": 1.10}, 2] , "b":"]}"}`),
		"lines":                   sampleFor(t, shared+`envelope { `+lines+` text: "<${data}>" }`, long),
		"lines in a document":     sampleFor(t, shared+`envelope { `+lines+` json: "{\"x\":\"${data}\"}" }`, long),
		"lines in lines":          sampleFor(t, shared+`envelope { `+lines+` text: "${data}" encoding: ENCODING_BASE64_MIME }`, long),
		"bytes in base64":         sampleFor(t, shared+`selection { fields { paths: "$.a" paths: "$.b[*]" value_form: VALUE_FORM_BASE64 } }`, `{"a":"/+7+","b":["","AA=="]}`),
		"bytes in hexadecimal":    sampleFor(t, shared+`selection { fields { paths: "$.a" value_form: VALUE_FORM_HEX } }`, `{"a":"00ff80"}`),
		"lines in fields":         sampleFor(t, shared+`selection { fields { paths: "$.a" } } envelope { `+lines+` text: "${data}" }`, `{"a":"`+strings.Repeat("x", 100)+`"}`),
		"a counter": sampleFor(t, `cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "workspaces/acme/secrets/a" } derivation { counter_kdf { hash: HASH_SHA512 counter_after_secret: true info { text: "é" } } } }
			mac { algorithm: ALGORITHM_HMAC_SHA256 derived_key_bytes: 64 input: "${data}" } } plaintext_encoding: ENCODING_HEX envelope { `+
			strings.Replace(base64, "parts { slot: SLOT_TAG } ", "", 1)+` blobs { key: "mac" value { parts { slot: SLOT_MAC } } } text: "${data}.${mac}" }`, "a text"),
		"an ephemeral key in front": sampleFor(t, `cipher { algorithm: ALGORITHM_AES_128_GCM ecdh { curve: CURVE_X25519 keys { name: "workspaces/acme/secrets/a" } derivation { hkdf {} } ephemeral_key_as_spki: true derive_from_ephemeral_key: true } }
			envelope { blobs { key: "data" value { parts { slot: SLOT_EPHEMERAL_KEY } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } }`, "a text"),
		"a signature around a JWE":      sampleFor(t, jwe+signed("outer_jws", "ES512"), "a text"),
		"a signature in and around":     sampleFor(t, jwe+signed("outer_jws", "EDDSA")+signed("nested_jws", "ES512"), "a text"),
		"a shared signature around":     sampleFor(t, jwe+signed("outer_jws", "HS256")+`envelope { json: "{\"request\":\"${jwe}\"}" }`, "a text"),
		"a signature in JSON":           sampleFor(t, jwe+strings.Replace(signed("nested_jws", "ES512"), "{", "{ serialization: SERIALIZATION_JSON ", 1), "a text"),
		"a signature as the whole body": sampleFor(t, signed("nested_jws", "ES512"), "a text"),
		"a signature in JSON as a body": sampleFor(t, strings.Replace(signed("nested_jws", "RS256"), "{", "{ serialization: SERIALIZATION_JSON ", 1), long),
		"a compressed JWE":              sampleFor(t, strings.Replace(jwe, "jose {", "jose { compress: true", 1), strings.Repeat(long, 100)),
		"a detached signature of ES512": sampleFor(t, strings.Replace(signed("signing", "ES512"), "} }", `} headers { key: "X-Sig" value: "${signature}" } }`, 1), "a text"),
		"a signature of ES256K":         sampleFor(t, signed("nested_jws", "ES256K"), "a text"),
		"CFB":                           sampleFor(t, ciphered("CFB", "")+`envelope { `+bare+` text: "${data}" }`, long),
		"OFB":                           sampleFor(t, ciphered("OFB", "")+`envelope { `+bare+` text: "${data}" }`, "a text"),
		"a frame":                       sampleFor(t, ciphered("CBC", `padding: PADDING_PKCS7_32 framing { random_bytes: 16 length: true suffix: "corp" }`)+`envelope { `+bare+` text: "${data}" }`, long),
		"random bytes in front":         sampleFor(t, ciphered("CFB", `framing { random_bytes: 16 }`)+`envelope { `+bare+` text: "${data}" }`, "a text"),
		"a wrapped IV": sampleFor(t, session+`envelope { blobs { key: "data" value { parts { slot: SLOT_WRAPPED_KEY } parts { slot: SLOT_WRAPPED_IV } parts { slot: SLOT_CIPHERTEXT } } } `+
			`blobs { key: "tag" value { parts { slot: SLOT_TAG } } } text: "${data}.${tag}" }`, "a text"),
		"the hash of a session key": sampleFor(t, session+`envelope { blobs { key: "key" value { parts { slot: SLOT_WRAPPED_KEY } } } `+
			`blobs { key: "hash" value { parts { slot: SLOT_SESSION_KEY_SHA256 } } } `+base64+` json: "{\"k\":\"${key}\",\"h\":\"${hash}\",\"d\":\"${data}\"}" }`, "a text"),
		"an IV in the salt": sampleFor(t, `cipher { algorithm: ALGORITHM_AES_256_GCM iv { source: SOURCE_SALT_SUFFIX } shared_key { keys { name: "workspaces/acme/secrets/a" } `+
			`derivation { pbkdf2 { iterations: 600000 } salt { sent_bytes: 28 } } } } envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } }`, "a text"),
		"JSON in an expression": sampleFor(t, signingBy(`mac { algorithm: ALGORITHM_HMAC_SHA256 }`, `join(select(without_empty(members(body, '$')), ['t', 'a', 'e']), '=', '&') + join(sorted(values(members(body, '$.m'))), '|') + `+
			`join(keys(members(body, '$.m')), ',') + minify(json(body, '$.m')) + json(body, '$.list[1]')`, inHeaders), `{"t": "x~*! '()\u00e9","a":1.10,"e":"","m": { "😀":"2", "\uffff":"1" ,"k":"\"" }, "list":[0,true]}`),
		"encodings in an expression": sampleFor(t, signingBy(`mac { algorithm: ALGORITHM_HMAC_SHA512 }`, `percent(json(body, '$.t')) + form_encode(json(body, '$.t')) + upper(lower('Ab')) + crc32(body) + size(body) + `+
			`hex(unbase64(json(body, '$.u'))) + base64(unhex(json(body, '$.h'))) + base64url(sha512(body)) + hex_upper(sha384(body)) + between(body, 't', ',') + md5(body) + sha3_256(body)`, inHeaders), `{"t":"x~*! '()/é😀","u":"_-8","h":"00FF"}`),
		"a form in an expression": sampleFor(t, signingBy(`mac { algorithm: ALGORITHM_HMAC_SHA1 }`, `join(percent(omit(form(body), ['z'])), '=', '&') + join(form_encode(form(query)), ':', ';') + get(form(body), 'a b')`,
			`form_fields { key: "sig n" value: "${signature}" }`), "z=1&a+b=%F0%9F%98%80+~*&c=&d"),
		"a computed signature": sampleFor(t, signingBy(`computed {}`, `hmac_sha256(derive_hmac_sha1(secret, 'v' + timestamp), body + context('token') + header('x-a') + time('2006-01-02', '+07:00') + once)`,
			`values { key: "once" value: "nonce(8)" } query_parameters { key: "o" value: "${once}" } query_parameters { key: "s" value: "${signature}" } query_parameters { key: "t" value: "t=${timestamp}" }`), "a text"),
		"members of the body": sampleFor(t, shared+`envelope { `+base64+` json: "{\"data\":\"${data}\"}" }`+signingBy(`mac { algorithm: ALGORITHM_HMAC_SHA256 }`, `json(body, '$.data') + digest + hex(sha256(plaintext))`,
			`values { key: "digest" value: "base64(sha256(json(body, '$.data')))" } body_members { key: "digest" value: "sha=${digest}" } body_members { key: "sign" value: "${signature}" } body_members { key: "at" value: "${timestamp}" }`), "a text"),
		"a signature of the plaintext": sampleFor(t, shared+signingBy(`mac { algorithm: ALGORITHM_HMAC_SHA256 }`, `method + body`, `before_encryption: true `+inHeaders), "a text é"),
		"Fernet":                       sampleFor(t, `fernet { keys { name: "workspaces/acme/secrets/a" decoding: DECODING_BASE64URL } } `, long),
		"a large body":                 sampleFor(t, shared, strings.Repeat("0123456789 é\n", 4000)),
	}
}

// inHeaders puts a signature into a header.
const inHeaders = `headers { key: "X-Sig" value: "${signature}" }`

// signingBy is a signature of an expression.
func signingBy(scheme, expression, rest string) string {
	return fmt.Sprintf(` signing { %s keys { name: "workspaces/acme/secrets/sign" } input_expression: %q %s } `, scheme, expression, rest)
}

// judge checks the output of the programs.
func judge(t *testing.T, programs []printing, printed [][]byte, least int) {
	t.Helper()
	if len(printed) != len(programs)+1 || len(programs) < least {
		t.Fatalf("%d programs printed %d plaintexts, and this:\n%s", len(programs), len(printed)-1, printed[len(printed)-1])
	}
	for i, p := range programs {
		if !partnertest.SameDocument(p.want, printed[i]) {
			t.Errorf("%s prints %q, want %q\n%s", p.name, printed[i], p.want, p.code)
		}
	}
}

func sourcesOf(programs []printing) []string {
	all := make([]string, len(programs))
	for i, p := range programs {
		all[i] = p.code
	}
	return all
}
