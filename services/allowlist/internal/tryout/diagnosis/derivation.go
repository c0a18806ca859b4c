package diagnosis

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// derivationOf returns how a profile derives its key, or nil.
func derivationOf(p *allowlistv1.Profile) *allowlistv1.Derivation {
	switch key := p.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		return key.SharedKey.GetDerivation()
	case *allowlistv1.Cipher_SessionKey:
		return key.SessionKey.GetDerivation()
	case *allowlistv1.Cipher_Ecdh:
		return key.Ecdh.GetDerivation()
	default:
		return p.GetJose().GetDerivation()
	}
}

// derive sets how a profile derives its key.
func derive(p *allowlistv1.Profile, d *allowlistv1.Derivation) {
	switch key := p.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		key.SharedKey.Derivation = d
	case *allowlistv1.Cipher_SessionKey:
		key.SessionKey.Derivation = d
	case *allowlistv1.Cipher_Ecdh:
		key.Ecdh.Derivation = d
	default:
		if p.GetJose() != nil {
			p.GetJose().Derivation = d
		}
	}
}

// derivationField returns where the derivation stands.
func (c *collector) derivationField() string {
	switch c.profile.GetCipher().GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		return c.path + ".cipher.shared_key.derivation"
	case *allowlistv1.Cipher_SessionKey:
		return c.path + ".cipher.session_key.derivation"
	case *allowlistv1.Cipher_Ecdh:
		return c.path + ".cipher.ecdh.derivation"
	default:
		return c.path + ".jose.derivation"
	}
}

// derivations adds the other ways to make the key of the secret, the cheap ones first.
func (c *collector) derivations() {
	derivable := c.profile.GetCipher().GetKey() != nil && c.profile.GetCipher().GetExchangeKey() == nil ||
		sharedJose(c.profile.GetJose().GetKeyManagement())
	if !derivable {
		return
	}
	configured := derivationOf(c.profile)
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

// derivation adds one derivation, with what else it takes.
func (c *collector) derivation(configured, d *allowlistv1.Derivation, besides func(*allowlistv1.Profile), differences ...Difference) {
	all := append([]Difference{{c.derivationField(), derivationName(configured), derivationName(d)}}, differences...)
	c.addAll("derivation", func(p *allowlistv1.Profile) {
		derive(p, d)
		if besides != nil {
			besides(p)
		}
	}, all...)
}

// digests adds none, and the plain digests that make a key of the right length.
func (c *collector) digests(configured *allowlistv1.Derivation) {
	if c.profile.GetCipher().GetEcdh() == nil {
		c.derivation(configured, nil, func(p *allowlistv1.Profile) {
			drop(p, slotSalt)
			if p.GetCipher().GetIv().GetSource() == allowlistv1.Iv_SOURCE_DERIVED {
				p.GetCipher().Iv = nil
				insert(p, slotIV, false)
			}
		})
	}
	if c.profile.GetCipher() == nil {
		for _, hash := range []allowlistv1.Hash{allowlistv1.Hash_HASH_SHA256, allowlistv1.Hash_HASH_SHA512, allowlistv1.Hash_HASH_MD5} {
			c.derivation(configured, digest(hash, allowlistv1.Encoding_ENCODING_RAW, 0), nil)
		}
		return
	}
	n := symmetric.SuiteOf(c.profile.GetCipher()).Key
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
			c.derivation(configured, digest(h.hash, e.encoding, take), func(p *allowlistv1.Profile) { drop(p, slotSalt) })
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

// salted returns the derivations of people's tools that take a salt, the dear ones last.
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

// opensslSalted adds what `openssl enc` and CryptoJS make of a passphrase: the text
// `Salted__` and a salt of 8 bytes in front of the ciphertext, and the IV derived with
// the key.
func (c *collector) opensslSalted(configured *allowlistv1.Derivation) {
	was := describe(c.profile.GetEnvelope().GetText(), c.profile.GetEnvelope().GetBlobs())
	parts := []*allowlistv1.Part{
		{Piece: &allowlistv1.Part_Literal{Literal: "Salted__"}}, part(slotSalt), part(slotCiphertext),
	}
	for _, d := range []*allowlistv1.Derivation{
		evp(allowlistv1.Hash_HASH_MD5), evp(allowlistv1.Hash_HASH_SHA256), pbkdf2(allowlistv1.Hash_HASH_SHA256, 10_000),
	} {
		d.Salt = &allowlistv1.Salt{Source: &allowlistv1.Salt_SentBytes{SentBytes: 8}}
		c.derivation(configured, d, func(p *allowlistv1.Profile) {
			p.GetCipher().Iv = &allowlistv1.Iv{Source: allowlistv1.Iv_SOURCE_DERIVED}
			p.GetEnvelope().Blobs = map[string]*allowlistv1.Blob{data: {Parts: parts}}
			p.GetEnvelope().Body = &allowlistv1.Envelope_Text{Text: "${" + data + "}"}
		}, c.difference("cipher.iv.source", name(c.profile.GetCipher().GetIv().GetSource(), "SOURCE_", "RANDOM"), "DERIVED"),
			c.difference("envelope", was, "["+partNames(parts)+"]"))
	}
}

// derivationName writes a derivation without its salt.
func derivationName(d *allowlistv1.Derivation) string {
	switch function := d.GetFunction().(type) {
	case *allowlistv1.Derivation_Digest:
		text := hashName(function.Digest.GetHash())
		if e := name(function.Digest.GetEncoding(), "ENCODING_", "RAW"); e != "RAW" {
			text += " " + e
		}
		if take := function.Digest.GetTake(); take > 0 {
			text += fmt.Sprintf(", the first %d", take)
		}
		return text
	case *allowlistv1.Derivation_EvpBytesToKey:
		return fmt.Sprintf("EVP_BYTES_TO_KEY %s, %d", hashName(function.EvpBytesToKey.GetHash()), max(1, function.EvpBytesToKey.GetIterations()))
	case *allowlistv1.Derivation_Pbkdf2:
		return fmt.Sprintf("PBKDF2 %s, %d", hashName(orSHA256(function.Pbkdf2.GetHash())), function.Pbkdf2.GetIterations())
	case *allowlistv1.Derivation_Scrypt:
		return fmt.Sprintf("SCRYPT %d, %d, %d", function.Scrypt.GetN(), function.Scrypt.GetR(), function.Scrypt.GetP())
	case *allowlistv1.Derivation_Hkdf:
		return strings.TrimSpace("HKDF " + hashName(orSHA256(function.Hkdf.GetHash())) + " " + function.Hkdf.GetInfo())
	default:
		return "none"
	}
}
