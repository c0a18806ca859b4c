package diagnosis

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// derivationOf returns a pointer to the key derivation of a profile.
func derivationOf(p *allowlistv1.Profile) **allowlistv1.Derivation {
	switch key := p.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		return &key.SharedKey.Derivation
	case *allowlistv1.Cipher_SessionKey:
		return &key.SessionKey.Derivation
	case *allowlistv1.Cipher_Ecdh:
		return &key.Ecdh.Derivation
	}
	if p.GetJose() != nil {
		return &p.GetJose().Derivation
	}
	return new(*allowlistv1.Derivation)
}

// derivationField returns the field of the derivation, whether it is set or not.
func (c *collector) derivationField() string {
	if c.described.Cipher == nil {
		return c.path + ".jose.derivation"
	}
	switch c.described.Cipher.Key {
	case describe.KeyShared:
		return c.path + ".cipher.shared_key.derivation"
	case describe.KeySession:
		return c.path + ".cipher.session_key.derivation"
	default:
		return c.path + ".cipher.ecdh.derivation"
	}
}

// derivable reports whether the key comes from a secret, and so could be derived.
func (c *collector) derivable() bool {
	if cipher := c.described.Cipher; cipher != nil {
		return cipher.Key != describe.KeyMissing && cipher.Key != describe.KeyExchanged
	}
	return c.described.JWE != nil && c.described.JWE.Shared()
}

// derivations adds the other ways to derive the key from the secret, the cheap ones first.
func (c *collector) derivations() {
	if !c.derivable() {
		return
	}
	configured := *derivationOf(c.profile)
	salt := configured.GetSalt()
	c.digests(configured)
	if salt != nil {
		for _, d := range salted() {
			d.Salt = salt
			c.derivation(configured, d, nil)
		}
		return
	}
	c.hashed(configured)
	if _, text := c.profile.GetEnvelope().GetBody().(*allowlistv1.Envelope_Text); text && c.profile.GetCipher().GetSharedKey() != nil {
		c.opensslSalted(configured)
	}
}

// derivation adds one derivation, with the other settings that it requires.
func (c *collector) derivation(configured, d *allowlistv1.Derivation, besides func(*allowlistv1.Profile), differences ...Difference) {
	all := append([]Difference{{c.derivationField(), derivationName(configured), derivationName(d)}}, differences...)
	c.addAll("derivation", func(p *allowlistv1.Profile) {
		*derivationOf(p) = d
		if besides != nil {
			besides(p)
		}
	}, all...)
}

// digests adds no derivation, and the plain digests that produce a key of the right length.
func (c *collector) digests(configured *allowlistv1.Derivation) {
	if c.profile.GetCipher().GetEcdh() == nil {
		c.derivation(configured, nil, func(p *allowlistv1.Profile) {
			drop(p, describe.SlotSalt)
			switch p.GetCipher().GetIv().GetSource() {
			case allowlistv1.Iv_SOURCE_DERIVED, allowlistv1.Iv_SOURCE_SALT_SUFFIX:
				p.GetCipher().Iv = nil
				insert(p, describe.SlotIV, false)
			}
		})
	}
	if c.described.Cipher == nil {
		for _, hash := range []allowlistv1.Hash{allowlistv1.Hash_HASH_SHA256, allowlistv1.Hash_HASH_SHA512, allowlistv1.Hash_HASH_MD5} {
			c.derivation(configured, digest(hash, allowlistv1.Encoding_ENCODING_RAW, 0), nil)
		}
		return
	}
	n := c.described.Cipher.Suite.Key
	for _, e := range []struct {
		encoding allowlistv1.Encoding
		length   func(int) int
	}{
		{allowlistv1.Encoding_ENCODING_RAW, func(n int) int { return n }},
		{allowlistv1.Encoding_ENCODING_HEX, func(n int) int { return 2 * n }},
		{allowlistv1.Encoding_ENCODING_BASE64, func(n int) int { return (n + 2) / 3 * 4 }},
		{allowlistv1.Encoding_ENCODING_HEX_UPPER, func(n int) int { return 2 * n }},
	} {
		for _, h := range []struct {
			hash allowlistv1.Hash
			size int
		}{
			{allowlistv1.Hash_HASH_SHA256, 32},
			{allowlistv1.Hash_HASH_MD5, 16},
			{allowlistv1.Hash_HASH_SHA1, 20},
			{allowlistv1.Hash_HASH_SHA512, 64},
		} {
			take := 0
			switch length := e.length(h.size); {
			case length < n:
				continue
			case length > n:
				take = n
			}
			c.derivation(configured, digest(h.hash, e.encoding, take), func(p *allowlistv1.Profile) { drop(p, describe.SlotSalt) })
		}
	}
}

func digest(hash allowlistv1.Hash, encoding allowlistv1.Encoding, take int) *allowlistv1.Derivation {
	return &allowlistv1.Derivation{Function: &allowlistv1.Derivation_Digest{Digest: &allowlistv1.DigestDerivation{
		Hash: hash, Encoding: encoding, Take: uint32(take),
	}}}
}

// hashed adds HKDF and EVP_BytesToKey without a salt.
func (c *collector) hashed(configured *allowlistv1.Derivation) {
	for _, d := range []*allowlistv1.Derivation{
		evp(allowlistv1.Hash_HASH_MD5), evp(allowlistv1.Hash_HASH_SHA256), hkdf(),
	} {
		c.derivation(configured, d, nil)
	}
}

func evp(hash allowlistv1.Hash) *allowlistv1.Derivation {
	return &allowlistv1.Derivation{Function: &allowlistv1.Derivation_EvpBytesToKey{EvpBytesToKey: &allowlistv1.EvpBytesToKey{Hash: hash}}}
}

func hkdf() *allowlistv1.Derivation {
	return &allowlistv1.Derivation{Function: &allowlistv1.Derivation_Hkdf{Hkdf: &allowlistv1.Hkdf{}}}
}

func pbkdf2(hash allowlistv1.Hash, iterations uint32) *allowlistv1.Derivation {
	return &allowlistv1.Derivation{Function: &allowlistv1.Derivation_Pbkdf2{Pbkdf2: &allowlistv1.Pbkdf2{Hash: hash, Iterations: iterations}}}
}

// salted returns the derivations of common tools that take a salt, the expensive ones last.
func salted() []*allowlistv1.Derivation {
	all := []*allowlistv1.Derivation{
		evp(allowlistv1.Hash_HASH_MD5), evp(allowlistv1.Hash_HASH_SHA256), hkdf(),
	}
	for _, iterations := range []uint32{1000, 10_000, 65_536, 100_000, 600_000} {
		for _, hash := range []allowlistv1.Hash{allowlistv1.Hash_HASH_SHA256, allowlistv1.Hash_HASH_SHA1, allowlistv1.Hash_HASH_SHA512} {
			all = append(all, pbkdf2(hash, iterations))
		}
	}
	return all
}

// opensslSalted adds the format that `openssl enc` and CryptoJS use with a passphrase: the
// string `Salted__` and a salt of 8 bytes before the ciphertext, and the IV derived with the
// key.
func (c *collector) opensslSalted(configured *allowlistv1.Derivation) {
	was := layoutName(c.profile.GetEnvelope().GetText(), c.profile.GetEnvelope().GetBlobs())
	parts := []*allowlistv1.Part{
		{Piece: &allowlistv1.Part_Literal{Literal: "Salted__"}}, part(describe.SlotSalt), part(describe.SlotCiphertext),
	}
	for _, d := range []*allowlistv1.Derivation{
		evp(allowlistv1.Hash_HASH_MD5), evp(allowlistv1.Hash_HASH_SHA256), pbkdf2(allowlistv1.Hash_HASH_SHA256, 10_000),
	} {
		d.Salt = &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: 8}}
		c.derivation(configured, d, func(p *allowlistv1.Profile) {
			p.GetCipher().Iv = &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_DERIVED}
			p.GetEnvelope().Blobs = map[string]*allowlistv1.Blob{describe.DefaultBlob: {Parts: parts}}
			p.GetEnvelope().Body = &allowlistv1.Envelope_Text{Text: "${" + describe.DefaultBlob + "}"}
		}, c.difference("cipher.iv.source", name(c.profile.GetCipher().GetIv().GetSource(), "SOURCE_", "RANDOM"), "DERIVED"),
			c.difference("envelope", was, "["+partNames(parts)+"]"))
	}
}

// derivationName returns the name of a derivation without its salt.
func derivationName(pb *allowlistv1.Derivation) string {
	if pb == nil {
		return "none"
	}
	switch d := describe.DerivationOf(pb); d.Function {
	case keys.Digest:
		text := hashName(d.Hash)
		if e := name(pb.GetDigest().GetEncoding(), "ENCODING_", "RAW"); e != "RAW" {
			text += " " + e
		}
		if d.Take > 0 {
			text += fmt.Sprintf(", the first %d", d.Take)
		}
		return text
	case keys.EVPBytesToKey:
		return fmt.Sprintf("EVP_BYTES_TO_KEY %s, %d", hashName(d.Hash), d.Iterations)
	case keys.PBKDF2:
		return fmt.Sprintf("PBKDF2 %s, %d", hashName(d.Hash), d.Iterations)
	case keys.Scrypt:
		return fmt.Sprintf("SCRYPT %d, %d, %d", d.N, d.R, d.P)
	case keys.Counter:
		return "COUNTER " + hashName(d.Hash)
	case keys.HKDF:
		return strings.TrimSpace("HKDF " + hashName(d.Hash) + " " + d.Info)
	default:
		return "none"
	}
}
