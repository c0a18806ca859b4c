package e2e

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func (m *mapper) cipher() *allowlistv1.Cipher {
	m.t.Helper()
	cipher := &allowlistv1.Cipher{Algorithm: m.algorithm(), Iv: m.iv(), Aad: m.aad()}
	if tag := m.p.Content.TagLen; tag != 0 && tag != 16 {
		cipher.TagBytes = tag
	}
	if blocks := strings.Contains(cipher.GetAlgorithm().String(), "CBC") || strings.Contains(cipher.GetAlgorithm().String(), "ECB"); blocks {
		cipher.Padding = word(m.t, "padding", m.p.Content.Padding, map[string]allowlistv1.Cipher_Padding{
			"": 0, "pkcs7": allowlistv1.Cipher_PADDING_PKCS7, "pkcs5": allowlistv1.Cipher_PADDING_PKCS7,
			"none": allowlistv1.Cipher_PADDING_NONE, "zero": allowlistv1.Cipher_PADDING_ZERO,
		})
	}
	m.cipherKey(cipher)
	if mac := m.p.Mac; mac != nil {
		cipher.Mac = &allowlistv1.EncryptThenMac{Algorithm: macOf(m.t, mac.Alg), Input: mac.Input}
		if mac.Ref != "" && mac.Ref != m.p.Key.Ref {
			cipher.Mac.Key = m.key(mac.Ref)
		}
	}
	return cipher
}

func (m *mapper) algorithm() allowlistv1.Cipher_Algorithm {
	name := strings.ToUpper(strings.ReplaceAll(m.p.Content.Alg, "-", "_"))
	name = strings.NewReplacer("3DES_EDE", "TRIPLE_DES", "3DES", "TRIPLE_DES", "DES_EDE3", "TRIPLE_DES").Replace(name)
	number, ok := allowlistv1.Cipher_Algorithm_value["ALGORITHM_"+name]
	if !ok {
		m.t.Fatalf("the vocabulary has no alg %q", m.p.Content.Alg)
	}
	return allowlistv1.Cipher_Algorithm(number)
}

func (m *mapper) cipherKey(cipher *allowlistv1.Cipher) {
	key := m.p.Key
	switch {
	case key.Session != nil:
		session := &allowlistv1.SessionKey{
			Form: word(m.t, "form", key.Session.Form, map[string]allowlistv1.SessionKey_Form{
				"": 0, "raw": allowlistv1.SessionKey_FORM_RAW,
				"ascii": allowlistv1.SessionKey_FORM_ALPHANUMERIC, "ascii_alnum": allowlistv1.SessionKey_FORM_ALPHANUMERIC,
				"base64": allowlistv1.SessionKey_FORM_BASE64, "base64_text": allowlistv1.SessionKey_FORM_BASE64,
				"hex": allowlistv1.SessionKey_FORM_HEX, "hex_text": allowlistv1.SessionKey_FORM_HEX,
			}),
			Derivation: m.derivation(first(key.Session.Derive, key.Derive)),
		}
		if session.GetDerivation() != nil {
			session.Bytes = key.Session.Len
		}
		m.wrap(session)
		cipher.Key = &allowlistv1.Cipher_SessionKey{SessionKey: session}
	case key.Ecdh != nil:
		curve := word(m.t, "curve", key.Ecdh.Curve, map[string]allowlistv1.Ecdh_Curve{
			"x25519": allowlistv1.Ecdh_CURVE_X25519, "p-256": allowlistv1.Ecdh_CURVE_P256, "p256": allowlistv1.Ecdh_CURVE_P256,
		})
		cipher.Key = &allowlistv1.Cipher_Ecdh{Ecdh: &allowlistv1.Ecdh{
			Curve: curve, Keys: m.keys(key.Ecdh.Ref, nil), Derivation: m.derivation(first(key.Ecdh.Derive, key.Derive)),
		}}
	default:
		cipher.Key = &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{
			Keys: m.keys(key.Ref, key.Refs), Derivation: m.derivation(key.Derive),
		}}
	}
}

func first(some ...*vectorDerive) *vectorDerive {
	for _, d := range some {
		if d != nil {
			return d
		}
	}
	return nil
}

func (m *mapper) wrap(session *allowlistv1.SessionKey) {
	w := m.p.Wrap
	if w == nil {
		m.t.Fatal("a session key without a wrap")
	}
	session.Keys = m.keys(w.Ref, w.Refs)
	switch strings.ToUpper(w.Alg) {
	case "RSA-OAEP":
		session.Wrap = &allowlistv1.SessionKey_RsaOaep{RsaOaep: m.oaep(w)}
	case "RSA-PKCS1V15":
		session.Wrap = &allowlistv1.SessionKey_RsaPkcs1V15{RsaPkcs1V15: &allowlistv1.RsaPkcs1V15{}}
	case "AES-KW":
		session.Wrap = &allowlistv1.SessionKey_AesKw{AesKw: &allowlistv1.AesKeyWrap{}}
	default:
		m.t.Fatalf("the vocabulary has no wrap %q", w.Alg)
	}
}

func (m *mapper) oaep(w *vectorWrap) *allowlistv1.RsaOaep {
	return &allowlistv1.RsaOaep{Hash: hashOf(m.t, w.Hash), Mgf1Hash: hashOf(m.t, w.Mgf), Label: w.Label}
}

func (m *mapper) rsaDirect() *allowlistv1.RsaDirect {
	if m.p.Wrap == nil {
		m.t.Fatal("RSA without a wrap")
	}
	direct := &allowlistv1.RsaDirect{Keys: m.keys(m.p.Wrap.Ref, m.p.Wrap.Refs)}
	switch strings.ToUpper(m.p.Wrap.Alg) {
	case "RSA-OAEP":
		direct.Padding = &allowlistv1.RsaDirect_Oaep{Oaep: m.oaep(m.p.Wrap)}
	case "RSA-PKCS1V15":
		direct.Padding = &allowlistv1.RsaDirect_Pkcs1V15{Pkcs1V15: &allowlistv1.RsaPkcs1V15{}}
	default:
		m.t.Fatalf("the vocabulary has no wrap %q", m.p.Wrap.Alg)
	}
	return direct
}

func (m *mapper) derivation(d *vectorDerive) *allowlistv1.Derivation {
	if d == nil {
		return nil
	}
	derivation := &allowlistv1.Derivation{Salt: m.salt(d)}
	switch d.Type {
	case "", "none":
		return nil
	case "digest":
		take := d.Take
		if take == 0 && d.Len != 0 {
			take = d.Len
		}
		derivation.Function = &allowlistv1.Derivation_Digest{Digest: &allowlistv1.DigestDerivation{
			Hash: hashOf(m.t, d.Hash), Encoding: encodingOf(m.t, d.Form), Take: take,
		}}
	case "evp_bytes_to_key":
		derivation.Function = &allowlistv1.Derivation_EvpBytesToKey{EvpBytesToKey: &allowlistv1.EvpBytesToKey{
			Hash: hashOf(m.t, d.Hash), Iterations: d.Iterations,
		}}
	case "pbkdf2":
		derivation.Function = &allowlistv1.Derivation_Pbkdf2{Pbkdf2: &allowlistv1.Pbkdf2{Hash: hashOf(m.t, d.Hash), Iterations: d.Iterations}}
	case "scrypt":
		derivation.Function = &allowlistv1.Derivation_Scrypt{Scrypt: &allowlistv1.Scrypt{N: d.N, R: d.R, P: d.P}}
	case "hkdf":
		derivation.Function = &allowlistv1.Derivation_Hkdf{Hkdf: &allowlistv1.Hkdf{Hash: hashOf(m.t, d.Hash), Info: d.Info}}
	default:
		m.t.Fatalf("the vocabulary has no derivation %q", d.Type)
	}
	return derivation
}

// salt maps the salt of a derivation. One that is written out is public, and so is a
// PARAMETER.
func (m *mapper) salt(d *vectorDerive) *allowlistv1.Salt {
	kind, rest, _ := strings.Cut(d.Salt, ":")
	switch kind {
	case "", "none":
		return nil
	case "part":
		return &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: d.SaltLen}}
	case "ref":
		return &allowlistv1.Salt{Source: &allowlistv1.Salt_Secret{Secret: m.parameter(rest)}}
	case "static", "utf8", "hex":
		decoding := allowlistv1.Decoding_DECODING_RAW
		if kind == "hex" {
			decoding = allowlistv1.Decoding_DECODING_HEX
		}
		name := m.store("static-salt", vaultv1.Usage_USAGE_PARAMETER, rest)
		return &allowlistv1.Salt{Source: &allowlistv1.Salt_Secret{Secret: &allowlistv1.SecretRef{Name: name, Decoding: decoding}}}
	}
	m.t.Fatalf("the vocabulary has no salt %q", kind)
	return nil
}

func (m *mapper) iv() *allowlistv1.Iv {
	iv := m.p.IV
	if iv.Placement == "plaintext_prefix" || iv.Source == "in_plaintext" {
		return &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_IN_PLAINTEXT}
	}
	switch iv.Source {
	case "", "none":
		return nil
	case "static":
		return &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_STATIC, Bytes: iv.Len, Secret: m.parameter(iv.Ref)}
	case "field_suffix":
		return &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_FIELD_SUFFIX, Bytes: iv.Len, FieldSuffix: iv.Path}
	}
	return &allowlistv1.Iv{Bytes: iv.Len, Source: word(m.t, "iv source", iv.Source, map[string]allowlistv1.Iv_Source{
		"random": allowlistv1.Iv_SOURCE_RANDOM, "random_ascii": allowlistv1.Iv_SOURCE_RANDOM_TEXT, "zero": allowlistv1.Iv_SOURCE_ZERO,
		"key_prefix": allowlistv1.Iv_SOURCE_KEY_PREFIX, "kdf": allowlistv1.Iv_SOURCE_DERIVED, "peer_flipped": allowlistv1.Iv_SOURCE_PEER_FLIPPED,
	})}
}

func (m *mapper) aad() *allowlistv1.AssociatedData {
	a := m.p.AAD
	if a == nil {
		return nil
	}
	value := a.Value
	switch a.Decode {
	case "", "utf8":
	default:
		raw, err := vectorSecret{Value: value, Decode: a.Decode}.bytes()
		if err != nil {
			m.t.Fatal(err)
		}
		value = string(raw)
	}
	switch a.Source {
	case "", "none":
		return nil
	case "static":
		return &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_Text{Text: value}}
	case "part":
		return &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_Sent{Sent: value}}
	case "field_suffix":
		return &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_FieldSuffix{
			FieldSuffix: &allowlistv1.FieldSuffix{Path: a.Path, Bytes: a.Len},
		}}
	}
	m.t.Fatalf("the vocabulary has no aad source %q", a.Source)
	return nil
}
