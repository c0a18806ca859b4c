package e2e

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A mapper converts a vector's profile to a configuration. It stores secrets at their first
// reference.
type mapper struct {
	t testing.TB
	v vector
	p *vectorProfile
	// store stores a value in the vault and returns its resource name.
	store func(name string, usage vaultv1.Usage, value string) string
	named map[string]string
}

func (m *mapper) key(name string) *allowlistv1.SecretRef { return m.ref(name, vaultv1.Usage_USAGE_KEY) }

func (m *mapper) parameter(name string) *allowlistv1.SecretRef {
	return m.ref(name, vaultv1.Usage_USAGE_PARAMETER)
}

func (m *mapper) ref(name string, usage vaultv1.Usage) *allowlistv1.SecretRef {
	m.t.Helper()
	secret, ok := m.v.Secrets[name]
	if !ok {
		m.t.Fatalf("the vector has no secret %q", name)
	}
	id := name
	if usage == vaultv1.Usage_USAGE_KEY && m.p.IV.Source == "key_prefix" {
		usage = vaultv1.Usage_USAGE_EXPOSED_KEY
	}
	if usage == vaultv1.Usage_USAGE_PARAMETER {
		id += "-parameter" // which also fits a key
	}
	if m.named[id] == "" {
		m.named[id] = m.store(id, usage, secret.Value)
	}
	return &allowlistv1.SecretRef{Name: m.named[id], Decoding: decodingOf(m.t, secret.Decode)}
}

// keys returns the references of one or several words.
func (m *mapper) keys(one string, several []string) []*allowlistv1.SecretRef {
	if len(several) == 0 {
		several = []string{one}
	}
	refs := make([]*allowlistv1.SecretRef, len(several))
	for i, name := range several {
		refs[i] = m.key(name)
	}
	return refs
}

// profile maps everything except a signature's profile and the reply of an exchange.
func (m *mapper) profile() *allowlistv1.Profile {
	m.t.Helper()
	profile := &allowlistv1.Profile{Selection: m.selection(), Envelope: m.envelope()}
	switch m.p.Kind {
	case "cipher":
		profile.Kind = &allowlistv1.Profile_Cipher{Cipher: m.cipher()}
	case "rsa_direct":
		profile.Kind = &allowlistv1.Profile_RsaDirect{RsaDirect: m.rsaDirect()}
	case "jwe", "jose":
		profile.Kind = &allowlistv1.Profile_Jose{Jose: m.jose()}
	case "pgp":
		profile.Kind = &allowlistv1.Profile_Pgp{Pgp: m.pgp()}
	case "sign":
		profile.Signing = m.signing(profile)
	case "jws": // attached: the body is the signature
		header, issued := m.joseHeader(m.p.ProtectedHeader)
		profile.NestedJws = &allowlistv1.NestedJws{
			Jws: &allowlistv1.Jws{Algorithm: jwsOf(m.t, m.p.Alg), Header: header, IssuedAt: issued}, Keys: m.keys(m.p.Ref, m.p.Refs),
		}
	default:
		m.t.Fatalf("the vocabulary has no kind %q", m.p.Kind)
	}
	if nested := m.p.Nested; nested != nil {
		header, issued := m.joseHeader(nested.JWS.ProtectedHeader)
		profile.NestedJws = &allowlistv1.NestedJws{
			Jws:  &allowlistv1.Jws{Algorithm: jwsOf(m.t, nested.JWS.Alg), Header: header, IssuedAt: issued},
			Keys: m.keys(nested.JWS.Ref, nested.JWS.Refs),
		}
	}
	return profile
}

func (m *mapper) pgp() *allowlistv1.Pgp {
	m.t.Helper()
	pgp := &allowlistv1.Pgp{Keys: m.keys(m.p.Ref, m.p.Refs), Binary: m.p.Armor != nil && !*m.p.Armor}
	if m.p.Passphrase != "" {
		pgp.Passphrase = m.key(m.p.Passphrase)
	}
	if m.p.Signer != "" {
		pgp.SigningKeys = m.keys(m.p.Signer, nil)
	}
	return pgp
}

func (m *mapper) selection() *allowlistv1.Selection {
	s := m.p.Select
	if s == nil {
		return nil
	}
	missing := word(m.t, "on_missing", s.OnMissing, map[string]allowlistv1.Fields_Missing{
		"": 0, "error": allowlistv1.Fields_MISSING_ERROR, "fail": allowlistv1.Fields_MISSING_ERROR,
		"skip": allowlistv1.Fields_MISSING_SKIP, "ignore": allowlistv1.Fields_MISSING_SKIP,
	})
	switch s.Mode {
	case "", "body", "whole", "whole_body":
		return nil
	case "fields":
		if path, ok := m.oneDocument(); ok {
			return &allowlistv1.Selection{Part: &allowlistv1.Selection_Object{Object: &allowlistv1.ObjectAt{Path: path}}}
		}
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Fields{Fields: &allowlistv1.Fields{
			Paths: s.Paths, Missing: missing, SkipEmpty: s.SkipEmpty,
			ValueForm: word(m.t, "value_form", s.ValueForm, map[string]allowlistv1.Fields_ValueForm{
				"": 0, "json": allowlistv1.Fields_VALUE_FORM_JSON, "string": allowlistv1.Fields_VALUE_FORM_STRING,
			}),
		}}}
	case "object":
		if s.Path == "$" {
			return nil
		}
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Object{Object: &allowlistv1.ObjectAt{Path: s.Path}}}
	case "form_fields", "form":
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Form{Form: &allowlistv1.Form{
			Names: slices.Concat(s.Names, s.Paths), Missing: missing, SkipEmpty: s.SkipEmpty,
		}}}
	}
	m.t.Fatalf("the vocabulary has no mode %q", s.Mode)
	return nil
}

// oneDocument returns the path of a field that is replaced by a document; the model has an object
// there.
func (m *mapper) oneDocument() (path string, ok bool) {
	s := m.p.Select
	ok = m.p.Envelope != nil && m.p.Envelope.JSON != nil && len(s.Paths) == 1 && !strings.Contains(s.Paths[0], "*") && s.ValueForm != "string"
	return s.Paths[0], ok
}

func (m *mapper) envelope() *allowlistv1.Envelope {
	e := m.p.Envelope
	document := m.document()
	if e == nil {
		if document == "" && m.p.ContentType == "" {
			return nil
		}
		e = &vectorEnvelope{}
	}
	envelope := &allowlistv1.Envelope{Headers: e.Headers, ContentType: m.p.ContentType, Encoding: encodingOf(m.t, e.OuterEnc)}
	switch {
	case e.JSON != nil:
		var text bytes.Buffer
		if err := json.Compact(&text, e.JSON); err != nil {
			m.t.Fatal(err)
		}
		envelope.Body = &allowlistv1.Envelope_Json{Json: strings.ReplaceAll(text.String(), `"*"`, `"${*}"`)}
	case document != "":
		envelope.Body = &allowlistv1.Envelope_Json{Json: document}
	case e.Text != nil:
		envelope.Body = &allowlistv1.Envelope_Text{Text: *e.Text}
	}
	for name, b := range e.Blobs {
		if envelope.Blobs == nil {
			envelope.Blobs = make(map[string]*allowlistv1.Blob)
		}
		blob := &allowlistv1.Blob{Encoding: encodingOf(m.t, b.Enc)}
		for _, part := range b.Parts {
			blob.Parts = append(blob.Parts, m.part(part))
		}
		envelope.Blobs[name] = blob
	}
	return envelope
}

// document is the template of a JSON serialization (RFC 7516 section 7.2), flattened or with one
// recipient. It has no member for a key that is not sent.
func (m *mapper) document() string {
	wrapped := `"encrypted_key":"${encrypted_key}"`
	if m.p.Alg == "dir" || m.p.Alg == "ECDH-ES" {
		wrapped = ""
	}
	switch m.p.Serialization {
	case "flattened", "flattened_json", "json":
		if wrapped != "" {
			wrapped += ","
		}
	case "general", "general_json":
		wrapped = `"recipients":[{` + wrapped + `}],`
	default:
		return ""
	}
	return `{"protected":"${protected}",` + wrapped + `"iv":"${iv}","ciphertext":"${ciphertext}","tag":"${tag}"}`
}

func (m *mapper) part(text string) *allowlistv1.Part {
	if literal, ok := strings.CutPrefix(text, "lit:"); ok {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Literal{Literal: literal}}
	}
	if text == "fingerprint" && m.p.Wrap != nil && strings.Contains(strings.ToLower(m.p.Wrap.Fingerprint), "cert") {
		text = "certificate_sha256"
	}
	return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slotOf(m.t, text)}}
}
