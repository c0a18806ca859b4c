package payload_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Short names for the tables below.
const (
	request = "encryption.request"
	direct  = payload.DirectKeyNotSupported
	invalid = fault.InvalidField
	legacy  = payload.LegacyNotAcknowledged
	bareCBC = `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { ` + ref + ` } } `
	three   = `blobs { key: "c" value { parts { slot: SLOT_CIPHERTEXT } } } blobs { key: "i" value { parts { slot: SLOT_IV } encoding: ENCODING_HEX } } blobs { key: "t" value { parts { slot: SLOT_TAG } encoding: ENCODING_BASE64URL } } `
)

// twoOpen contains blobs, two of which have no fixed length.
const twoOpen = three + `blobs { key: "a" value { parts { slot: SLOT_AAD } } }`

// A mistake is a profile that is refused, with the reason and the named fields.
type mistake struct {
	name, profile string
	reason        fault.Reason
	fields        []string
}

// blobs returns a profile with an envelope.
func blobs(text string) string { return gcm + `envelope { ` + text + ` }` }

// header returns a profile that is signed in one header.
func header(name, value string) string {
	return gcm + strings.NewReplacer(`"X-Signature"`, prototextString(name), `"sha256=${signature}"`, prototextString(value)).Replace(mac)
}

// found returns the reason of an error and the fields that it names.
func found(t *testing.T, err error) (fault.Reason, []string) {
	t.Helper()
	f, ok := fault.From(err)
	if !ok {
		t.Fatalf("error %v is not a fault", err)
	}
	var fields []string
	for _, v := range f.Violations {
		if v.Description == "" {
			t.Errorf("%s has no description", v.Field)
		}
		fields = append(fields, v.Field)
	}
	return f.Reason, fields
}

func checkMistakes(t *testing.T, tests []mistake) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := payload.Parse(message(t, "request { "+test.profile+" }"), "acme", now)
			reason, fields := found(t, err)
			if reason != test.reason {
				t.Errorf("Parse: %v, want %s", err, test.reason)
			}
			if diff := cmp.Diff(test.fields, fields); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseNamesWhatIsWrongWithCiphersAndReferences(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"an empty profile", ``, invalid, []string{request}},
		{"a selection of a plain profile", mac + `selection { whole_body {} }`, invalid, []string{request + ".selection"}},
		{"a selection of nothing", gcm + `selection {}`, invalid, []string{request + ".selection"}},
		{"no algorithm", `cipher { shared_key { ` + ref + ` } }`, invalid, []string{request + ".cipher.algorithm"}},
		{"an unknown algorithm", `cipher { algorithm: 99 shared_key { ` + ref + ` } }`, invalid, []string{request + ".cipher.algorithm", request + ".cipher.algorithm"}},
		{"an unknown decoding", strings.Replace(gcm, "DECODING_HEX", "99", 1), invalid, []string{request + ".cipher.shared_key.keys[0].decoding"}},
		{"no key", `cipher { algorithm: ALGORITHM_AES_128_GCM }`, invalid, []string{request + ".cipher.shared_key"}},
		{"an empty key list", `cipher { algorithm: ALGORITHM_AES_128_GCM shared_key {} }`, invalid, []string{request + ".cipher.shared_key.keys"}},
		{"five keys", strings.Replace(gcm, ref, strings.Repeat(ref, 5), 1), invalid, []string{request + ".cipher.shared_key.keys"}},
		{"two keys for CBC", strings.Replace(cbc, ref, ref+ref, 1), invalid, []string{request + ".cipher.shared_key.keys"}},
		{"a short IV for CBC", strings.Replace(cbc, "shared_key", "iv { bytes: 12 } shared_key", 1), invalid, []string{request + ".cipher.iv.bytes"}},
		{"a strange IV for GCM", strings.Replace(gcm, "shared_key", "iv { bytes: 13 } shared_key", 1), invalid, []string{request + ".cipher.iv.bytes"}},
		{"no name in a reference", strings.Replace(gcm, "workspaces/acme/secrets/a", "", 1), invalid, []string{request + ".cipher.shared_key.keys[0].name"}},
		{"a secret of another workspace", strings.Replace(gcm, "acme", "other", 1), invalid, []string{request + ".cipher.shared_key.keys[0].name"}},
		{"a key for a reference", strings.Replace(gcm, "workspaces/acme/secrets/a", keyA, 1), direct, []string{request + ".cipher.shared_key.keys[0].name"}},
	})
}

func TestParseNamesWhatIsWrongWithAcknowledgements(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"CBC without acknowledgement", bareCBC, legacy, []string{request + ".allow_legacy"}},
		{"CBC without acknowledgement, and more", bareCBC + `selection {} `, invalid, []string{request + ".allow_legacy", request + ".selection"}},
		{"an acknowledgement of a choice that is not made", gcm + ack, invalid, []string{request + ".allow_legacy[0].flag"}},
		{"an acknowledgement twice", cbc + ack, invalid, []string{request + ".allow_legacy[1].flag"}},
		{"too many acknowledgements", cbc + strings.Repeat(ack, 16), invalid, []string{request + ".allow_legacy"}},
		{"an acknowledgement of nothing", gcm + strings.Replace(ack, "FLAG_UNAUTHENTICATED_CBC", "FLAG_UNSPECIFIED", 1), invalid, []string{request + ".allow_legacy[0].flag"}},
		{"no reason", bareCBC + strings.Replace(ack, "the partner", "", 1), invalid, []string{request + ".allow_legacy[0].reason"}},
		{"no time", bareCBC + strings.Replace(ack, "expire_time { seconds: 1798761600 }", "", 1), invalid, []string{request + ".allow_legacy[0].expire_time"}},
		{"a time that is now", bareCBC + strings.Replace(ack, "1798761600", "1795348800", 1), invalid, []string{request + ".allow_legacy[0].expire_time"}},
		{"a time that is too far away", bareCBC + strings.Replace(ack, "1798761600", "1858507201", 1), invalid, []string{request + ".allow_legacy[0].expire_time"}},
	})
}

func TestParseNamesWhatIsWrongWithSelections(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"no paths", gcm + fields(""), invalid, []string{request + ".selection.fields.paths"}},
		{"65 paths", gcm + fields("", make([]string, 65)...), invalid, []string{request + ".selection.fields.paths"}},
		{"paths that do not parse", gcm + fields("", "$.a", "$", "a", "$..a"), invalid, []string{request + ".selection.fields.paths[1]", request + ".selection.fields.paths[2]", request + ".selection.fields.paths[3]"}},
		{"the same path twice", gcm + fields("", "$.a", "$['a']"), invalid, []string{request + ".selection.fields.paths[1]"}},
		{"a path inside another", gcm + fields("", "$.b", "$.a.b", "$.a"), invalid, []string{request + ".selection.fields.paths[2]"}},
		{"a path that a wildcard covers", gcm + fields("", "$.a[0].c", "$.a[*]"), invalid, []string{request + ".selection.fields.paths[1]"}},
		{"an unknown value form", gcm + fields("value_form: 9", "$.a"), invalid, []string{request + ".selection.fields.value_form"}},
	})
}

func TestParseNamesWhatIsWrongWithEnvelopes(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"JSON for fields", gcm + fields("", "$.a") + `envelope { json: '"${data}"' }`, invalid, []string{request + ".envelope.json"}},
		{"no tag", blobs(`blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } } }`), invalid, []string{request + ".envelope.blobs"}},
		{"a tag for CBC", cbc + `envelope { ` + three + ` text: "${i}.${c}.${t}" }`, invalid, []string{request + ".envelope.blobs"}},
		{"the IV twice", blobs(three + `blobs { key: "j" value { parts { slot: SLOT_IV } } } text: "${i}.${j}.${c}.${t}"`), invalid, []string{request + ".envelope.blobs"}},
		{"a part of nothing", blobs(`blobs { key: "data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } parts {} } }`), invalid, []string{request + `.envelope.blobs["data"].parts[3].slot`}},
		{"a blob of nothing", blobs(three + `blobs { key: "n" value {} } text: "${i}.${c}.${t}.${n}"`), invalid, []string{request + `.envelope.blobs["n"].parts`}},
		{"a bad name of a blob", blobs(`blobs { key: "Data" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "x"`), invalid, []string{request + ".envelope.blobs", request + ".envelope"}},
		{"blobs without a template", blobs(three), invalid, []string{request + ".envelope.text"}},
		{"a blob that is not written", blobs(three + `text: "${i}.${t}"`), invalid, []string{request + ".envelope"}},
		{"a blob that is written twice", blobs(three + `text: "${i}.${t}.${c}.${i}"`), invalid, []string{request + ".envelope.text"}},
		{"an unknown blob", blobs(three + `text: "${i}.${t}.${c}.${x}"`), invalid, []string{request + ".envelope.text"}},
		{"a placeholder without an end", blobs(`text: "${data}${"`), invalid, []string{request + ".envelope.text"}},
		{"a template that is too long", blobs(`text: "` + strings.Repeat("x", 4090) + `${data}"`), invalid, []string{request + ".envelope.text"}},
		{"blobs that touch", strings.Replace(gcm, "shared_key", `aad { sent: "x" } shared_key`, 1) + `envelope { ` + twoOpen + ` text: "${c}${a}:${i}:${t}" }`, invalid, []string{request + ".envelope.text"}},
		{"an ambiguous literal after hexadecimal", blobs(strings.Replace(three, "parts { slot: SLOT_CIPHERTEXT }", "parts { slot: SLOT_CIPHERTEXT } encoding: ENCODING_HEX", 1) + `text: "${i}:${c}F${t}"`), invalid, []string{request + ".envelope.text"}},
		{"an ambiguous literal after base64", blobs(three + `text: "${c}+${t}:${i}"`), invalid, []string{request + ".envelope.text"}},
		{"padding as a literal", blobs(three + `text: "${c}=:${t}:${i}"`), invalid, []string{request + ".envelope.text"}},
		{"an ambiguous literal after base64url", blobs(strings.Replace(three, "parts { slot: SLOT_CIPHERTEXT }", "parts { slot: SLOT_CIPHERTEXT } encoding: ENCODING_BASE64URL", 1) + `text: "${c}-${t}:${i}"`), invalid, []string{request + ".envelope.text"}},
		{"an ambiguous literal in JSON", blobs(`json: '{"a":"${data}\\u0041"}'`), invalid, []string{request + ".envelope.json"}},
		{"blobs that touch in JSON", strings.Replace(gcm, "shared_key", `aad { sent: "x" } shared_key`, 1) + `envelope { ` + twoOpen + ` json: '["${c}${a}","${i}","${t}"]' }`, invalid, []string{request + ".envelope.json"}},
		{"no JSON", blobs(`json: '{"a":"${data}",}'`), invalid, []string{request + ".envelope.json"}},
		{"a blob outside of a string", blobs(`json: '{"a":${data}}'`), invalid, []string{request + ".envelope.json"}},
		{"a blob in a name", blobs(`json: '{"${data}":"a"}'`), invalid, []string{request + ".envelope.json"}},
		{"a name twice in JSON", blobs(`json: '{"a":"${data}","\\u0061":1}'`), invalid, []string{request + ".envelope.json"}},
		{"half of a character in JSON", blobs(`json: '["${data}","\\ud800"]'`), invalid, []string{request + ".envelope.json"}},
		{"an invalid content type", blobs(`content_type: "text/plain\r\nX: y"`), invalid, []string{request + ".envelope.content_type"}},
	})
}

func TestParseNamesWhatIsWrongWithSigning(t *testing.T) {
	t.Parallel()
	checkMistakes(t, []mistake{
		{"a key for a reference, and more", strings.Replace(cbc, "workspaces/acme/secrets/a", "set", 1) + `selection {} ` + strings.Replace(mac, "/secrets/b", "/secrets/b/versions/1", 1), direct, []string{request + ".cipher.shared_key.keys[0].name", request + ".signing.keys[0].name", request + ".selection"}},
		{"no signing scheme", gcm + `signing { ` + refB + ` headers { key: "X" value: "${signature}" } }`, invalid, []string{request + ".signing"}},
		{"no signing key", gcm + strings.Replace(mac, refB, "", 1), invalid, []string{request + ".signing.keys"}},
		{"five signing keys", gcm + strings.Replace(mac, refB, strings.Repeat(refB, 5), 1), invalid, []string{request + ".signing.keys"}},
		{"no header", gcm + `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } ` + refB + ` }`, invalid, []string{request + ".signing.headers"}},
		{"a header twice", strings.Replace(header("X-Stamp", "${signature}"), "headers", `headers { key: "x-stamp" value: "x" } headers`, 1), invalid, []string{request + `.signing.headers["x-stamp"]`}},
		{"a header that frames the message", header("Content-Length", "${signature}"), invalid, []string{request + ".signing.headers"}},
		{"a header name that is not a token", header("X Signature", "${signature}"), invalid, []string{request + ".signing.headers"}},
		{"a header without signature", header("X-Stamp", "sha256="), invalid, []string{request + ".signing.headers"}},
		{"a header with two signatures", header("X-Signature", "${signature}${signature}"), invalid, []string{request + `.signing.headers["X-Signature"]`}},
		{"a header with another placeholder", header("X-Signature", "${body}${signature}"), invalid, []string{request + `.signing.headers["X-Signature"]`}},
		{"a header that begins with a space", header("X-Signature", " ${signature}"), invalid, []string{request + `.signing.headers["X-Signature"]`}},
	})
}
