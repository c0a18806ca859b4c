package e2e

import (
	"fmt"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

func (m *mapper) jose() *allowlistv1.Jose {
	m.t.Helper()
	alg := strings.NewReplacer("-", "_", "+", "_").Replace(strings.ToUpper(m.p.Alg))
	enc := strings.ReplaceAll(strings.ToUpper(m.p.Enc), "-", "_")
	management, known := allowlistv1.Jose_KeyManagement_value["KEY_MANAGEMENT_"+alg]
	content, also := allowlistv1.Jose_ContentEncryption_value["CONTENT_ENCRYPTION_"+enc]
	if !known || !also {
		m.t.Fatalf("the vocabulary has no JWE with %q and %q", m.p.Alg, m.p.Enc)
	}
	jose := &allowlistv1.Jose{
		KeyManagement: allowlistv1.Jose_KeyManagement(management), ContentEncryption: allowlistv1.Jose_ContentEncryption(content),
		Keys: m.keys(m.p.Ref, m.p.Refs), Derivation: m.derivation(m.p.Derive),
	}
	if m.p.IVLen == 16 {
		// The library that draws 16 bytes is the one that leaves `/` in its base64url.
		jose.Compatibility = &allowlistv1.JoseCompatibility{GcmIvBytes: 16, LenientBase64: true}
	}
	return jose
}

func jwsOf(t testing.TB, alg string) allowlistv1.Jws_Algorithm {
	t.Helper()
	number, ok := allowlistv1.Jws_Algorithm_value["ALGORITHM_"+strings.ToUpper(alg)]
	if !ok {
		t.Fatalf("the vocabulary has no JWS algorithm %q", alg)
	}
	return allowlistv1.Jws_Algorithm(number)
}

func macOf(t testing.TB, alg string) allowlistv1.Mac_Algorithm {
	t.Helper()
	number, ok := allowlistv1.Mac_Algorithm_value["ALGORITHM_"+strings.ToUpper(strings.ReplaceAll(alg, "-", "_"))]
	if !ok {
		t.Fatalf("the vocabulary has no MAC %q", alg)
	}
	return allowlistv1.Mac_Algorithm(number)
}

// signing maps a signature. A template for the body becomes an envelope without a
// cipher.
func (m *mapper) signing(profile *allowlistv1.Profile) *allowlistv1.Signing {
	m.t.Helper()
	s := &allowlistv1.Signing{Keys: m.keys(m.p.Ref, m.p.Refs), Encoding: encodingOf(m.t, m.p.Enc), Input: m.input()}
	switch m.p.Scheme {
	case "mac":
		s.Scheme = &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: macOf(m.t, m.p.Alg)}}
	case "digest":
		s.Scheme = &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{Hash: hashOf(m.t, m.p.Alg)}}
	case "asym":
		s.Scheme = &allowlistv1.Signing_Asymmetric{Asymmetric: &allowlistv1.Asymmetric{Algorithm: word(m.t, "alg", m.p.Alg, map[string]allowlistv1.Asymmetric_Algorithm{
			"rsa-sha1": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA1, "rsa-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256,
			"rsa-sha384": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA384, "rsa-sha512": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512,
			"rsa-pss-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256, "rsa-pss-sha512": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512,
			"ecdsa-sha256": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER, "ecdsa-p256-sha256": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_DER,
			"ecdsa-sha384": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER, "ecdsa-p384-sha384": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P384_SHA384_DER,
			"ed25519": allowlistv1.Asymmetric_ALGORITHM_ED25519,
		})}}
	case "jws_detached":
		s.Scheme = &allowlistv1.Signing_Jws{Jws: m.jws()}
	default:
		m.t.Fatalf("the vocabulary has no scheme %q", m.p.Scheme)
	}
	if m.p.BodyTemplate != "" {
		profile.Envelope = &allowlistv1.Envelope{
			Blobs: map[string]*allowlistv1.Blob{"body": {
				Encoding: allowlistv1.Encoding_ENCODING_BASE64, Parts: []*allowlistv1.Part{m.part("ct")},
			}},
			Body: &allowlistv1.Envelope_Json{Json: strings.ReplaceAll(m.p.BodyTemplate, "${body_b64}", "${body}")},
		}
	}
	m.signatureHeaders(s)
	return s
}

func (m *mapper) jws() *allowlistv1.Jws {
	jws := &allowlistv1.Jws{Algorithm: jwsOf(m.t, m.p.Alg), UnencodedPayload: m.p.B64 != nil && !*m.p.B64}
	for name, value := range m.p.ProtectedHeader {
		switch name {
		case "alg", "b64", "crit":
		default:
			if jws.Header == nil {
				jws.Header = make(map[string]string)
			}
			jws.Header[name] = fmt.Sprint(value)
		}
	}
	return jws
}

// input maps the template of what is signed. With a template for the body, what the
// partner calls the body is what stands in it.
func (m *mapper) input() string {
	body := "body"
	if m.p.BodyTemplate != "" {
		body = "plaintext"
	}
	return strings.NewReplacer(
		"${body}", "${"+body+"}", "${body_b64}", "${"+body+"|base64}",
		"${body_sha256_hex}", "${"+body+"|sha256|hex}", "${body_sha256_hexupper}", "${"+body+"|sha256|hex_upper}",
		"${body_sha256_hex_upper}", "${"+body+"|sha256|hex_upper}", "${body_sha256_b64}", "${"+body+"|sha256|base64}",
		"${ts}", "${timestamp}", "${ts_ms}", "${timestamp_ms}",
	).Replace(m.p.Input)
}

// signatureHeaders maps the templates of the headers. Where signatures are joined, what
// stands around one becomes the item of the list.
func (m *mapper) signatureHeaders(s *allowlistv1.Signing) {
	s.Headers = make(map[string]string)
	words := strings.NewReplacer("${sig}", "${signature}", "${jws}", "${signature}", "${ts}", "${timestamp}", "${ts_ms}", "${timestamp_ms}")
	for name, template := range m.p.Headers {
		value := words.Replace(template)
		if m.p.Join != "" && strings.Contains(value, "${signature}") {
			before, item := "", value
			if i := strings.LastIndex(value[:strings.Index(value, "${signature}")], m.p.Join); i >= 0 {
				before, item = value[:i+len(m.p.Join)], value[i+len(m.p.Join):]
			}
			s.List = &allowlistv1.SignatureList{Item: item, Separator: m.p.Join}
			value = before + "${signatures}"
		}
		s.Headers[name] = value
	}
}
