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
		cipher.Padding = paddingOf(m.t, m.p.Content.Padding)
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
	name = strings.NewReplacer("3DES_EDE", "TRIPLE_DES", "3DES", "TRIPLE_DES", "TDES", "TRIPLE_DES", "DESEDE", "TRIPLE_DES", "DES_EDE3", "TRIPLE_DES", "CHACHA20POLY1305", "CHACHA20_POLY1305").Replace(name)
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
			Form:       formOf(m.t, key.Session.Form),
			Derivation: m.derivation(first(key.Session.Derive, key.Derive)),
		}
		if session.GetDerivation() != nil {
			session.Bytes = key.Session.Len
		}
		m.wrap(session)
		cipher.Key = &allowlistv1.Cipher_SessionKey{SessionKey: session}
	case key.Ecdh != nil:
		cipher.Key = &allowlistv1.Cipher_Ecdh{Ecdh: &allowlistv1.Ecdh{
			Curve: curveOf(m.t, key.Ecdh.Curve), Keys: m.keys(key.Ecdh.Ref, key.Ecdh.Refs), Derivation: m.derivation(first(key.Ecdh.Derive, key.Derive)),
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
	switch wrapOf(m.t, w.Alg) {
	case wrapOAEP:
		session.Wrap = &allowlistv1.SessionKey_RsaOaep{RsaOaep: m.oaep(w)}
	case wrapPKCS1:
		session.Wrap = &allowlistv1.SessionKey_RsaPkcs1V15{RsaPkcs1V15: &allowlistv1.RsaPkcs1V15{}}
	case wrapAES:
		session.Wrap = &allowlistv1.SessionKey_AesKw{AesKw: &allowlistv1.AesKeyWrap{}}
	}
}

func (m *mapper) oaep(w *vectorWrap) *allowlistv1.RsaOaep {
	hash := w.Hash
	if at := strings.LastIndex(w.Alg, "-"); hash == "" && strings.ContainsAny(w.Alg[at+1:], "123456789") {
		hash = "sha" + strings.TrimPrefix(strings.ToLower(w.Alg[at+1:]), "sha") // as in RSA-OAEP-256
	}
	return &allowlistv1.RsaOaep{Hash: hashOf(m.t, hash), Mgf1Hash: hashOf(m.t, w.Mgf), Label: w.Label}
}

func (m *mapper) rsaDirect() *allowlistv1.RsaDirect {
	if m.p.Wrap == nil {
		m.t.Fatal("RSA without a wrap")
	}
	direct := &allowlistv1.RsaDirect{Keys: m.keys(m.p.Wrap.Ref, m.p.Wrap.Refs)}
	switch wrapOf(m.t, m.p.Wrap.Alg) {
	case wrapOAEP:
		direct.Padding = &allowlistv1.RsaDirect_Oaep{Oaep: m.oaep(m.p.Wrap)}
	case wrapPKCS1:
		direct.Padding = &allowlistv1.RsaDirect_Pkcs1V15{Pkcs1V15: &allowlistv1.RsaPkcs1V15{}}
	default:
		m.t.Fatalf("RSA with the wrap %q", m.p.Wrap.Alg)
	}
	return direct
}

func (m *mapper) derivation(d *vectorDerive) *allowlistv1.Derivation {
	if d == nil {
		return nil
	}
	derivation := &allowlistv1.Derivation{Salt: m.salt(d)}
	switch strings.ToLower(d.Type) {
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
	case "evp_bytes_to_key", "evp":
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

// salt maps the salt of a derivation. A literal salt is public, and so is a PARAMETER.
func (m *mapper) salt(d *vectorDerive) *allowlistv1.Salt {
	kind, rest, _ := strings.Cut(d.Salt, ":")
	switch kind {
	case "", "none", "empty":
		return nil
	case "part", "sent", "random":
		n := d.SaltLen
		if n == 0 && strings.HasPrefix(d.Type, "evp") {
			n = 8 // OpenSSL supports no other
		}
		return &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: max(n, 8)}}
	case "ref", "secret":
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
	if iv.Placement == "plaintext_prefix" || iv.Source == "in_plaintext" || iv.Source == "plaintext_prefix" {
		return &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_IN_PLAINTEXT}
	}
	switch iv.Source {
	case "", "none":
		return nil
	case "static":
		made := &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_STATIC, Bytes: iv.Len}
		if iv.Ref != "" {
			made.Secret = m.parameter(iv.Ref)
		} else { // a literal one is public
			name := m.store("static-iv", vaultv1.Usage_USAGE_PARAMETER, iv.Value)
			made.Secret = &allowlistv1.SecretRef{Name: name, Decoding: decodingOf(m.t, iv.Decode)}
		}
		return made
	case "field_suffix":
		return &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_FIELD_SUFFIX, Bytes: iv.Len, FieldSuffix: iv.Path}
	}
	return &allowlistv1.Iv{Bytes: iv.Len, Source: ivSourceOf(m.t, iv.Source)}
}

func (m *mapper) aad() *allowlistv1.AssociatedData {
	a := m.p.AAD
	if a == nil {
		return nil
	}
	given := vectorSecret{Value: a.Value, Decode: a.Decode}
	if a.Ref != "" {
		given = m.v.Secrets[a.Ref]
	}
	value := given.Value
	switch given.Decode {
	case "", "utf8":
	default:
		raw, err := given.bytes()
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
	case "part", "sent":
		return &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_Sent{Sent: value}}
	case "field_suffix":
		return &allowlistv1.AssociatedData{Source: &allowlistv1.AssociatedData_FieldSuffix{
			FieldSuffix: &allowlistv1.FieldSuffix{Path: a.Path, Bytes: a.Len},
		}}
	}
	m.t.Fatalf("the vocabulary has no aad source %q", a.Source)
	return nil
}
