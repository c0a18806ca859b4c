package tryout_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/sensitive"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// A signatureMistake is a common mistake about a partner's signature.
type signatureMistake struct {
	// ours is the configured signing, and theirs that of the partner, without keys.
	ours, theirs string
	// key is the stored secret, and partner the partner's secret if it differs.
	key, partner string
	// decoding are ours and the partner's.
	decoding [2]string
	// signed is the signed body, and sent the received body.
	signed, sent string
	// ago is how old the message is.
	ago  time.Duration
	want string
}

// The pieces of signings.
const (
	hmacSHA256 = `mac { algorithm: ALGORITHM_HMAC_SHA256 } `
	inHeader   = `headers { key: "X-Signature" value: "${signature}" } `
	stripe     = hmacSHA256 + `headers { key: "Stripe-Signature" value: "t=${timestamp},${signatures}" } encoding: ENCODING_HEX input: "${timestamp}.${body}" list { item: "v1=${signature}" separator: "," } `
	slack      = hmacSHA256 + `headers { key: "X-Slack-Request-Timestamp" value: "${timestamp}" } headers { key: "X-Slack-Signature" value: "v0=${signature}" } input: "v0:${timestamp}:${body}" `
	github     = hmacSHA256 + `headers { key: "X-Hub-Signature-256" value: "sha256=${signature}" } `
	webhook    = hmacSHA256 + `headers { key: "webhook-id" value: "${id}" } headers { key: "webhook-timestamp" value: "${timestamp}" } headers { key: "webhook-signature" value: "${signatures}" }
		encoding: ENCODING_BASE64 input: "${id}.${timestamp}.${body}" list { item: "v1,${signature}" separator: " " } `
	wechat = `asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } headers { key: "Wechatpay-Timestamp" value: "${timestamp}" } headers { key: "Wechatpay-Nonce" value: "${id}" }
		headers { key: "Wechatpay-Signature" value: "${signature}" } encoding: ENCODING_BASE64 input: "${timestamp}\n${id}\n${body}%s" `
	payu = `secret_digest { hash: HASH_%s } headers { key: "x-hash" value: "${signature}" } input: "${json:$.key}|${json:$.amount}|${secret}" `
)

// signatureMistakes are those of public threads about the signatures of well-known senders.
func signatureMistakes(t testing.TB) map[string]signatureMistake {
	t.Helper()
	const hexKey = "44782def547aaa06c910c43932b1eb0c71fc68d9d0c057550c48ec2acf6ba056"
	const order = `{"Ds_Order":"12","Ds_Amount":"145"}`
	values := complaintValues(t)
	return map[string]signatureMistake{
		"nothing is wrong": {ours: github, theirs: github, key: "it's a secret"},
		"Adyen: the key is hexadecimal but was used as text": {
			ours: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`, theirs: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`,
			key: hexKey, decoding: [2]string{"RAW", "HEX"}, want: "request.signing.keys.decoding: RAW -> HEX",
		},
		"Standard Webhooks: base64 after whsec_ was used as text": {
			ours: webhook, theirs: webhook, key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", decoding: [2]string{"RAW", "WHSEC"},
			want: "request.signing.keys.decoding: RAW -> WHSEC",
		},
		"Stripe: whsec_ was decoded, but is text": {
			ours: stripe, theirs: stripe, key: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", decoding: [2]string{"WHSEC", "RAW"},
			want: "request.signing.keys.decoding: WHSEC -> RAW",
		},
		"Stripe: the secret was stored with a line end": {
			ours: stripe, theirs: stripe, key: "whsec_test\n", partner: "whsec_test",
			want: "request.signing.keys.decoding: RAW -> PEM, which is RAW without white space around it",
		},
		"Stripe: the body was parsed and written again": {
			ours: stripe, theirs: stripe, key: "whsec_test", signed: "{\n  \"id\": \"evt_1\",\n  \"amount\": 1\n}", sent: `{"id":"evt_1","amount":1}`,
			want: "body: as sent -> indented by two spaces",
		},
		"Stripe: an event of yesterday is sent again": {
			ours: stripe, theirs: stripe, key: "whsec_test", ago: 26 * time.Hour,
			want: "request.signing.tolerance: 5m0s -> 26h0m1s, or the time of the message in context.time",
		},
		"GitHub: the header with SHA-1": {
			ours: github, theirs: `mac { algorithm: ALGORITHM_HMAC_SHA1 } headers { key: "X-Hub-Signature" value: "sha1=${signature}" } `, key: "it's a secret",
			want: "request.signing.headers: X-Hub-Signature-256: sha256=${signature} -> x-hub-signature: sha1=${signature}; request.signing.mac.algorithm: HMAC_SHA256 -> HMAC_SHA1",
		},
		"Shopify: the signature is in base64": {
			ours: hmacSHA256 + inHeader, theirs: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`, key: "shpss_c3b", want: "request.signing.encoding: HEX -> BASE64",
		},
		"Slack: a proxy has added a line end": {
			ours: slack, theirs: slack, key: "8f742231b10e8888abcd99yyyzzz85a5", signed: "token=x&team_id=T1", sent: "token=x&team_id=T1\n",
			want: "body: as sent -> without the line end at its end",
		},
		"Slack: time in milliseconds": {
			ours: slack, theirs: strings.ReplaceAll(slack, "${timestamp}", "${timestamp_ms}"), key: "8f742231b10e8888abcd99yyyzzz85a5",
			want: "request.signing.headers: ${timestamp} -> ${timestamp_ms}",
		},
		"Redsys: notifications have base64url": {
			ours: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`, theirs: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64URL`,
			key: "sq7HjrUOBfKmC576ILgskD5srU870gJ7", decoding: [2]string{"BASE64", "BASE64"}, signed: order, sent: order, want: "request.signing.encoding: BASE64 -> BASE64URL",
		},
		"Paytm: members are sorted before they are signed": {
			ours: hmacSHA256 + inHeader, theirs: hmacSHA256 + inHeader, key: "merchant-key",
			signed: `{"MID":"rent1","ORDER_ID":"é1","TXN_AMOUNT":1.50}`, sent: `{"TXN_AMOUNT": 1.50, "ORDER_ID": "é1", "MID": "rent1"}`,
			want: "body: as sent -> minified, members sorted by name",
		},
		"PHP: slashes are escaped": {
			ours: hmacSHA256 + inHeader, theirs: hmacSHA256 + inHeader, key: "k", signed: `{"url":"https:\/\/a.example\/\u00e9"}`, sent: `{"url": "https://a.example/é"}`,
			want: `body: as sent -> minified, with \/ for / and \u for non-ASCII characters (json_encode of PHP)`,
		},
		"Plaid: the body is indented, and the signature a JWS": {
			ours: `jws { algorithm: ALGORITHM_ES256 } headers { key: "Plaid-Verification" value: "${signature}" } input: "${body|sha256|hex}" `,
			key:  ecKey(t), decoding: [2]string{"PEM", "PEM"}, signed: "{\n  \"a\": 1\n}", sent: `{"a":1}`, want: "body: as sent -> indented by two spaces",
			theirs: `jws { algorithm: ALGORITHM_ES256 } headers { key: "Plaid-Verification" value: "${signature}" } input: "${body|sha256|hex}" `,
		},
		"Square: the URL is signed, too": {
			ours: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`, theirs: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64 input: "https://${host}${path}${body}"`,
			key: "asdf1234", want: "request.signing.input: ${body} -> https://${host}${path}${body}",
		},
		"PayU: another digest": {
			ours: fmt.Sprintf(payu, "SHA256"), theirs: fmt.Sprintf(payu, "SHA512"), key: "eCwWELxi", signed: `{"key":"gtKFFx","amount":"10.00"}`,
			want: "request.signing.secret_digest.hash: SHA256 -> SHA512",
		},
		"PayU: MD5": {
			ours: fmt.Sprintf(payu, "SHA512"), theirs: fmt.Sprintf(payu, "MD5"), key: "eCwWELxi", signed: `{"key":"gtKFFx","amount":"10.00"}`,
			want: "request.signing.secret_digest.hash: SHA512 -> MD5",
		},
		"WeChat Pay: a line end after the body is signed": {
			ours: fmt.Sprintf(wechat, ""), theirs: fmt.Sprintf(wechat, `\n`), key: values["rsa"], decoding: [2]string{"PEM", "PEM"},
			want: `request.signing.input: ${timestamp}\n${id}\n${body} -> ${timestamp}\n${id}\n${body}\n`,
		},
		"WeChat Pay: CR LF": {
			ours: fmt.Sprintf(wechat, `\n`), theirs: strings.ReplaceAll(fmt.Sprintf(wechat, `\n`), `\n`, `\r\n`), key: values["rsa"], decoding: [2]string{"PEM", "PEM"},
			want: `request.signing.input: ${timestamp}\n${id}\n${body}\n -> ${timestamp}\r\n${id}\r\n${body}\r\n`,
		},
		"Alipay: RSA for RSA2": {
			ours: `asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } encoding: ENCODING_BASE64 ` + inHeader, key: values["rsa"], decoding: [2]string{"PEM", "PEM"},
			theirs: `asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA1 } encoding: ENCODING_BASE64 ` + inHeader,
			want:   "request.signing.asymmetric.algorithm: RSA_PKCS1V15_SHA256 -> RSA_PKCS1V15_SHA1",
		},
		"ECDSA: the signature is not DER": {
			ours: `asymmetric { algorithm: ALGORITHM_ECDSA_P256_SHA256_DER } encoding: ENCODING_BASE64 ` + inHeader, key: ecKey(t), decoding: [2]string{"PEM", "PEM"},
			theirs: `asymmetric { algorithm: ALGORITHM_ECDSA_P256_SHA256_P1363 } encoding: ENCODING_BASE64 ` + inHeader,
			want:   "request.signing.asymmetric.algorithm: ECDSA_P256_SHA256_DER -> ECDSA_P256_SHA256_P1363",
		},
		"another header, and hexadecimal for base64": {
			ours: hmacSHA256 + inHeader + `encoding: ENCODING_BASE64`, theirs: hmacSHA256 + `headers { key: "X-Partner_Hmac" value: "${signature}" } `, key: "k",
			want: "request.signing.headers: X-Signature: ${signature} -> x-partner_hmac: ${signature}; request.signing.encoding: BASE64 -> HEX",
		},
	}
}

func ecKey(t testing.TB) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	allowlisttest.Must(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	allowlisttest.Must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// signing returns a configuration with a signing whose key is a secret.
func signing(text, secret, decoding string) string {
	if decoding == "" {
		decoding = "RAW"
	}
	return `request { signing { ` + text + ` keys { name: "secret:` + secret + `" decoding: DECODING_` + decoding + ` } } }`
}

// partnerSigns returns the headers in which a partner signs a body.
func partnerSigns(t testing.TB, m signatureMistake, body string, at time.Time) map[string]string {
	t.Helper()
	config, err := payload.Parse(allowlisttest.EncryptionOf(t, signing(m.theirs, "theirs", m.decoding[1])), strings.TrimPrefix(allowlisttest.Workspace, "workspaces/"), time.Now())
	allowlisttest.Must(t, err)
	key := m.key
	if m.partner != "" {
		key = m.partner
	}
	out, err := config.Pipeline(payload.Request).Encrypt(payload.Input{
		Now: at, Keys: payload.Keys{{{Value: sensitive.New([]byte(key)), Version: 1}}}, Body: []byte(body), Nonces: payload.Uncounted,
		Context: payload.Context{ID: "evt_1", Method: "POST", Host: "api.partner.example", Path: "/v1"},
	})
	allowlisttest.Must(t, err)
	headers := map[string]string{"content-type": "application/json", "user-agent": "a partner/1.0"}
	for _, h := range out.Headers {
		headers[h.Name] = h.Value
	}
	return headers
}

func TestCommonMistakesOfSignaturesAreDiagnosed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Clock.Stop() // the age of a message is a part of what is expected
	i := 0
	for name, m := range signatureMistakes(t) {
		i++
		k.Clock.Advance(time.Hour) // a workspace has ten an hour
		id := fmt.Sprintf("mistake-%d", i)
		allowlisttest.KeySecret(t, k, id, m.key)
		ours := k.Configured(t, id, signing(m.ours, id, m.decoding[0]))
		if m.signed == "" {
			m.signed = `{"id":"evt_1"}`
		}
		if m.sent == "" {
			m.sent = m.signed
		}
		headers := partnerSigns(t, m, m.signed, k.Clock.Now().Add(-m.ago))
		found, differences, tried := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{
			Name: ours, Signature: true, Body: []byte(m.sent), Headers: headers,
		})
		if !found || differences != m.want {
			t.Errorf("%s: DiagnoseSample = %v, %q after %d, want %q", name, found, differences, tried, m.want)
		}
	}
}

func TestADiagnosisOfASignatureTellsNothingToWhoDoesNotHaveOne(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	allowlisttest.KeySecret(t, k, "mac", "44782def547aaa06c910c43932b1eb0c")
	ours := k.Configured(t, "hooks", signing(hmacSHA256+inHeader, "mac", "RAW"))
	m := signatureMistake{theirs: hmacSHA256 + inHeader, key: "44782def547aaa06c910c43932b1eb0c", decoding: [2]string{"RAW", "HEX"}}
	good := partnerSigns(t, m, "hello", time.Now())
	changed := func(change func(headers map[string]string)) map[string]string {
		headers := maps.Clone(good)
		change(headers)
		return headers
	}
	var tries []uint32
	for name, c := range map[string]struct {
		body    string
		headers map[string]string
	}{
		"another body":      {"hallo", good},
		"another signature": {"hello", changed(func(h map[string]string) { h["X-Signature"] = strings.Repeat("0", 64) })},
		"half a signature":  {"hello", changed(func(h map[string]string) { h["X-Signature"] = h["X-Signature"][:32] })},
		"no signature":      {"hello", changed(func(h map[string]string) { h["X-Signature"] = "" })},
	} {
		begun := time.Now()
		found, differences, tried := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{Name: ours, Signature: true, Body: []byte(c.body), Headers: c.headers})
		if found || differences != "" {
			t.Errorf("%s: DiagnoseSample = %v, %q", name, found, differences)
		}
		if took := time.Since(begun); took < time.Second {
			t.Errorf("%s: answered after %v, want whole seconds", name, took)
		}
		tries = append(tries, tried)
	}
	for _, tried := range tries {
		if tried != tries[0] || tried < 30 || tried > 2000 {
			t.Errorf("tried %v variants, want as many each time", tries)
		}
	}
	if n := len(k.Owner.History(t, ours)); n != 1+len(tries) {
		t.Errorf("the change log has %d entries, want the creation and each diagnosis", n)
	}
}

// Complaints about a signature usually follow the first message, which sealed the purpose of the
// KEY with the wrong decoding, hash, or line end.
func TestADiagnosisOfASignatureGoesOnAfterTheFirstMessage(t *testing.T) {
	t.Parallel()
	const key = "44782def547aaa06c910c43932b1eb0c"
	for name, m := range map[string]signatureMistake{
		"another decoding": {theirs: hmacSHA256 + inHeader, key: key, decoding: [2]string{"RAW", "HEX"}, want: "request.signing.keys.decoding: RAW -> HEX"},
		"another hash": {
			theirs: `mac { algorithm: ALGORITHM_HMAC_SHA512 } ` + inHeader, key: key, decoding: [2]string{"RAW", "RAW"},
			want: "request.signing.mac.algorithm: HMAC_SHA256 -> HMAC_SHA512",
		},
		"a line end that was stored, too": {
			theirs: hmacSHA256 + inHeader, key: key + "\n", partner: key, decoding: [2]string{"RAW", "RAW"},
			want: "request.signing.keys.decoding: RAW -> PEM, which is RAW without white space around it",
		},
	} {
		k := allowlisttest.New(t)
		allowlisttest.KeySecret(t, k, "mac", m.key)
		e := allowlisttest.Draft()
		e.Encryption = allowlisttest.EncryptionOf(t, signing(hmacSHA256+inHeader, "mac", m.decoding[0]))
		k.Active(t, "hooks", e)
		k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: []byte("hello")}) // which seals the purpose
		found, differences, _ := k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{
			Name: allowlisttest.NameOf("hooks"), Signature: true, Body: []byte("hello"), Headers: partnerSigns(t, m, "hello", time.Now()),
		})
		if !found || differences != m.want {
			t.Errorf("%s: DiagnoseSample = %v, %q, want %q", name, found, differences, m.want)
		}
	}
}

// A KEY that does more than sign is tried for nothing but its sealed purpose.
func TestADiagnosisOfASignatureKeepsToTheSealedPurposeOfACipherKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	const key = "44782def547aaa06c910c43932b1eb0c"
	allowlisttest.KeySecret(t, k, "mac", key)
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, signing(hmacSHA256+inHeader, "mac", "RAW"))
	e.Encryption.AlsoUsedFor = []*allowlistv1.DeclaredUse{{
		Key:    &allowlistv1.SecretRef{Name: allowlisttest.Workspace + "/secrets/mac"},
		Chains: []string{"raw > AES-256-GCM(iv=random/12,tag=16)"},
	}}
	k.Active(t, "hooks", e)
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("hooks"), Body: []byte("hello")})
	diagnose := func(theirs, decoding string) (found bool, differences string) {
		m := signatureMistake{theirs: theirs, key: key, decoding: [2]string{"RAW", decoding}}
		found, differences, _ = k.Diagnosed(t, &allowlistv1.DiagnoseSampleRequest{
			Name: allowlisttest.NameOf("hooks"), Signature: true, Body: []byte("hello"), Headers: partnerSigns(t, m, "hello", time.Now()),
		})
		return found, differences
	}
	if found, differences := diagnose(hmacSHA256+inHeader, "HEX"); found {
		t.Errorf("another decoding of a sealed KEY was tried: %s", differences)
	}
	if found, differences := diagnose(hmacSHA256+inHeader+"encoding: ENCODING_BASE64", "RAW"); !found || differences != "request.signing.encoding: HEX -> BASE64" {
		t.Errorf("DiagnoseSample = %v, %q, want another encoding of the signature", found, differences)
	}
}

func TestInvalidDiagnosesOfSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "sealed", allowlisttest.Draft(k.Secret(t, "key")))
	k.Owner.Create(t, "hooks", allowlisttest.Signed(allowlisttest.Draft(), k.Secret(t, "mac")))
	for name, c := range map[string]struct {
		req       *allowlistv1.DiagnoseSampleRequest
		violation string
	}{
		"messages that are not signed": {&allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("sealed"), Signature: true}, "signature"},
		"answers, which are not":       {&allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Signature: true, Kind: allowlisttest.Response}, "signature"},
		"messages that are only signed": {
			&allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Kind: allowlisttest.Request, Plaintext: []byte(allowlisttest.Sample)}, "signature",
		},
		"a plaintext": {&allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Signature: true, Plaintext: []byte(allowlisttest.Sample)}, "plaintext"},
		"an invalid time": {
			&allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Signature: true, Context: &allowlistv1.MessageContext{Time: &timestamppb.Timestamp{Nanos: -1}}}, "context.time",
		},
	} {
		c.req.Reason = "to see"
		_, err := k.Owner.DiagnoseSample(t.Context(), c.req)
		allowlisttest.WantError(t, name, err, codes.InvalidArgument, "INVALID_FIELD")
		if v := servertest.Violations(err); len(v) != 1 || v[0].Field != c.violation {
			t.Errorf("%s: violations = %v, want one of %s", name, v, c.violation)
		}
	}
	_, err := k.Member.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{Name: allowlisttest.NameOf("hooks"), Signature: true, Reason: "to see"})
	allowlisttest.WantError(t, "a diagnosis by a member", err, codes.PermissionDenied, "PERMISSION_DENIED")
}

// PayPal signs the CRC-32 of the body, which is not supported. Saving such an endpoint is
// refused with the list of available functions.
func TestUnsupportedSignaturesAreRefusedWithTheCause(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	allowlisttest.KeySecret(t, k, "cert", ecKey(t))
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, signing(`asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } encoding: ENCODING_BASE64 headers { key: "paypal-transmission-sig" value: "${signature}" }
		headers { key: "paypal-transmission-time" value: "${timestamp_rfc3339}" } headers { key: "paypal-transmission-id" value: "${id}" } input: "${id}|${timestamp_rfc3339}|WH-1|${body|crc32}" `, "cert", "PEM"))
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "paypal", Endpoint: e})
	allowlisttest.WantError(t, "a signature over a CRC-32", err, codes.InvalidArgument, "INVALID_FIELD")
	v := servertest.Violations(err)
	if len(v) == 0 || v[0].Field != "endpoint.encryption.request.signing.input" || !strings.HasPrefix(v[0].Description, "must not use the unknown function crc32; available: base64, ") {
		t.Errorf("violations = %v, want the function and the available ones", v)
	}
}
