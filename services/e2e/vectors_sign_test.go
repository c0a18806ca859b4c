package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func (m *mapper) jose() *allowlistv1.Jose {
	m.t.Helper()
	if strings.HasPrefix(m.p.Alg, "PBES2") && m.v.Expect == "reject" {
		return m.passphraseJWE()
	}
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
	jose.Header, jose.IssuedAt = m.joseHeader()
	return jose
}

// passphraseJWE stands for a profile with PBES2, which there is none of: it has another
// algorithm, so that a message is refused before any key is derived.
func (m *mapper) passphraseJWE() *allowlistv1.Jose {
	name := m.store("instead", vaultv1.Usage_USAGE_KEY, strings.Repeat("00", 32))
	return &allowlistv1.Jose{
		KeyManagement: allowlistv1.Jose_KEY_MANAGEMENT_A256KW, ContentEncryption: allowlistv1.Jose_CONTENT_ENCRYPTION_A256GCM,
		Keys: []*allowlistv1.SecretRef{{Name: name, Decoding: allowlistv1.Decoding_DECODING_HEX}},
	}
}

// joseHeader maps the members of a protected header that an algorithm does not set.
func (m *mapper) joseHeader() (header map[string]string, issued allowlistv1.IssuedAt) {
	for name, value := range m.p.ProtectedHeader {
		switch name {
		case "alg", "enc", "b64", "crit":
		case "iat":
			issued = allowlistv1.IssuedAt_ISSUED_AT_SECONDS
			if seconds, _ := value.(float64); seconds > 1e11 {
				issued = allowlistv1.IssuedAt_ISSUED_AT_MILLISECONDS
			}
		default:
			if header == nil {
				header = make(map[string]string)
			}
			header[name] = fmt.Sprint(value)
		}
	}
	return header, issued
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
			"rs256": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256, "rs512": allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA512,
			"ps256": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256, "es256": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363,
			"rsa-pss-sha256": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA256, "rsa-pss-sha512": allowlistv1.Asymmetric_ALGORITHM_RSA_PSS_SHA512,
			"ecdsa-sha256-p1363": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363, "ecdsa-p256-sha256-p1363": allowlistv1.Asymmetric_ALGORITHM_ECDSA_P256_SHA256_P1363,
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
	if seconds := m.p.Tolerance + m.p.ToleranceS; seconds != 0 {
		s.Tolerance = durationpb.New(time.Duration(seconds) * time.Second)
	}
	m.signatureHeaders(s)
	return s
}

func (m *mapper) jws() *allowlistv1.Jws {
	m.t.Helper()
	header, issued := m.joseHeader()
	return &allowlistv1.Jws{
		Algorithm: jwsOf(m.t, m.p.Alg), UnencodedPayload: m.p.B64 != nil && !*m.p.B64, Header: header, IssuedAt: issued,
	}
}

var (
	placeholder = regexp.MustCompile(`\$\{[^}]*\}`)
	bodyDigest  = regexp.MustCompile(`^body_(md5|sha1|sha256|sha384|sha512)_(.+)$`)
	times       = strings.NewReplacer("${ts}", "${timestamp}", "${ts_ms}", "${timestamp_ms}", "${nonce}", "${id}")
)

// input maps the template of what is signed. With a template for the body, what the
// partner calls the body is what stands in it.
func (m *mapper) input() string {
	body := "body"
	if m.p.BodyTemplate != "" {
		body = "plaintext"
	}
	return placeholder.ReplaceAllStringFunc(m.p.Input, func(hole string) string {
		name := hole[2 : len(hole)-1]
		switch digest := bodyDigest.FindStringSubmatch(name); {
		case name == "body":
			return "${" + body + "}"
		case name == "body_b64":
			return "${" + body + "|base64}"
		case digest != nil:
			return "${" + body + "|" + digest[1] + "|" + word(m.t, "encoding", digest[2], map[string]string{
				"hex": "hex", "hexupper": "hex_upper", "hex_upper": "hex_upper", "b64": "base64", "base64": "base64", "b64url": "base64url", "base64url": "base64url",
			}) + "}"
		}
		return times.Replace(hole)
	})
}

// signatureHeaders maps the templates of the headers. Where signatures are joined, what
// stands around one becomes the item of the list.
func (m *mapper) signatureHeaders(s *allowlistv1.Signing) {
	s.Headers = make(map[string]string)
	signatures := strings.NewReplacer("${sig}", "${signature}", "${jws}", "${signature}")
	for name, template := range m.p.Headers {
		value := signatures.Replace(times.Replace(template))
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
