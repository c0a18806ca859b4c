package payload

import (
	"crypto"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// The limits of what is configured.
const (
	maxKeys      = 4
	maxAADBytes  = 1024
	minSession   = 16
	maxSession   = 64
	exactlyOne   = "must hold exactly 1 key, since a wrong one could not be told from a right one"
	oneToFour    = "must hold 1-4 keys"
	mustBeUnset  = "must be unset"
	mustBeKnown  = "must be a known algorithm"
	mustBeHash   = "must be SHA1, SHA256, SHA384 or SHA512"
	isRequired   = "is required"
	maxSuffix    = 64
	maxMACInput  = 256
	minSaltBytes = 8
	maxSaltBytes = 64
)

// sources returns the sources of a list of keys, which must be 1-4, or exactly 1.
func (c *profile) sources(list string, one bool) []*source {
	field, keys := c.path+"."+list, c.List(list)
	switch {
	case len(keys) == 0 || len(keys) > maxKeys:
		c.add(field, oneToFour)
	case one && len(keys) > 1:
		c.add(field, exactlyOne)
	}
	made := make([]*source, max(1, len(keys))) // at least one, so that the rest can be looked at
	made[0] = new(source)
	for i, key := range keys {
		made[i] = newSource(key)
	}
	return made
}

// source returns the source of a key that stands alone; nil: there is none.
func (c *profile) source(field string) *source {
	key, ok := c.Profile.Key(field)
	if !ok {
		return nil
	}
	return newSource(key)
}

// cipher checks and compiles a cipher, without its blobs.
func (c *profile) cipher(path string) *symmetricCipher {
	d := c.Cipher
	s := &symmetricCipher{
		suite: d.Suite, iv: d.IV.Source, answered: c.answered, bare: c.Bare(),
		secretScope: c.GeneratedKey(), saltScope: c.PartScope(describe.SlotSalt), ivScope: c.PartScope(describe.SlotIV),
	}
	s.suite.IV = d.IV.Bytes
	if s.suite.Mode == symmetric.ModeNone {
		c.add(path+".algorithm", mustBeKnown)
	}
	c.padding(path, d)
	c.key(path, s)
	c.iv(path+".iv", s)
	c.aad(path+".aad", s)
	s.randomBits = safety.RandomBits(c.Profile)
	s.counted = counted(s.supply.sources(), s.randomBits)
	if s.suite.AEAD() && d.MAC != nil {
		c.add(path+".mac", "must be unset for a mode that authenticates")
	}
	return s
}

// padding checks padding and tag.
func (c *profile) padding(path string, d *describe.Cipher) {
	if !d.Suite.Blocks() && c.pb.GetCipher().GetPadding() != allowlistv1.Cipher_PADDING_UNSPECIFIED {
		c.add(path+".padding", "must be unset but for CBC and ECB")
	}
	switch tag := d.TagBytes; {
	case tag == 0:
	case d.Suite.Mode != symmetric.ModeGCM:
		c.add(path+".tag_bytes", "must be unset but for GCM")
	case tag < 12 || tag > symmetric.MaxTag:
		c.add(path+".tag_bytes", "must be from 12 to 16")
	case tag < symmetric.MaxTag && d.Suite.IV != 12:
		c.add(path+".tag_bytes", "must be 16 with an IV of 16 bytes")
	}
}

// key checks and compiles where the cipher's key comes from.
func (c *profile) key(path string, s *symmetricCipher) {
	s.supply, s.keyBytes = &sharedKey{keys: []*source{new(source)}}, s.suite.Key
	if d := c.Cipher.Derivation; d != nil {
		s.keyBytes, s.derivation = d.KeyBytes, c.derivation(d)
	}
	switch c.Cipher.Key {
	case describe.KeyShared:
		s.supply = &sharedKey{keys: c.sources("cipher.shared_key.keys", !c.Authenticated())}
	case describe.KeySession:
		s.supply = c.session(path + ".session_key")
	case describe.KeyAgreed:
		path += ".ecdh"
		if c.pb.GetCipher().GetEcdh().GetCurve() == allowlistv1.Ecdh_CURVE_UNSPECIFIED {
			c.add(path+".curve", "must be a known curve")
		}
		s.supply = &agreed{curve: c.Cipher.Curve, keys: c.sources("cipher.ecdh.keys", !c.Authenticated())}
		if c.Cipher.Derivation == nil {
			c.add(path+".derivation", isRequired)
		}
	case describe.KeyExchanged:
		s.supply = exchanged{}
		if !c.response {
			c.add(path+".exchange_key", "must be in a response")
		}
	default:
		c.add(path+".shared_key", "is required, or another source of the key")
	}
}

// derivation checks and compiles a derivation.
func (c *profile) derivation(d *describe.Derivation) *deriver {
	made, field := newDeriver(d.Derivation), root+"."+d.Field
	made.sent = d.SentSalt
	name := map[keys.Function]string{
		keys.Digest: "digest", keys.EVPBytesToKey: "evp_bytes_to_key", keys.PBKDF2: "pbkdf2", keys.Scrypt: "scrypt", keys.HKDF: "hkdf",
	}[d.Function]
	if name == "" {
		c.add(field, "must have a function")
		return made
	}
	if parameter, wrong := d.Check(d.Bytes); wrong != "" {
		at := field + "." + name
		if parameter != "function" {
			at += "." + parameter
		}
		c.add(at, wrong)
	}
	switch {
	case !d.Salted && (d.Function == keys.PBKDF2 || d.Function == keys.Scrypt):
		c.add(field+".salt", isRequired)
	case !d.Salted:
	case d.Function == keys.Digest:
		c.add(field+".salt", "must be unset for a digest")
	case d.SecretSalt:
		made.salt = c.source(strings.TrimPrefix(d.Field, c.Path+".") + ".salt.secret")
	case d.SentSalt < minSaltBytes || d.SentSalt > maxSaltBytes:
		c.add(field+".salt.sent_bytes", "must be from 8 to 64")
	}
	return made
}

// session checks and compiles a session key.
func (c *profile) session(path string) *session {
	d := c.Cipher.Session
	s := &session{form: d.Form, bytes: c.Cipher.Suite.Key}
	switch {
	case d.Bytes == s.bytes:
	case c.Cipher.Derivation == nil:
		c.add(path+".bytes", "must be unset without a derivation")
	case d.Bytes < minSession || d.Bytes > maxSession:
		c.add(path+".bytes", "must be from 16 to 64")
	default:
		s.bytes = d.Bytes
	}
	switch d.Wrap {
	case describe.WrapOAEP:
		c.oaep(path+".rsa_oaep", d.OAEP)
		s.wrap = rsaWrap{oaep: d.OAEP}
	case describe.WrapPKCS1v15:
		s.wrap = rsaWrap{}
	case describe.WrapAES:
		s.wrap = aesWrap{}
		if s.form.WrappedLen(s.bytes)%8 != 0 {
			c.add(path+".form", "must make the key a multiple of 8 bytes for AES Key Wrap")
		}
	default:
		s.wrap = rsaWrap{}
		c.add(path, "must be wrapped: rsa_oaep, rsa_pkcs1_v15 or aes_kw")
	}
	s.keys = c.sources("cipher.session_key.keys", d.Wrap == describe.WrapPKCS1v15)
	return s
}

// oaep checks the options of RSAES-OAEP.
func (c *profile) oaep(path string, o *keys.OAEP) {
	if o.Hash == crypto.MD5 {
		c.add(path+".hash", mustBeHash)
	}
	if o.MGF1 == crypto.MD5 {
		c.add(path+".mgf1_hash", mustBeHash)
	}
	if len(o.Label) > 256 {
		c.add(path+".label", "must have at most 256 bytes")
	}
}

// rsaDirect checks and compiles RSA over the bytes themselves.
func (c *profile) rsaDirect(path string) *rsaDirect {
	switch d := c.RSA; {
	case d.OAEP != nil:
		c.oaep(path+".oaep", d.OAEP)
	case !d.PKCS1v15:
		c.add(path, "must have a padding: oaep or pkcs1_v15")
	}
	return &rsaDirect{wrap: rsaWrap{oaep: c.RSA.OAEP}, keys: c.sources("rsa_direct.keys", c.RSA.PKCS1v15)}
}
