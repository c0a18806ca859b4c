package payload_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// neutral is the profile of a vector.
type neutral struct {
	Kind, Alg, Ref, Enc, Scheme string
	Refs                        []string
	Content                     struct {
		Alg, Padding string
		TagLen       uint32 `json:"tag_len"`
	}
	Key struct {
		Ref     string
		Refs    []string
		Derive  *derive
		Session *struct {
			Len  uint32
			Form string
		}
	}
	Wrap struct{ Alg, Hash, MGF, Ref string }
	IV   struct {
		Source, Ref, Placement string
		Len                    uint32
	}
	AAD    struct{ Source, Value string }
	MAC    *struct{ Alg, Ref, Input string }
	Nested struct{ JWS struct{ Alg, Ref string } }
	Select struct {
		Mode, Path string
		Paths      []string
		Names      []string
		ValueForm  string `json:"value_form"`
		SkipEmpty  bool   `json:"skip_empty"`
	}
	Envelope struct {
		Text  string
		JSON  json.RawMessage
		Outer string `json:"outer_enc"`
		Blobs map[string]struct {
			Parts []string
			Enc   string
		}
		Headers map[string]string
	}
	IVLen        uint32 `json:"iv_len"`
	Headers      map[string]string
	Input        string
	Join         string
	Body         string `json:"body_template"`
	B64          *bool
	Protected    map[string]any `json:"protected_header"`
	ContentType  string         `json:"content_type"`
	Armor        bool
	Serialized   string `json:"serialization"`
	referenceFor func(t *testing.T, name string) *allowlistv1.SecretRef
}

type derive struct {
	Type, Hash, Salt, Form, Info string
	Iterations                   uint32
	SaltLen                      uint32 `json:"salt_len"`
}

// profile maps a neutral profile to ours.
func (n neutral) profile(t *testing.T, ref func(*testing.T, string) *allowlistv1.SecretRef) *allowlistv1.Profile {
	t.Helper()
	n.referenceFor = ref
	p := &allowlistv1.Profile{Envelope: n.envelope(t), Selection: n.selection(t)}
	if n.Nested.JWS.Alg != "" {
		p.NestedJws = &allowlistv1.NestedJws{
			Jws:  &allowlistv1.Jws{Algorithm: known[allowlistv1.Jws_Algorithm](t, allowlistv1.Jws_Algorithm_value, "ALGORITHM_", n.Nested.JWS.Alg)},
			Keys: []*allowlistv1.SecretRef{ref(t, n.Nested.JWS.Ref)},
		}
	}
	switch n.Kind {
	case "sign":
		p.Signing = n.signing(t)
	case "rsa_direct":
		p.Kind = &allowlistv1.Profile_RsaDirect{RsaDirect: &allowlistv1.RsaDirect{
			Padding: &allowlistv1.RsaDirect_Pkcs1V15{Pkcs1V15: &allowlistv1.RsaPkcs1V15{}}, Keys: []*allowlistv1.SecretRef{ref(t, n.Wrap.Ref)},
		}}
	case "jwe":
		p.Kind = &allowlistv1.Profile_Jose{Jose: n.jose(t)}
	case "pgp":
		p.Kind = &allowlistv1.Profile_Pgp{Pgp: &allowlistv1.Pgp{Keys: []*allowlistv1.SecretRef{ref(t, n.Ref)}, Binary: !n.Armor}}
	default:
		p.Kind = &allowlistv1.Profile_Cipher{Cipher: n.cipher(t)}
	}
	return p
}

func (n neutral) jose(t *testing.T) *allowlistv1.Jose {
	t.Helper()
	j := &allowlistv1.Jose{
		KeyManagement:     known[allowlistv1.Jose_KeyManagement](t, allowlistv1.Jose_KeyManagement_value, "KEY_MANAGEMENT_", n.Alg),
		ContentEncryption: known[allowlistv1.Jose_ContentEncryption](t, allowlistv1.Jose_ContentEncryption_value, "CONTENT_ENCRYPTION_", n.Enc),
		Keys:              []*allowlistv1.SecretRef{n.referenceFor(t, n.Ref)},
	}
	if n.IVLen == 16 {
		j.Compatibility = &allowlistv1.JoseCompatibility{GcmIvBytes: 16, LenientBase64: true}
	}
	return j
}

func (n neutral) cipher(t *testing.T) *allowlistv1.Cipher {
	t.Helper()
	c := &allowlistv1.Cipher{
		Algorithm: known[allowlistv1.Cipher_Algorithm](t, allowlistv1.Cipher_Algorithm_value, "ALGORITHM_", strings.Replace(n.Content.Alg, "3DES", "TRIPLE_DES", 1)),
		TagBytes:  n.Content.TagLen, Iv: n.iv(t),
	}
	if strings.Contains(n.Content.Alg, "CHACHA") {
		c.TagBytes = 0
	}
	switch session := n.Key.Session; {
	case session != nil:
		c.Key = &allowlistv1.Cipher_SessionKey{SessionKey: n.session(t)}
	case n.IV.Source == "peer_flipped":
		c.Key = &allowlistv1.Cipher_ExchangeKey{ExchangeKey: &allowlistv1.ExchangeKey{}}
	default:
		shared := &allowlistv1.SharedKey{Derivation: n.derivation(t)}
		for _, ref := range append(n.Key.Refs, n.Key.Ref) {
			if ref != "" {
				shared.Keys = append(shared.Keys, n.referenceFor(t, ref))
			}
		}
		c.Key = &allowlistv1.Cipher_SharedKey{SharedKey: shared}
	}
	switch n.AAD.Source {
	case "static":
		c.Aad = &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_Text{Text: n.AAD.Value}}
	case "part":
		c.Aad = &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_Sent{Sent: "transaction"}}
	}
	if n.MAC != nil { // all have the cipher's own key
		c.Mac = &allowlistv1.EncryptThenMac{
			Algorithm: known[allowlistv1.Mac_Algorithm](t, allowlistv1.Mac_Algorithm_value, "ALGORITHM_", n.MAC.Alg), Input: n.MAC.Input,
		}
	}
	return c
}

func (n neutral) session(t *testing.T) *allowlistv1.SessionKey {
	t.Helper()
	s := &allowlistv1.SessionKey{Keys: []*allowlistv1.SecretRef{n.referenceFor(t, n.Wrap.Ref)}}
	if n.Key.Session.Form == "ascii" {
		s.Form = allowlistv1.SessionKey_FORM_ALPHANUMERIC
	}
	switch n.Wrap.Alg {
	case "RSA-OAEP":
		s.Wrap = &allowlistv1.SessionKey_RsaOaep{RsaOaep: &allowlistv1.RsaOaep{
			Hash: known[allowlistv1.Hash](t, allowlistv1.Hash_value, "HASH_", n.Wrap.Hash), Mgf1Hash: known[allowlistv1.Hash](t, allowlistv1.Hash_value, "HASH_", n.Wrap.MGF),
		}}
	case "AES-KW":
		s.Wrap = &allowlistv1.SessionKey_AesKw{AesKw: &allowlistv1.AesKeyWrap{}}
	default:
		s.Wrap = &allowlistv1.SessionKey_RsaPkcs1V15{RsaPkcs1V15: &allowlistv1.RsaPkcs1V15{}}
	}
	return s
}

func (n neutral) iv(t *testing.T) *allowlistv1.Iv {
	t.Helper()
	if n.IV.Source == "none" {
		return nil
	}
	words := map[string]string{"random_ascii": "RANDOM_TEXT", "kdf": "DERIVED"}
	iv := &allowlistv1.Iv{Bytes: n.IV.Len}
	word, ok := words[n.IV.Source]
	if !ok {
		word = n.IV.Source
	}
	if n.IV.Placement == "plaintext_prefix" {
		word = "IN_PLAINTEXT"
	}
	iv.Source = known[allowlistv1.Iv_Source](t, allowlistv1.Iv_Source_value, "SOURCE_", word)
	if iv.GetSource() == allowlistv1.Iv_SOURCE_STATIC {
		iv.Secret = n.referenceFor(t, n.IV.Ref)
	}
	return iv
}

func (n neutral) derivation(t *testing.T) *allowlistv1.Derivation {
	t.Helper()
	from := n.Key.Derive
	if from == nil {
		return nil
	}
	hash := known[allowlistv1.Hash](t, allowlistv1.Hash_value, "HASH_", from.Hash)
	d := new(allowlistv1.Derivation)
	switch from.Type {
	case "digest":
		d.Function = &allowlistv1.Derivation_Digest{Digest: &allowlistv1.DigestDerivation{Hash: hash}}
	case "evp_bytes_to_key":
		d.Function = &allowlistv1.Derivation_EvpBytesToKey{EvpBytesToKey: &allowlistv1.EvpBytesToKey{Hash: hash, Iterations: from.Iterations}}
	case "pbkdf2":
		d.Function = &allowlistv1.Derivation_Pbkdf2{Pbkdf2: &allowlistv1.Pbkdf2{Hash: hash, Iterations: from.Iterations}}
	case "hkdf":
		d.Function = &allowlistv1.Derivation_Hkdf{Hkdf: &allowlistv1.Hkdf{Hash: hash, Info: from.Info}}
	default:
		t.Fatalf("the vocabulary has no derivation %s", from.Type)
	}
	if name, ok := strings.CutPrefix(from.Salt, "ref:"); ok {
		d.Salt = &allowlistv1.Salt{Source: &allowlistv1.Salt_Secret{Secret: n.referenceFor(t, name)}}
	} else if from.Salt == "part" {
		d.Salt = &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: from.SaltLen}}
	}
	return d
}

func (n neutral) selection(t *testing.T) *allowlistv1.Selection {
	t.Helper()
	switch n.Select.Mode {
	case "":
		return nil
	case "object":
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Object{Object: &allowlistv1.ObjectAt{Path: n.Select.Path}}}
	case "form_fields":
		return &allowlistv1.Selection{Part: &allowlistv1.Selection_Form{Form: &allowlistv1.Form{Names: n.Select.Names}}}
	}
	form := known[allowlistv1.Fields_ValueForm](t, allowlistv1.Fields_ValueForm_value, "VALUE_FORM_", n.Select.ValueForm)
	return &allowlistv1.Selection{Part: &allowlistv1.Selection_Fields{Fields: &allowlistv1.Fields{
		Paths: n.Select.Paths, ValueForm: form, SkipEmpty: n.Select.SkipEmpty,
	}}}
}

func (n neutral) envelope(t *testing.T) *allowlistv1.Envelope {
	t.Helper()
	if n.Body != "" { // the bytes themselves in a JSON document
		return &allowlistv1.Envelope{Body: &allowlistv1.Envelope_Json{Json: strings.ReplaceAll(n.Body, "${body_b64}", "${data}")}}
	}
	if n.Kind == "sign" || n.Kind == "pgp" {
		return nil
	}
	envelope := &allowlistv1.Envelope{
		Blobs: map[string]*allowlistv1.Blob{}, Body: &allowlistv1.Envelope_Text{Text: n.Envelope.Text},
		Headers: n.Envelope.Headers, Encoding: encoding(t, n.Envelope.Outer),
	}
	if document := n.Envelope.JSON; document != nil {
		var compact bytes.Buffer
		if err := json.Compact(&compact, document); err != nil {
			t.Fatal(err)
		}
		envelope.Body = &allowlistv1.Envelope_Json{Json: strings.ReplaceAll(compact.String(), `"*"`, `"${*}"`)}
	}
	if n.Select.Mode == "form_fields" {
		envelope.ContentType = n.ContentType
	}
	for name, blob := range n.Envelope.Blobs {
		pb := &allowlistv1.Blob{Encoding: encoding(t, blob.Enc)}
		for _, part := range blob.Parts {
			pb.Parts = append(pb.Parts, partOf(part))
		}
		envelope.Blobs[name] = pb
	}
	return envelope
}

func partOf(word string) *allowlistv1.Part {
	if literal, ok := strings.CutPrefix(word, "lit:"); ok {
		return &allowlistv1.Part{Piece: &allowlistv1.Part_Literal{Literal: literal}}
	}
	slots := map[string]allowlistv1.Part_Slot{
		"iv": allowlistv1.Part_SLOT_IV, "ct": allowlistv1.Part_SLOT_CIPHERTEXT, "tag": allowlistv1.Part_SLOT_TAG,
		"salt": allowlistv1.Part_SLOT_SALT, "wrapped_key": allowlistv1.Part_SLOT_WRAPPED_KEY, "mac": allowlistv1.Part_SLOT_MAC,
		"aad": allowlistv1.Part_SLOT_AAD, "ephemeral": allowlistv1.Part_SLOT_EPHEMERAL_KEY,
	}
	return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slots[word]}}
}

func (n neutral) signing(t *testing.T) *allowlistv1.Signing {
	t.Helper()
	words := strings.NewReplacer("${sig}", "${signature}", "${jws}", "${signature}", "${ts}", "${timestamp}", "${body_b64}", "${plaintext|base64}")
	s := &allowlistv1.Signing{Headers: map[string]string{}, Input: words.Replace(n.Input), Encoding: encoding(t, n.Enc)}
	for name, value := range n.Headers {
		value = words.Replace(value)
		if n.Join != "" && strings.Contains(value, "${signature}") {
			s.List = &allowlistv1.SignatureList{Item: value, Separator: n.Join}
			value = "${signatures}"
		}
		s.Headers[name] = value
	}
	refs := n.Refs
	if refs == nil {
		refs = []string{n.Ref}
	}
	for _, ref := range refs {
		s.Keys = append(s.Keys, n.referenceFor(t, ref))
	}
	switch n.Scheme {
	case "mac":
		s.Scheme = &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{
			Algorithm: known[allowlistv1.Mac_Algorithm](t, allowlistv1.Mac_Algorithm_value, "ALGORITHM_", n.Alg),
		}}
	case "digest":
		s.Scheme = &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{
			Hash: known[allowlistv1.Hash](t, allowlistv1.Hash_value, "HASH_", n.Alg),
		}}
	case "asym":
		s.Scheme = &allowlistv1.Signing_Asymmetric{Asymmetric: &allowlistv1.Asymmetric{Algorithm: allowlistv1.Asymmetric_ALGORITHM_RSA_PKCS1V15_SHA256}}
	case "jws_detached":
		kid, _ := n.Protected["kid"].(string)
		s.Scheme = &allowlistv1.Signing_Jws{Jws: &allowlistv1.Jws{
			Algorithm: known[allowlistv1.Jws_Algorithm](t, allowlistv1.Jws_Algorithm_value, "ALGORITHM_", n.Alg),
			Header:    map[string]string{"kid": kid}, UnencodedPayload: n.B64 != nil && !*n.B64,
		}}
		s.Encoding = allowlistv1.Encoding_ENCODING_UNSPECIFIED
	}
	return s
}

// asked returns a profile whose messages are answered under their own key.
func asked() *allowlistv1.Profile {
	return &allowlistv1.Profile{
		Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
			Algorithm: allowlistv1.Cipher_ALGORITHM_AES_128_GCM, Iv: &allowlistv1.Iv{Bytes: 16},
			Key: &allowlistv1.Cipher_SessionKey{SessionKey: &allowlistv1.SessionKey{
				Wrap: &allowlistv1.SessionKey_RsaOaep{RsaOaep: &allowlistv1.RsaOaep{}},
				Keys: []*allowlistv1.SecretRef{{Name: "workspaces/acme/secrets/rsa", Decoding: allowlistv1.Decoding_DECODING_PEM}},
			}},
		}},
		Envelope: &allowlistv1.Envelope{
			Blobs: map[string]*allowlistv1.Blob{
				"c": {Parts: []*allowlistv1.Part{partOf("ct"), partOf("tag")}}, "k": {Parts: []*allowlistv1.Part{partOf("wrapped_key")}},
				"i": {Parts: []*allowlistv1.Part{partOf("iv")}},
			},
			Body: &allowlistv1.Envelope_Json{Json: `{"encrypted_flow_data":"${c}","encrypted_aes_key":"${k}","initial_vector":"${i}"}`},
		},
	}
}

func encoding(t *testing.T, word string) allowlistv1.Encoding {
	t.Helper()
	if word == "" {
		return allowlistv1.Encoding_ENCODING_UNSPECIFIED
	}
	word = strings.NewReplacer("hexupper", "HEX_UPPER", "utf8", "RAW").Replace(word)
	return known[allowlistv1.Encoding](t, allowlistv1.Encoding_value, "ENCODING_", word)
}

// known finds the enum value for a word of the vocabulary.
func known[E ~int32](t *testing.T, values map[string]int32, prefix, word string) E {
	t.Helper()
	value, ok := values[prefix+strings.NewReplacer("-", "_", "+", "_").Replace(strings.ToUpper(word))]
	if !ok {
		t.Fatalf("the vocabulary has no %s%s", prefix, word)
	}
	return E(value)
}
