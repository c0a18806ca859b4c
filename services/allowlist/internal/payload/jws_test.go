package payload_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/pkg/keyform/keyformtest"
	"github.com/keyward/keyward/pkg/secp256k1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// trueLayer signs as TrueLayer asks: a detached JWS with ES512 over the method, the path, a header,
// and the body.
const trueLayer = `signing { jws { algorithm: ALGORITHM_ES512 header { key: "kid" value: "kid-1" } header { key: "tl_version" value: "2" } ` +
	`header { key: "tl_headers" value: "Idempotency-Key" } } keys { name: "workspaces/acme/secrets/KEY" decoding: DECODING_PEM } ` +
	`input: "${method} ${path}\nIdempotency-Key: ${id}\n${body}" ` +
	`headers { key: "Idempotency-Key" value: "${id}" } headers { key: "Tl-Signature" value: "${signature}" } }`

func TestSignaturesOfTrueLayerVerify(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	// Made with node:crypto, for the key p521_priv.pem.
	const body, id = `{"amount_in_minor":100,"currency":"GBP"}`, "idem-2410328410432"
	const signature = "eyJhbGciOiJFUzUxMiIsImtpZCI6ImtpZC0xIiwidGxfdmVyc2lvbiI6IjIiLCJ0bF9oZWFkZXJzIjoiSWRlbXBvdGVuY3ktS2V5In0..AApRaBCWqbN3mxjF_S-jxTl8pMYvrSoeZ8Urs0-UZMBrsd23o9M_ejdeqiM3iKfyj98cgVn4FOecJEwD_zkLrs5AAJ1EHVlhXcjOXyaEm8Le_gryljjr97RrcBQwrENs8CbxbwBNTiEd4-8enSBC369WMUanDxw7Aaua9ffahS73YySZ"
	for _, key := range []string{"p521", "p521-pub"} {
		p := pipeline(t, strings.Replace(trueLayer, "KEY", key, 1))
		verify := func(body string) error {
			_, err := p.Verify(payload.Input{
				Now: now, Keys: s.keys(t, p.VerifyReferences()), Body: []byte(body), Context: payload.Context{Method: "POST", Path: "/v3/payments"},
				Headers: payload.Headers{"tl-signature": signature, "idempotency-key": id},
			})
			return err
		}
		if err := verify(body); err != nil {
			t.Errorf("%s: Verify: %v", key, err)
		}
		if err := verify(body + " "); !fault.Is(err, payload.SignatureInvalid) {
			t.Errorf("%s: Verify of another body: %v, want SIGNATURE_INVALID", key, err)
		}
	}
	p := pipeline(t, strings.Replace(trueLayer, "KEY", "p521", 1))
	sent, err := p.Encrypt(payload.Input{
		Nonces: payload.Uncounted, Now: now, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body),
		Context: payload.Context{Method: "POST", Path: "/v3/payments", ID: id},
	})
	if err != nil || len(sent.Headers) != 2 || len(sent.Headers[1].Value) != len(signature) {
		t.Errorf("Encrypt = %v, %v", sent.Headers, err)
	}
}

// billDesk encrypts and then signs as BillDesk asks.
const billDesk = `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "workspaces/acme/secrets/seal" decoding: DECODING_HEX } ` +
	`header { key: "kid" value: "K" } header { key: "clientid" value: "C" } } ` +
	`outer_jws { jws { algorithm: ALGORITHM_HS256 header { key: "kid" value: "K" } header { key: "clientid" value: "C" } } keys { name: "workspaces/acme/secrets/sign" decoding: DECODING_HEX } } `

// Made with node:crypto.
const billDeskBody = "eyJhbGciOiJIUzI1NiIsImtpZCI6IksiLCJjbGllbnRpZCI6IkMifQ.ZXlKaGJHY2lPaUprYVhJaUxDSmxibU1pT2lKQk1qVTJSME5OSWl3aWEybGtJam9pU3lJc0ltTnNhV1Z1ZEdsa0lqb2lReUo5Li5KNFpiSTFtX0NvN3NIYjdxLnplX2M2QkpIYjU5RWtUVFVYN19MUXRyeWVBenFZdlVqbTNGV0t3b1Z6QWdxLjFlQUZ3emMzeHBqOVFWYjkybXV4QXc.hCN50Mzgk20fVr9-aJv_LX_SMZ-319IX4pHxozg09qU"

// ofBillDesk returns the secrets of the known answer.
func ofBillDesk(t testing.TB) safe {
	t.Helper()
	return newSafe(t).with("seal", "798c000857e4298d7ff793c30106ec6ad3f20f8f2416b9fa8c5b16c9e71387eb").
		with("sign", "4503e2d2fcfdb4e5d8e9771539a5e765248da5e45563157c45e72f1ce3af515f")
}

func TestMessagesOfBillDeskAreVerifiedAndDecrypted(t *testing.T) {
	t.Parallel()
	s, p := ofBillDesk(t), pipeline(t, billDesk)
	const plaintext = `{"mercid":"M1","amount":"300.00"}`
	s.opens(t, p, payload.Output{Body: []byte(billDeskBody)}, plaintext)
	sent := s.encrypt(t, p, plaintext)
	s.opens(t, p, sent, plaintext)
	pieces := strings.Split(string(sent.Body), ".")
	if len(pieces) != 3 || string(unbase64url(t, pieces[0])) != `{"alg":"HS256","clientid":"C","kid":"K"}` {
		t.Errorf("Encrypt = %s", sent.Body)
	}
	if inner := strings.Split(string(unbase64url(t, pieces[1])), "."); len(inner) != 5 || string(unbase64url(t, inner[0])) != `{"alg":"dir","enc":"A256GCM","clientid":"C","kid":"K"}` {
		t.Errorf("the payload is %q", inner)
	}
}

// TestSignaturesAroundAJWEAreVerifiedFirst shows that all refusals are one error, and that no
// decryption key is used for a message with a wrong signature.
func TestSignaturesAroundAJWEAreVerifiedFirst(t *testing.T) {
	t.Parallel()
	s, p := ofBillDesk(t), pipeline(t, billDesk)
	inner := string(unbase64url(t, strings.Split(billDeskBody, ".")[1]))
	resigned := func(jwe, header string) string {
		input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(jwe))
		mac := hmac.New(sha256.New, unhex(t, s["sign"][0]))
		mac.Write([]byte(input))
		return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	const header = `{"alg":"HS256"}`
	for name, tt := range map[string]struct{ body, stage string }{
		"without the signature":   {inner, "sign inside"},
		"another signature":       {billDeskBody[:len(billDeskBody)-3] + "AAA", "sign inside"},
		"no algorithm":            {resigned(inner, `{"alg":"none"}`), "sign inside"},
		"crit":                    {resigned(inner, `{"alg":"HS256","crit":["x"]}`), "sign inside"},
		"another header":          {resigned(inner, header)[:20] + "A" + resigned(inner, header)[21:], "sign inside"},
		"a flattened signature":   {`{"payload":"","protected":"","signature":""}`, "sign inside"},
		"a signature of no JWE":   {resigned("x", header), "decode"},
		"a JWE of another key":    {resigned(string(s.with("seal", keyA).encrypt(t, pipeline(t, strings.Split(billDesk, "outer_jws")[0]), "x").Body), header), "decrypt"},
		"two signatures":          {resigned(resigned(inner, header), header), "decode"},
		"a JWE with compression":  {resigned(strings.Replace(inner, inner[:strings.Index(inner, ".")], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)), 1), header), "decode"},
		"a JWE with another alg":  {resigned(strings.Replace(inner, inner[:strings.Index(inner, ".")], base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"A256KW","enc":"A256GCM"}`)), 1), header), "decode"},
		"nothing":                 {"", "sign inside"},
		"a signature of nothing":  {resigned("", header), "decode"},
		"the signature of others": {strings.Replace(string(s.with("sign", keyA).encrypt(t, p, "x").Body), "\n", "", 1), "sign inside"},
	} {
		out, err := s.decrypt(t, p, payload.Output{Body: []byte(tt.body)})
		if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != tt.stage || out.Body != nil {
			t.Errorf("%s: Decrypt of %s = %q, %v at %q, want DECRYPTION_FAILED at %q", name, tt.body, out.Body, err, payload.Stage(err), tt.stage)
		}
		if want := "the partner's data failed to decrypt"; err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Decrypt: %v, want %q", name, err, want)
		}
	}
	if out, err := s.decrypt(t, p, payload.Output{Body: []byte(resigned(inner, header))}); err != nil {
		t.Errorf("Decrypt of a message that is signed again = %q, %v", out.Body, err)
	}
}

// koblitzPEM returns a new private key on secp256k1.
func koblitzPEM(t testing.TB) string {
	t.Helper()
	key, err := secp256k1.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(keyformtest.Block("PRIVATE KEY", secp256k1.MarshalPKCS8PrivateKey(key), nil))
}

func TestEverySignatureAroundAJWEVerifies(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("ed25519", ed25519PEM(t)).with("koblitz", koblitzPEM(t)).with("long", keyA+keyB)
	for algorithm, keys := range map[string][2]string{
		"RS256": {"rsa2", "rsa2-pub"}, "PS384": {"rsa2", "rsa2-pub"}, "ES256": {"ec", "ec"}, "ES512": {"p521", "p521-pub"}, "EDDSA": {"ed25519", "ed25519"},
		"ES256K": {"koblitz", "koblitz"},
		"HS512":  {"long", "long"},
	} {
		decoding := map[bool]string{true: "HEX", false: "PEM"}[algorithm == "HS512"]
		jws := func(place, key string) string {
			return place + ` { jws { algorithm: ALGORITHM_` + algorithm + ` } ` + named(key, decoding) + ` } `
		}
		jwe := `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + ` } `
		for _, place := range []string{"outer_jws", "nested_jws"} {
			for _, selection := range []string{"", `envelope { json: '{"d":"${jwe}"}' } `, fields("", "$.a", "$.b")} {
				sent := s.encrypt(t, pipeline(t, jwe+jws(place, keys[0])+selection), `{"a":1,"b":"x"}`)
				s.opens(t, pipeline(t, jwe+jws(place, keys[1])+selection), sent, `{"a":1,"b":"x"}`)
				other := strings.Replace(jwe+jws(place, keys[1])+selection, "ALGORITHM_"+algorithm, "ALGORITHM_RS512", 1)
				if decoding == "HEX" {
					other = strings.Replace(other, "RS512", "HS256", 1)
				} else {
					other = strings.Replace(other, `secrets/`+keys[1]+`"`, `secrets/rsa2"`, 1)
				}
				if _, err := s.decrypt(t, pipeline(t, other), sent); !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "sign inside" {
					t.Errorf("%s, %s: Decrypt with another algorithm: %v at %q", place, algorithm, err, payload.Stage(err))
				}
			}
			alone := strings.Replace(jws(place, keys[0]), "outer_jws", "nested_jws", 1)
			s.opens(t, pipeline(t, alone), s.encrypt(t, pipeline(t, alone), "any body"), "any body")
		}
	}
}

func TestFlattenedSignaturesAreNested(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	const jsonForm = `serialization: SERIALIZATION_JSON `
	flattened := `envelope { json: '{"protected":"${protected}","encrypted_key":"${encrypted_key}","iv":"${iv}","ciphertext":"${ciphertext}","tag":"${tag}"}' } `
	nested := func(form string) string {
		return `nested_jws { ` + form + `jws { algorithm: ALGORITHM_RS256 header { key: "kid" value: "k-1" } } ` + named("rsa2", "PEM") + ` } `
	}
	jwe := `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM ` + named("rsa", "PEM") + ` } `
	plain, alone := pipeline(t, jwe+flattened), pipeline(t, nested(jsonForm))
	p := pipeline(t, jwe+nested(jsonForm)+flattened)
	sent := s.encrypt(t, p, `{"a":1}`)
	s.opens(t, p, sent, `{"a":1}`)
	inner, err := s.decrypt(t, plain, sent)
	if err != nil || !strings.HasPrefix(string(inner.Body), `{"protected":"`) {
		t.Errorf("the plaintext is %s, %v", inner.Body, err)
	}
	parsed, err := jose.ParseSignedJSON(string(inner.Body), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := keyform.ParsePublic([]byte(s["rsa2"][0]))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parsed.Verify(key); err != nil || string(got) != `{"a":1}` {
		t.Errorf("go-jose verifies the signature inside as %q, %v", got, err)
	}
	s.opens(t, alone, inner, `{"a":1}`)
	s.opens(t, alone, s.encrypt(t, alone, "any body"), "any body")
	for name, changed := range map[string]string{
		"another member":          strings.Replace(string(inner.Body), "{", `{"x":1,`, 1),
		"a member twice":          strings.Replace(string(inner.Body), "{", `{"payload":"eyJiIjoyfQ",`, 1),
		"another payload":         strings.Replace(string(inner.Body), "eyJhIjoxfQ", "eyJhIjoyfQ", 1),
		"a compact serialization": string(s.encrypt(t, pipeline(t, nested("")), `{"a":1}`).Body),
	} {
		_, err := s.decrypt(t, p, s.encrypt(t, plain, changed))
		if !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != "sign inside" {
			t.Errorf("%s: Decrypt: %v at %q, want DECRYPTION_FAILED", name, err, payload.Stage(err))
		}
	}
}

func TestMessagesForSeveralRecipientsAreDecrypted(t *testing.T) {
	t.Parallel()
	s := newSafe(t)
	public := func(name string) any {
		key, _, err := keyform.ParsePublic([]byte(s[name][0]))
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	encrypted := func(body string, recipients ...jose.Recipient) payload.Output {
		e, err := jose.NewMultiEncrypter(jose.A256GCM, recipients, nil)
		if err != nil {
			t.Fatal(err)
		}
		object, err := e.Encrypt([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		return payload.Output{Body: []byte(object.FullSerialize())}
	}
	ours, theirs := jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: public("rsa"), KeyID: "ours"}, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: public("rsa2")}
	agreed := jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: public("ec")}
	profile := func(compatibility, rest string) *payload.Pipeline {
		return pipeline(t, `jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM `+compatibility+named("rsa", "PEM")+` } `+rest)
	}
	several := profile(`compatibility { several_recipients: true } `, "")
	parts := profile(`compatibility { several_recipients: true } `, `envelope { json: '{"protected":"${protected}","encrypted_key":"${encrypted_key}","iv":"${iv}","ciphertext":"${ciphertext}","tag":"${tag}"}' } `)
	for name, message := range map[string]payload.Output{
		"ours first": encrypted(`{"a":1}`, ours, theirs, agreed), "ours last": encrypted(`{"a":1}`, agreed, theirs, ours),
	} {
		s.opens(t, several, message, `{"a":1}`)
		s.opens(t, parts, message, `{"a":1}`)
		if _, err := s.decrypt(t, profile("", ""), message); payload.Stage(err) != "decode" {
			t.Errorf("%s: Decrypt without the setting: %v", name, err)
		}
	}
	s.opens(t, several, s.encrypt(t, several, "x"), "x")
	s.opens(t, parts, s.encrypt(t, parts, "x"), "x")
	for name, tt := range map[string]struct {
		message payload.Output
		stage   string
	}{
		"only others":       {encrypted("x", theirs, theirs, agreed), "unwrap"},
		"another algorithm": {encrypted("x", agreed, agreed), "decode"},
		"nine recipients":   {encrypted("x", ours, ours, ours, ours, ours, ours, ours, ours, ours), "decode"},
		"no JSON":           {payload.Output{Body: []byte("{")}, "decode"},
		"other JSON":        {payload.Output{Body: []byte(`{"a":1}`)}, "decode"},
	} {
		if _, err := s.decrypt(t, several, tt.message); !fault.Is(err, payload.DecryptionFailed) || payload.Stage(err) != tt.stage {
			t.Errorf("%s: Decrypt: %v at %q, want DECRYPTION_FAILED at %q", name, err, payload.Stage(err), tt.stage)
		}
	}
}

// ed25519PEM generates a private key and returns it in PEM.
func ed25519PEM(t testing.TB) string {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(keyformtest.PKCS8(private))
}

func unbase64url(t testing.TB, text string) []byte {
	t.Helper()
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return decoded
}
