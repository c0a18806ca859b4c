package e2e

import (
	"encoding/json"
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
		// The library that generates 16 bytes is the one that leaves `/` in its base64url.
		jose.Compatibility = &allowlistv1.JoseCompatibility{GcmIvBytes: 16, LenientBase64: true}
	}
	jose.Header, jose.IssuedAt = m.joseHeader(m.p.ProtectedHeader)
	return jose
}

// passphraseJWE replaces a profile with PBES2, which Keyward does not support. It has another
// algorithm, so that a message is refused before any key is derived.
func (m *mapper) passphraseJWE() *allowlistv1.Jose {
	name := m.store("instead", vaultv1.Usage_USAGE_KEY, strings.Repeat("00", 32))
	return &allowlistv1.Jose{
		KeyManagement: allowlistv1.Jose_KEY_MANAGEMENT_A256KW, ContentEncryption: allowlistv1.Jose_CONTENT_ENCRYPTION_A256GCM,
		Keys: []*allowlistv1.SecretRef{{Name: name, Decoding: allowlistv1.Decoding_DECODING_HEX}},
	}
}

// joseHeader maps the members of a protected header that an algorithm does not set.
func (m *mapper) joseHeader(members map[string]any) (header map[string]string, issued allowlistv1.IssuedAt) {
	for name, value := range members {
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

// signing maps a signature. A template for the body becomes an envelope without a cipher.
func (m *mapper) signing(profile *allowlistv1.Profile) *allowlistv1.Signing {
	m.t.Helper()
	s := &allowlistv1.Signing{Keys: m.keys(m.p.Ref, m.p.Refs), Encoding: encodingOf(m.t, m.p.Enc), Input: m.input()}
	switch m.p.Scheme {
	case "mac", "hmac":
		s.Scheme = &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: macOf(m.t, m.p.Alg)}}
	case "digest", "secret_digest":
		s.Scheme = &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{Hash: hashOf(m.t, m.p.Alg)}}
	case "asym", "asymmetric":
		s.Scheme = &allowlistv1.Signing_Asymmetric{Asymmetric: &allowlistv1.Asymmetric{Algorithm: asymmetricOf(m.t, m.p.Alg)}}
	case "jws_detached", "detached_jws":
		s.Scheme = &allowlistv1.Signing_Jws{Jws: m.jws()}
	default:
		m.t.Fatalf("the vocabulary has no scheme %q", m.p.Scheme)
	}
	if m.p.BodyTemplate != "" {
		profile.Envelope = m.bodyTemplate()
	}
	if seconds := m.p.Tolerance + m.p.ToleranceS; seconds != 0 {
		s.Tolerance = durationpb.New(time.Duration(seconds) * time.Second)
	}
	m.signatureHeaders(s)
	return s
}

func (m *mapper) jws() *allowlistv1.Jws {
	m.t.Helper()
	header, issued := m.joseHeader(m.p.ProtectedHeader)
	return &allowlistv1.Jws{
		Algorithm: jwsOf(m.t, m.p.Alg), UnencodedPayload: m.p.B64 != nil && !*m.p.B64, Header: header, IssuedAt: issued,
	}
}

var (
	placeholder = regexp.MustCompile(`\$\{[^}]*\}`)
	bodyWord    = regexp.MustCompile(`^body(?:_(md5|sha1|sha256|sha384|sha512))?(?:_([a-z0-9_]+))?$`)
	times       = strings.NewReplacer(
		"${ts}", "${timestamp}", "${ts_s}", "${timestamp}", "${ts_ms}", "${timestamp_ms}", "${ts_rfc3339}", "${timestamp_rfc3339}",
		"${ts_iso}", "${timestamp_rfc3339}", "${nonce}", "${id}", "${msg_id}", "${id}", "${content_type}", "${content_type}",
	)
)

// bodyTemplate maps a template for the body, which contains the encoded payload.
func (m *mapper) bodyTemplate() *allowlistv1.Envelope {
	blob := &allowlistv1.Blob{Encoding: allowlistv1.Encoding_ENCODING_RAW, Parts: []*allowlistv1.Part{m.part("ct")}}
	text := placeholder.ReplaceAllStringFunc(m.p.BodyTemplate, func(hole string) string {
		if _, encoding, encoded := strings.Cut(strings.Trim(hole, "${}"), "body_"); encoded {
			blob.Encoding = encodingOf(m.t, encoding)
		}
		return "${body}"
	})
	envelope := &allowlistv1.Envelope{Blobs: map[string]*allowlistv1.Blob{"body": blob}, Body: &allowlistv1.Envelope_Text{Text: text}}
	if json.Valid([]byte(text)) {
		envelope.Body = &allowlistv1.Envelope_Json{Json: text}
	}
	return envelope
}

// input maps the template of the signed string. With a template for the body, the partner's body
// is the content of that template.
func (m *mapper) input() string {
	body := "body"
	if m.p.BodyTemplate != "" {
		body = "plaintext"
	}
	return placeholder.ReplaceAllStringFunc(m.p.Input, func(hole string) string {
		of := bodyWord.FindStringSubmatch(hole[2 : len(hole)-1])
		if of == nil {
			return times.Replace(hole)
		}
		made := "${" + body
		if of[1] != "" {
			made += "|" + of[1]
		}
		if of[1] != "" || of[2] != "" {
			made += "|" + functionOf(m.t, of[2])
		}
		return made + "}"
	})
}

// signatureHeaders maps the templates of the headers. If signatures are joined, the text around
// one becomes the item of the list.
func (m *mapper) signatureHeaders(s *allowlistv1.Signing) {
	s.Headers = make(map[string]string)
	signatures := strings.NewReplacer("${sig}", "${signature}", "${jws}", "${signature}", "${mac}", "${signature}")
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
