package e2e

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A mapper turns a vector's profile into a configuration. Secrets are stored when
// they are first referred to.
type mapper struct {
	t testing.TB
	v vector
	p *vectorProfile
	// store keeps a value in the vault and returns its resource name.
	store func(name string, usage vaultv1.Usage, value string) string
	named map[string]string
}

// word looks a word of the vocabulary up.
func word[T any](t testing.TB, what, text string, known map[string]T) T {
	t.Helper()
	value, ok := known[strings.ToLower(text)]
	if !ok {
		t.Fatalf("the vocabulary has no %s %q", what, text)
	}
	return value
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
	if usage == vaultv1.Usage_USAGE_PARAMETER {
		id += "-parameter" // which a key may be as well
	}
	if m.named[id] == "" {
		m.named[id] = m.store(id, usage, secret.Value)
	}
	return &allowlistv1.SecretRef{Name: m.named[id], Decoding: word(m.t, "decode", secret.Decode, map[string]allowlistv1.Decoding{
		"": allowlistv1.Decoding_DECODING_RAW, "utf8": allowlistv1.Decoding_DECODING_RAW, "raw": allowlistv1.Decoding_DECODING_RAW,
		"hex": allowlistv1.Decoding_DECODING_HEX, "base64": allowlistv1.Decoding_DECODING_BASE64,
		"base64url": allowlistv1.Decoding_DECODING_BASE64URL, "whsec": allowlistv1.Decoding_DECODING_WHSEC,
		"pem": allowlistv1.Decoding_DECODING_PEM, "pemfile": allowlistv1.Decoding_DECODING_PEM,
		"pgp": allowlistv1.Decoding_DECODING_RAW, "pgpfile": allowlistv1.Decoding_DECODING_RAW,
	})}
}

// keys are the references of one word or several.
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

func hashOf(t testing.TB, text string) allowlistv1.Hash {
	t.Helper()
	return word(t, "hash", strings.ReplaceAll(text, "-", ""), map[string]allowlistv1.Hash{
		"": 0, "md5": allowlistv1.Hash_HASH_MD5, "sha1": allowlistv1.Hash_HASH_SHA1, "sha256": allowlistv1.Hash_HASH_SHA256,
		"sha384": allowlistv1.Hash_HASH_SHA384, "sha512": allowlistv1.Hash_HASH_SHA512,
	})
}

func encodingOf(t testing.TB, text string) allowlistv1.Encoding {
	t.Helper()
	return word(t, "encoding", text, map[string]allowlistv1.Encoding{
		"": 0, "base64": allowlistv1.Encoding_ENCODING_BASE64, "base64url": allowlistv1.Encoding_ENCODING_BASE64URL,
		"hex": allowlistv1.Encoding_ENCODING_HEX, "hexupper": allowlistv1.Encoding_ENCODING_HEX_UPPER, "hex_upper": allowlistv1.Encoding_ENCODING_HEX_UPPER,
		"utf8": allowlistv1.Encoding_ENCODING_RAW, "raw": allowlistv1.Encoding_ENCODING_RAW,
	})
}

// profile maps all but a signature's profile and the reply of an exchange.
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
	default:
		m.t.Fatalf("the vocabulary has no kind %q", m.p.Kind)
	}
	if nested := m.p.Nested; nested != nil {
		profile.NestedJws = &allowlistv1.NestedJws{
			Jws: &allowlistv1.Jws{Algorithm: jwsOf(m.t, nested.JWS.Alg)}, Keys: m.keys(nested.JWS.Ref, nil),
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
		"": 0, "error": allowlistv1.Fields_MISSING_ERROR, "skip": allowlistv1.Fields_MISSING_SKIP,
	})
	switch s.Mode {
	case "", "body", "whole":
		return nil
	case "fields":
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
	case "form_fields":
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Form{Form: &allowlistv1.Form{
			Names: s.Names, Missing: missing, SkipEmpty: s.SkipEmpty,
		}}}
	}
	m.t.Fatalf("the vocabulary has no mode %q", s.Mode)
	return nil
}

func (m *mapper) envelope() *allowlistv1.Envelope {
	e := m.p.Envelope
	if e == nil {
		if m.p.Serialization != "flattened" && m.p.ContentType == "" {
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
	case m.p.Serialization == "flattened":
		envelope.Body = &allowlistv1.Envelope_Json{Json: m.flattened()}
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

// flattened is the template of the flattened serialization (RFC 7516 section 7.2.2),
// which has no member for a key that is not sent.
func (m *mapper) flattened() string {
	wrapped := `"encrypted_key":"${encrypted_key}",`
	if m.p.Alg == "dir" || m.p.Alg == "ECDH-ES" {
		wrapped = ""
	}
	return `{"protected":"${protected}",` + wrapped + `"iv":"${iv}","ciphertext":"${ciphertext}","tag":"${tag}"}`
}

func (m *mapper) part(text string) *allowlistv1.Part {
	if literal, ok := strings.CutPrefix(text, "lit:"); ok {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Literal{Literal: literal}}
	}
	return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: word(m.t, "part", text, map[string]allowlistv1.Part_Slot{
		"iv": allowlistv1.Part_SLOT_IV, "ct": allowlistv1.Part_SLOT_CIPHERTEXT, "tag": allowlistv1.Part_SLOT_TAG,
		"salt": allowlistv1.Part_SLOT_SALT, "wrapped_key": allowlistv1.Part_SLOT_WRAPPED_KEY, "mac": allowlistv1.Part_SLOT_MAC,
		"aad": allowlistv1.Part_SLOT_AAD, "ephemeral": allowlistv1.Part_SLOT_EPHEMERAL_KEY,
	})}}
}
