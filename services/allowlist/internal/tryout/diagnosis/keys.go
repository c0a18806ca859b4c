package diagnosis

import (
	"crypto"
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// name returns an enum value without its prefix; unset is the name of the default.
func name(value fmt.Stringer, prefix, unset string) string {
	text := strings.TrimPrefix(value.String(), prefix)
	if text == "UNSPECIFIED" {
		return unset
	}
	return text
}

func decodingName(d allowlistv1.Decoding) string { return name(d, "DECODING_", "RAW") }

// hashName returns the name of a hash in the API.
func hashName(h crypto.Hash) string { return strings.ReplaceAll(h.String(), "-", "") }

// A listed is a list of references.
type listed struct {
	field string
	of    func(*allowlistv1.Profile) []*allowlistv1.SecretRef
}

// symmetricKeys returns the lists of shared keys, whose decoding may differ.
func symmetricKeys() []listed {
	return []listed{
		{"cipher.shared_key.keys", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef { return p.GetCipher().GetSharedKey().GetKeys() }},
		{"cipher.session_key.keys", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef {
			if p.GetCipher().GetSessionKey().GetAesKw() == nil {
				return nil
			}
			return p.GetCipher().GetSessionKey().GetKeys()
		}},
		{"jose.keys", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef {
			if jwe := describe.Of("", p).JWE; jwe == nil || !jwe.Shared() {
				return nil
			}
			return p.GetJose().GetKeys()
		}},
		{"fernet.keys", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef { return p.GetFernet().GetKeys() }},
		{"cipher.iv.secret", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef { return one(p.GetCipher().GetIv().GetSecret()) }},
		{"cipher.mac.key", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef { return one(p.GetCipher().GetMac().GetKey()) }},
		{"salt.secret", func(p *allowlistv1.Profile) []*allowlistv1.SecretRef {
			return one((*derivationOf(p)).GetSalt().GetSecret())
		}},
	}
}

func one(ref *allowlistv1.SecretRef) []*allowlistv1.SecretRef {
	if ref == nil {
		return nil
	}
	return []*allowlistv1.SecretRef{ref}
}

// decodings adds other decodings of the stored keys, the same for all keys of a list.
func (c *collector) decodings() {
	for _, list := range symmetricKeys() {
		refs := list.of(c.profile)
		if len(refs) == 0 {
			continue
		}
		field := list.field
		if field == "salt.secret" {
			field = strings.TrimPrefix(c.derivationField(), c.path+".") + ".salt.secret"
		}
		configured := decodingName(refs[0].GetDecoding())
		for _, d := range []allowlistv1.Decoding{
			allowlistv1.Decoding_DECODING_HEX, allowlistv1.Decoding_DECODING_BASE64, allowlistv1.Decoding_DECODING_RAW,
			allowlistv1.Decoding_DECODING_BASE64URL, allowlistv1.Decoding_DECODING_WHSEC, allowlistv1.Decoding_DECODING_PEM,
		} {
			// PEM reads text and ignores the white space around it.
			works := decodingName(d)
			if works == configured {
				continue
			}
			c.add("decoding "+field, field+".decoding", configured, works, func(p *allowlistv1.Profile) {
				for _, ref := range list.of(p) {
					ref.Decoding = d
				}
			})
		}
	}
}

// asymmetric adds other RSA paddings, and other forms of the key inside them.
func (c *collector) asymmetric() {
	session, direct := c.profile.GetCipher().GetSessionKey(), c.profile.GetRsaDirect()
	switch {
	case session.GetRsaOaep() != nil || session.GetRsaPkcs1V15() != nil:
		c.paddings("cipher.session_key", session.GetRsaOaep(), func(p *allowlistv1.Profile, oaep *allowlistv1.RsaOaep) {
			s := p.GetCipher().GetSessionKey()
			s.Wrap = &allowlistv1.SessionKey_RsaOaep{RsaOaep: oaep}
			if oaep == nil {
				s.Wrap = &allowlistv1.SessionKey_RsaPkcs1V15{RsaPkcs1V15: &allowlistv1.RsaPkcs1V15{}}
				s.Keys = s.GetKeys()[:1]
			}
		})
	case direct != nil:
		c.paddings("rsa_direct", direct.GetOaep(), func(p *allowlistv1.Profile, oaep *allowlistv1.RsaOaep) {
			d := p.GetRsaDirect()
			d.Padding = &allowlistv1.RsaDirect_Oaep{Oaep: oaep}
			if oaep == nil {
				d.Padding = &allowlistv1.RsaDirect_Pkcs1V15{Pkcs1V15: &allowlistv1.RsaPkcs1V15{}}
				d.Keys = d.GetKeys()[:1]
			}
		})
	}
	if session == nil {
		return
	}
	configured := name(session.GetForm(), "FORM_", "RAW")
	for _, form := range []allowlistv1.SessionKey_Form{
		allowlistv1.SessionKey_FORM_BASE64, allowlistv1.SessionKey_FORM_HEX, allowlistv1.SessionKey_FORM_RAW,
	} {
		works := name(form, "FORM_", "RAW")
		// Letters and digits are read like any other bytes.
		if works == configured || works == "RAW" && configured == "ALPHANUMERIC" {
			continue
		}
		c.add("form", "cipher.session_key.form", configured, works, func(p *allowlistv1.Profile) {
			p.GetCipher().GetSessionKey().Form = form
		})
	}
}

// paddings adds the other paddings of RSA; nil stands for PKCS #1 v1.5.
func (c *collector) paddings(field string, configured *allowlistv1.RsaOaep, set func(*allowlistv1.Profile, *allowlistv1.RsaOaep)) {
	const (
		group  = "padding of RSA"
		sha1   = allowlistv1.Hash_HASH_SHA1
		sha256 = allowlistv1.Hash_HASH_SHA256
		sha384 = allowlistv1.Hash_HASH_SHA384
		sha512 = allowlistv1.Hash_HASH_SHA512
	)
	hash := describe.Hash(configured.GetHash(), crypto.SHA256)
	mgf1 := describe.Hash(configured.GetMgf1Hash(), hash)
	for _, h := range [][2]allowlistv1.Hash{
		{sha256, sha1}, {sha256, sha256}, {sha1, sha1}, {sha512, sha512}, {sha512, sha1}, {sha384, sha384}, {sha384, sha1}, {sha1, sha256},
	} {
		differences := []Difference{
			c.difference(field+".rsa_oaep.hash", hashName(hash), name(h[0], "HASH_", "")),
			c.difference(field+".rsa_oaep.mgf1_hash", hashName(mgf1), name(h[1], "HASH_", "")),
		}
		if configured == nil {
			differences = []Difference{c.difference(field, "PKCS1_V15", "OAEP "+name(h[0], "HASH_", "")+", MGF1 "+name(h[1], "HASH_", ""))}
		}
		c.addAll(group, func(p *allowlistv1.Profile) {
			set(p, &allowlistv1.RsaOaep{Hash: h[0], Mgf1Hash: h[1], Label: configured.GetLabel()})
		}, differences...)
	}
	if configured != nil {
		c.add(group, field, "OAEP", "PKCS1_V15", func(p *allowlistv1.Profile) { set(p, nil) })
	}
}
