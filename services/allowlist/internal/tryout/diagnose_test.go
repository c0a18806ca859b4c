package tryout_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// The pieces of the configurations of complaints.
const (
	shared256 = `shared_key { keys { name: "secret:hex" decoding: DECODING_HEX } }`
	openssl   = `iv { source: SOURCE_DERIVED } } envelope { blobs { key: "data" value { parts { literal: "Salted__" } parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } } } text: "${data}" }`
)

func salted(derivation string) string {
	return `cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:passphrase" } derivation { ` + derivation + ` salt { sent_bytes: 8 } } } ` + openssl
}

func hybrid(wrap string) string {
	return `cipher { algorithm: ALGORITHM_AES_128_CBC session_key { ` + wrap + ` keys { name: "secret:rsa" decoding: DECODING_PEM } } }
		envelope { blobs { key: "c" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } } } blobs { key: "k" value { parts { slot: SLOT_WRAPPED_KEY } } }
		json: "{\"encryptedData\":\"${c}\",\"encryptedKey\":\"${k}\"}" }`
}

func blob(parts, encoding string) string {
	text := ""
	for _, part := range strings.Fields(parts) {
		text += " parts { slot: SLOT_" + part + " }"
	}
	return `envelope { blobs { key: "data" value { ` + text + ` encoding: ENCODING_` + encoding + ` } } text: "${data}" }`
}

const (
	gcm = `cipher { algorithm: ALGORITHM_AES_256_GCM ` + shared256 + ` }`
	cbc = `cipher { algorithm: ALGORITHM_AES_256_CBC ` + shared256 + ` }`
)

// complaints are common mistakes of partners' engineers: the configuration, the partner's
// behavior, and the expected diagnosis.
func complaints() map[string]struct{ ours, theirs, want string } {
	all := cipherComplaints()
	maps.Copy(all, envelopeComplaints())
	return all
}

// cipherComplaints are complaints about ciphers, keys, and signatures.
func cipherComplaints() map[string]struct{ ours, theirs, want string } {
	field := `selection { fields { paths: "$.pan" value_form: VALUE_FORM_%s } }`
	const dirJWE = `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:hex" decoding: DECODING_HEX } } `
	return map[string]struct{ ours, theirs, want string }{
		"nothing is wrong": {gcm, gcm, ""},
		"a JWE that is compressed": {
			dirJWE, strings.Replace(dirJWE, "{", "{ compress: true", 1), "request.jose.compress: false -> true",
		},
		"PSS around a JWE": {
			dirJWE + `outer_jws { jws { algorithm: ALGORITHM_RS256 } keys { name: "secret:rsa" } }`,
			dirJWE + `outer_jws { jws { algorithm: ALGORITHM_PS256 } keys { name: "secret:rsa" } }`,
			"request.outer_jws.jws.algorithm: RS256 -> PS256",
		},
		"a signature in JSON": {
			`nested_jws { jws { algorithm: ALGORITHM_RS256 } keys { name: "secret:rsa" } }`,
			`nested_jws { jws { algorithm: ALGORITHM_RS256 } keys { name: "secret:rsa" } serialization: SERIALIZATION_JSON_HEADER }`,
			"request.nested_jws.serialization: COMPACT -> JSON_HEADER",
		},
		"MGF1 with SHA-1, as Java has it by default": {
			hybrid("rsa_oaep { hash: HASH_SHA256 }"), hybrid("rsa_oaep { hash: HASH_SHA256 mgf1_hash: HASH_SHA1 }"),
			"request.cipher.session_key.rsa_oaep.mgf1_hash: SHA256 -> SHA1",
		},
		"OAEP with SHA-1": {
			hybrid("rsa_oaep {}"), hybrid("rsa_oaep { hash: HASH_SHA1 }"),
			"request.cipher.session_key.rsa_oaep.hash: SHA256 -> SHA1; request.cipher.session_key.rsa_oaep.mgf1_hash: SHA256 -> SHA1",
		},
		"PKCS #1 v1.5 for OAEP": {hybrid("rsa_oaep {}"), hybrid("rsa_pkcs1_v15 {}"), "request.cipher.session_key: OAEP -> PKCS1_V15"},
		"OAEP for PKCS #1 v1.5": {hybrid("rsa_pkcs1_v15 {}"), hybrid("rsa_oaep {}"), "request.cipher.session_key: PKCS1_V15 -> OAEP SHA256, MGF1 SHA256"},
		"a session key in base64": {
			hybrid("rsa_oaep {}"), hybrid("form: FORM_BASE64 rsa_oaep {}"), "request.cipher.session_key.form: RAW -> BASE64",
		},
		"an IV of 16 bytes":   {gcm, `cipher { algorithm: ALGORITHM_AES_256_GCM ` + shared256 + ` iv { bytes: 16 } }`, "request.cipher.iv.bytes: 12 -> 16"},
		"a tag of 12 bytes":   {gcm, `cipher { algorithm: ALGORITHM_AES_256_GCM ` + shared256 + ` tag_bytes: 12 }`, "request.cipher.tag_bytes: 16 -> 12"},
		"associated data":     {`cipher { algorithm: ALGORITHM_AES_256_GCM ` + shared256 + ` aad { text: "v1" } }`, gcm, "request.cipher.aad: given -> none"},
		"zeros for padding":   {cbc, `cipher { algorithm: ALGORITHM_AES_256_CBC ` + shared256 + ` padding: PADDING_ZERO }`, "request.cipher.padding: PKCS7 -> ZERO"},
		"CBC for GCM":         {gcm, cbc, "request.cipher.algorithm: AES_256_GCM -> AES_256_CBC"},
		"an IV of zeros":      {cbc, `cipher { algorithm: ALGORITHM_AES_256_CBC ` + shared256 + ` iv { source: SOURCE_ZERO } }`, "request.cipher.iv.source: RANDOM -> ZERO, not sent"},
		"values without JSON": {gcm + fmt.Sprintf(field, "JSON"), gcm + fmt.Sprintf(field, "STRING"), "request.selection.fields.value_form: JSON -> STRING"},
		"a key that looks like hexadecimal and is text": {
			`cipher { algorithm: ALGORITHM_AES_128_GCM shared_key { keys { name: "secret:text" decoding: DECODING_HEX } } }`,
			`cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:text" } } }`,
			"request.cipher.shared_key.keys.decoding: HEX -> RAW; request.cipher.algorithm: AES_128_GCM -> AES_256_GCM",
		},
		"a digest of the key": {
			`cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:text" } } }`,
			`cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:text" } derivation { digest { hash: HASH_SHA256 } } } }`,
			"request.cipher.shared_key.derivation: none -> SHA256",
		},
		"MD5 in OpenSSL's derivation": {
			salted("evp_bytes_to_key { hash: HASH_SHA256 }"), salted("evp_bytes_to_key { hash: HASH_MD5 }"),
			"request.cipher.shared_key.derivation: EVP_BYTES_TO_KEY SHA256, 1 -> EVP_BYTES_TO_KEY MD5, 1",
		},
		"PBKDF2 in OpenSSL's derivation": {
			salted("evp_bytes_to_key { hash: HASH_MD5 }"), salted("pbkdf2 { hash: HASH_SHA256 iterations: 10000 }"),
			"request.cipher.shared_key.derivation: EVP_BYTES_TO_KEY MD5, 1 -> PBKDF2 SHA256, 10000",
		},
		"another hash in CMS": {
			`cms { content_encryption: CONTENT_ENCRYPTION_AES_256_GCM rsa_oaep {} keys { name: "secret:pair" } }`,
			`cms { content_encryption: CONTENT_ENCRYPTION_AES_256_GCM rsa_oaep { hash: HASH_SHA1 } keys { name: "secret:pair" } }`,
			"request.cms.rsa_oaep.hash: SHA256 -> SHA1; request.cms.rsa_oaep.mgf1_hash: SHA256 -> SHA1",
		},
		"another cipher in CMS": {
			`cms { content_encryption: CONTENT_ENCRYPTION_AES_256_CBC rsa_pkcs1_v15 {} keys { name: "secret:pair" } }`,
			`cms { content_encryption: CONTENT_ENCRYPTION_TRIPLE_DES_CBC rsa_pkcs1_v15 {} keys { name: "secret:pair" } }`,
			"request.cms.content_encryption: AES_256_CBC -> TRIPLE_DES_CBC",
		},
		"another content encryption": {
			`jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM ` + `keys { name: "secret:hex" decoding: DECODING_HEX } }`,
			`jose { key_management: KEY_MANAGEMENT_A256KW content_encryption: CONTENT_ENCRYPTION_A256GCM ` + `keys { name: "secret:hex" decoding: DECODING_HEX } }`,
			"request.jose.key_management: DIR -> A256KW",
		},
	}
}

// envelopeComplaints are complaints about the form of a message.
func envelopeComplaints() map[string]struct{ ours, theirs, want string } {
	return map[string]struct{ ours, theirs, want string }{
		"hexadecimal for base64":    {gcm + blob("IV CIPHERTEXT TAG", "BASE64"), gcm + blob("IV CIPHERTEXT TAG", "HEX"), "request.envelope.blobs.encoding: BASE64 -> HEX"},
		"base64url for hexadecimal": {gcm + blob("IV CIPHERTEXT TAG", "HEX"), gcm + blob("IV CIPHERTEXT TAG", "BASE64URL"), "request.envelope.blobs.encoding: HEX -> BASE64"},
		"the IV at the end":         {cbc, cbc + blob("CIPHERTEXT IV", "BASE64"), "request.envelope.blobs[data].parts: IV CIPHERTEXT -> CIPHERTEXT IV"},
		"the tag in front":          {gcm, gcm + blob("IV TAG CIPHERTEXT", "BASE64"), "request.envelope.blobs[data].parts: IV CIPHERTEXT TAG -> IV TAG CIPHERTEXT"},
		"IV and data apart": {
			gcm, gcm + `envelope { blobs { key: "i" value { parts { slot: SLOT_IV } } } blobs { key: "d" value { parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } text: "${i}:${d}" }`,
			"request.envelope: [IV CIPHERTEXT TAG] -> [IV]:[CIPHERTEXT TAG]",
		},
		"two things at once": {
			gcm, gcm + blob("TAG IV CIPHERTEXT", "HEX"),
			"request.envelope.blobs.encoding: BASE64 -> HEX; request.envelope.blobs[data].parts: IV CIPHERTEXT TAG -> TAG IV CIPHERTEXT",
		},
	}
}

// complaintValues are the values of the secrets that complaints refer to.
func complaintValues(t testing.TB) map[string]string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	allowlisttest.Must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	allowlisttest.Must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	allowlisttest.Must(t, err)
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	return map[string]string{
		"pair": private + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})),
		"hex":  "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f", "text": "00112233445566778899aabbccddeeff",
		"passphrase": "correct horse battery staple", "rsa": private,
	}
}

// storeAll stores values as secrets whose ids end in a suffix.
func storeAll(t testing.TB, k *allowlisttest.Kit, values map[string]string, suffix string) {
	t.Helper()
	for id, value := range values {
		allowlisttest.KeySecret(t, k, id+suffix, value)
	}
}

// suffixed names the secrets of a configuration with a suffix: a key serves one purpose, and
// the partner's another.
func suffixed(configuration, suffix string) string {
	return regexp.MustCompile(`"secret:(\w+)"`).ReplaceAllString(configuration, `"secret:${1}`+suffix+`"`)
}

// partnerSends returns the message of a partner that has the same secrets and another
// understanding of the configuration.
func partnerSends(t testing.TB, values map[string]string, text string, body []byte) (sent []byte, headers map[string]string) {
	t.Helper()
	config, err := payload.Parse(allowlisttest.EncryptionOf(t, text), strings.TrimPrefix(allowlisttest.Workspace, "workspaces/"), time.Now())
	allowlisttest.Must(t, err)
	pipeline := config.Pipeline(payload.Request)
	var keys payload.Keys
	for _, ref := range pipeline.EncryptReferences() {
		value := values[strings.TrimPrefix(ref.Secret, allowlisttest.Workspace+"/secrets/")]
		keys = append(keys, []payload.Key{{Value: sensitive.New([]byte(value)), Version: 1}})
	}
	out, err := pipeline.Encrypt(payload.Input{Nonces: payload.Uncounted, Now: time.Now(), Keys: keys, Body: body})
	allowlisttest.Must(t, err)
	headers = make(map[string]string)
	for _, h := range out.Headers {
		headers[h.Name] = h.Value
	}
	return out.Body, headers
}

func TestCommonComplaintsAreDiagnosed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	values := complaintValues(t)
	// Long enough that its ciphertext in base64 is never one in hexadecimal as well.
	body := []byte(strings.Replace(allowlisttest.Sample, "{", `{"note":"`+strings.Repeat("-", 600)+`",`, 1))
	i := 0
	for name, c := range complaints() {
		i++
		k.Clock.Advance(time.Hour) // a workspace has ten an hour
		us := fmt.Sprintf("-ours-%d", i)
		storeAll(t, k, values, us)
		ours := k.Configured(t, "endpoint"+us, suffixed("request { "+c.ours+" }", us))
		sent, headers := partnerSends(t, values, "request { "+c.theirs+" }", body)
		found, differences, tried := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{
			Name: ours, Body: sent, Plaintext: body, Headers: headers,
		})
		if !found || differences != c.want {
			t.Errorf("%s: DiagnoseSample = %v, %q after %d, want %q", name, found, differences, tried, c.want)
		}
	}
}

func TestADiagnosisRevealsNothingWithoutThePlaintext(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	values := complaintValues(t)
	storeAll(t, k, values, "")
	storeAll(t, k, values, "-theirs")
	ours := k.Configured(t, "ours", `request { cipher { algorithm: ALGORITHM_AES_256_CBC `+shared256+` } }`)
	theirs := k.Configured(t, "theirs", suffixed(`request { cipher { algorithm: ALGORITHM_AES_256_CBC `+shared256+` padding: PADDING_ZERO } }`, "-theirs"))
	good := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: theirs, Body: []byte(allowlisttest.Sample), LiveKeys: true, Reason: "the partner"}).GetBody()
	garbled := []byte(strings.Repeat("A", len(good)))
	var tries []uint32
	for name, c := range map[string]struct{ body, plaintext []byte }{
		"a byte less":             {good, []byte(allowlisttest.Sample[:len(allowlisttest.Sample)-1])},
		"a byte more":             {good, []byte(allowlisttest.Sample + "}")},
		"another byte":            {good, []byte(strings.Replace(allowlisttest.Sample, "4", "5", 1))},
		"a message that is noise": {garbled, []byte(allowlisttest.Sample)},
	} {
		begun := time.Now()
		found, differences, tried := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{Name: ours, Body: c.body, Plaintext: c.plaintext})
		if found || differences != "" {
			t.Errorf("%s: DiagnoseSample = %v, %q", name, found, differences)
		}
		if took := time.Since(begun); took < time.Second {
			t.Errorf("%s: answered after %v, want whole seconds", name, took)
		}
		tries = append(tries, tried)
	}
	for _, tried := range tries {
		if tried != tries[0] || tried < 100 || tried > 2000 {
			t.Errorf("tried %v variants, want as many each time", tries)
		}
	}
}

func TestDiagnosesAreOnTheChangeLogAndCounted(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	sent := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(allowlisttest.Sample), LiveKeys: true, Reason: "a sample"})
	diagnose := func(workspaceOf allowlisttest.Client, name string) error {
		_, err := workspaceOf.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
			Name: name, Body: sent.GetBody(), Plaintext: []byte(allowlisttest.Sample), Reason: "it does not decrypt",
		})
		return err
	}
	for range 10 {
		allowlisttest.Must(t, diagnose(k.Owner, allowlisttest.NameOf("orders")))
	}
	err := diagnose(k.Owner, allowlisttest.NameOf("orders"))
	allowlisttest.WantError(t, "the eleventh diagnosis", err, codes.ResourceExhausted, "RATE_LIMITED")
	if !servertest.Retryable(err) {
		t.Error("RATE_LIMITED does not say when to try again")
	}
	if whose := servertest.Metadata(err)["quota"]; whose != allowlisttest.Workspace+"/secrets/key" {
		t.Errorf("the quota is that of %q, want the KEY", whose)
	}
	if said := status.Convert(err).Message(); !strings.HasPrefix(said, "the KEY has no diagnoses left: ") || !strings.Contains(said, "; try again in ") {
		t.Errorf("RATE_LIMITED says %q", said)
	}
	k.Owner.Create(t, "others", allowlisttest.Draft(k.Secret(t, "other")))
	err = diagnose(k.Owner, allowlisttest.NameOf("others"))
	allowlisttest.WantError(t, "a diagnosis with another KEY", err, codes.ResourceExhausted, "RATE_LIMITED")
	if whose := servertest.Metadata(err)["quota"]; whose != allowlisttest.Workspace {
		t.Errorf("the quota is that of %q, want the workspace", whose)
	}
	allowlisttest.WantError(t, "a diagnosis by a super admin", diagnose(k.Admin, allowlisttest.NameOf("orders")), codes.ResourceExhausted, "RATE_LIMITED")
	history := k.Owner.History(t, allowlisttest.NameOf("orders"))
	if n := len(history); n != 12 || history[0].GetAction() != allowlistv1.EndpointChange_ACTION_DIAGNOSED || history[0].GetReason() != "it does not decrypt" {
		t.Errorf("the change log has %d entries and ends with %v", n, history[0])
	}
	k.Clock.Advance(6 * time.Minute)
	allowlisttest.Must(t, diagnose(k.Owner, allowlisttest.NameOf("orders")))
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
}

func TestAPlaintextThatCouldBeMetByChanceIsRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	_, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("orders"), Plaintext: []byte("7 bytes"), Reason: "to see"})
	allowlisttest.WantError(t, "a plaintext of 7 bytes", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestInvalidDiagnosesAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	values := complaintValues(t)
	storeAll(t, k, values, "")
	storeAll(t, k, values, "-theirs")
	k.SecretIn(t, allowlisttest.Workspace, "short", vaultv1.Usage_USAGE_EXPOSED_KEY, []byte("0123456789abcdef")...)
	k.Owner.Create(t, "nothing", allowlisttest.Draft())
	for name, c := range map[string]struct {
		name, reason string
		code         codes.Code
	}{
		"a missing endpoint": {allowlisttest.NameOf("none"), "ENDPOINT_NOT_FOUND", codes.NotFound},
		"no encryption":      {allowlisttest.NameOf("nothing"), "ENCRYPTION_NOT_CONFIGURED", codes.FailedPrecondition},
		"signatures only": {
			k.Configured(t, "signed", `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:passphrase" } headers { key: "X-S" value: "${signature}" } } }`),
			"INVALID_FIELD", codes.InvalidArgument,
		},
		"an IV from the key": {
			k.Configured(t, "prefix", `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:short" } } iv { source: SOURCE_KEY_PREFIX } } }`),
			"INVALID_FIELD", codes.InvalidArgument,
		},
		"an answer to a question": {
			k.Configured(t, "flow", `request { cipher { algorithm: ALGORITHM_AES_128_GCM session_key { rsa_oaep {} keys { name: "secret:rsa" decoding: DECODING_PEM } } }
				envelope { blobs { key: "c" value { parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } blobs { key: "k" value { parts { slot: SLOT_WRAPPED_KEY } } } text: "${k}.${c}" } }
				response { cipher { algorithm: ALGORITHM_AES_128_GCM exchange_key {} } }`),
			"INVALID_FIELD", codes.InvalidArgument,
		},
	} {
		_, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{Name: c.name, Plaintext: []byte(allowlisttest.Sample), Reason: "to see"})
		allowlisttest.WantError(t, name, err, c.code, c.reason)
	}
}

func TestDamagedBodiesAreDiagnosed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	values := complaintValues(t)
	storeAll(t, k, values, "")
	gcm := `request { cipher { algorithm: ALGORITHM_AES_256_GCM ` + shared256 + ` } }`
	ours := k.Configured(t, "ours", gcm)
	body := []byte(strings.Replace(allowlisttest.Sample, "{", `{"note":"`+strings.Repeat("-", 600)+`",`, 1))
	sent, _ := partnerSends(t, values, gcm, body)
	for want, received := range map[string]string{
		"body: as sent -> the content of a JSON string":                `"` + strings.ReplaceAll(string(sent), "/", `\/`) + `"` + "\n",
		"body: as sent -> each space in it as +, which a form decoded": strings.ReplaceAll(string(sent), "+", " "),
	} {
		found, differences, tried := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{
			Name: ours, Kind: allowlisttest.Request, Body: []byte(received), Plaintext: body,
		})
		if !found || differences != want {
			t.Errorf("DiagnoseSample = %v, %q after %d, want %q", found, differences, tried, want)
		}
	}
}
