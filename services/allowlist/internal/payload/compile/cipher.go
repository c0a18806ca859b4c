package compile

import (
	"crypto"
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/derive"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
	"github.com/keyward/keyward/services/allowlist/internal/payload/kind"
	"github.com/keyward/keyward/services/allowlist/internal/payload/message"
	"github.com/keyward/keyward/services/allowlist/internal/payload/safety"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// The limits of a configuration.
const (
	maxKeys      = 4
	maxAADBytes  = 1024
	minSession   = 16
	maxSession   = 64
	exactlyOne   = "must hold exactly 1 key, since a wrong one could not be distinguished from the right one"
	oneToFour    = "must hold 1-4 keys"
	mustBeUnset  = "must be unset"
	mustBeKnown  = "must be a known algorithm"
	mustBeHash   = "must be SHA1, SHA256, SHA384 or SHA512"
	isRequired   = "is required"
	maxSuffix    = 64
	maxMACInput  = 256
	minSaltBytes = 8
	maxSaltBytes = 64
	// The limits of what surrounds a value inside its ciphertext.
	maxFrameRandom = 64
	maxFrameSuffix = 128
)

// sources returns the sources of a list of keys, which must have 1-4 elements, or exactly 1.
func (c *profile) sources(list string, one bool) []*message.Source {
	field, keys := c.path+"."+list, c.List(list)
	switch {
	case len(keys) == 0 || len(keys) > maxKeys:
		c.Add(field, oneToFour)
	case one && len(keys) > 1:
		c.Add(field, exactlyOne)
	}
	made := make([]*message.Source, max(1, len(keys))) // at least one, so that the rest can be checked
	made[0] = new(message.Source)
	for i, key := range keys {
		made[i] = message.NewSource(key)
	}
	return made
}

// source returns the source of a single key, or nil if the field is unset.
func (c *profile) source(field string) *message.Source {
	key, ok := c.Key(field)
	if !ok {
		return nil
	}
	return message.NewSource(key)
}

// cipher checks and compiles a cipher, without its blobs.
func (c *profile) cipher(path string) *kind.Cipher {
	d := c.Cipher
	s := &kind.Cipher{
		Suite: d.Suite, IVSource: d.IV.Source, Answered: c.answered, Bare: c.Bare(),
		SecretScope: c.GeneratedKey(), SaltScope: c.PartScope(describe.SlotSalt), IvScope: c.GeneratedIV(), WrapsIV: d.IV.Wrapped,
	}
	s.Suite.IV = d.IV.Bytes
	if s.Suite.Mode == symmetric.ModeNone {
		c.Add(path+".algorithm", mustBeKnown)
	}
	c.padding(path, d)
	c.framing(path+".framing", s)
	c.key(path, s)
	c.iv(path+".iv", s)
	c.aad(path+".aad", s)
	s.RandomBits = safety.RandomBits(c.Profile)
	s.Counted = message.Counted(s.Supply.Sources(), s.RandomBits)
	if s.Suite.AEAD() && d.MAC != nil {
		c.Add(path+".mac", "must be unset for a mode that authenticates")
	}
	return s
}

// padding checks the padding and the tag.
func (c *profile) padding(path string, d *describe.Cipher) {
	if !d.Suite.Blocks() && c.pb.GetCipher().GetPadding() != allowlistv1.Cipher_PADDING_UNSPECIFIED {
		c.Add(path+".padding", "must be unset except for CBC and ECB")
	}
	switch tag := d.TagBytes; {
	case tag == 0:
	case d.Suite.Mode != symmetric.ModeGCM:
		c.Add(path+".tag_bytes", "must be unset except for GCM")
	case tag < 12 || tag > symmetric.MaxTag:
		c.Add(path+".tag_bytes", "must be from 12 to 16")
	case tag < symmetric.MaxTag && d.Suite.IV != 12:
		c.Add(path+".tag_bytes", "must be 16 with an IV of 16 bytes")
	}
}

// framing checks and compiles what surrounds a value inside its ciphertext.
func (c *profile) framing(path string, s *kind.Cipher) {
	s.Framing = c.Cipher.Framing
	switch f := s.Framing; {
	case f.Random > maxFrameRandom:
		c.Add(path+".random_bytes", "must be at most 64")
		s.Framing.Random = 0 // so that the rest can be checked
	case len(f.Suffix) > maxFrameSuffix:
		c.Add(path+".suffix", "must have at most 128 bytes")
	case f.Suffix != "" && !f.Length:
		c.Add(path+".suffix", "must be unset without length")
	}
}

// key checks and compiles the source of the cipher's key.
func (c *profile) key(path string, s *kind.Cipher) {
	s.Supply, s.KeyBytes = &kind.SharedKey{Keys: []*message.Source{new(message.Source)}}, s.Suite.Key
	if d := c.Cipher.Derivation; d != nil {
		s.KeyBytes, s.Derivation = d.KeyBytes, c.derivation(d)
	}
	switch c.Cipher.Key {
	case describe.KeyShared:
		s.Supply = &kind.SharedKey{Keys: c.sources("cipher.shared_key.keys", !c.Authenticated())}
	case describe.KeySession:
		s.Supply = c.session(path + ".session_key")
	case describe.KeyAgreed:
		path += ".ecdh"
		if c.pb.GetCipher().GetEcdh().GetCurve() == allowlistv1.Ecdh_CURVE_UNSPECIFIED {
			c.Add(path+".curve", "must be a known curve")
		}
		s.Supply = &kind.Agreed{
			Curve: c.Cipher.Curve, Keys: c.sources("cipher.ecdh.keys", !c.Authenticated()),
			SPKI: c.Cipher.EphemeralSPKI, First: c.Cipher.EphemeralFirst,
		}
		switch d := c.Cipher.Derivation; {
		case d == nil:
			c.Add(path+".derivation", isRequired)
		case c.Cipher.EphemeralFirst && d.Function != keys.HKDF:
			c.Add(path+".derive_from_ephemeral_key", "must be unset without HKDF")
		}
	case describe.KeyExchanged:
		s.Supply = kind.Exchanged{}
		if !c.response {
			c.Add(path+".exchange_key", "must be in a response")
		}
	default:
		c.Add(path+".shared_key", "is required, or another source of the key")
	}
}

// derivation checks and compiles a derivation.
func (c *profile) derivation(d *describe.Derivation) *derive.Deriver {
	made, field := derive.New(d.Derivation), root+"."+d.Field
	made.Sent, made.SentIV = d.SentSalt, d.SaltIV
	name := map[keys.Function]string{
		keys.Digest: "digest", keys.EVPBytesToKey: "evp_bytes_to_key", keys.PBKDF2: "pbkdf2", keys.Scrypt: "scrypt", keys.HKDF: "hkdf",
		keys.Counter: "counter_kdf",
	}[d.Function]
	if name == "" {
		c.Add(field, "must have a function")
		return made
	}
	if parameter, wrong := d.Check(d.Bytes); wrong != "" {
		at := field + "." + name
		if parameter != "function" {
			at += "." + parameter
		}
		c.Add(at, wrong)
	}
	if d.WrongInfo > 0 {
		c.Add(fmt.Sprintf("%s.counter_kdf.info[%d]", field, d.WrongInfo-1), "must have 1-128 bytes, or 1-256 bytes for sha256_of")
	}
	switch {
	case !d.Salted && (d.Function == keys.PBKDF2 || d.Function == keys.Scrypt):
		c.Add(field+".salt", isRequired)
	case !d.Salted:
	case d.Function == keys.Digest || d.Function == keys.Counter:
		c.Add(field+".salt", "must be unset for a digest and a counter")
	case d.SecretSalt:
		made.Salt = c.source(strings.TrimPrefix(d.Field, c.Path+".") + ".salt.secret")
	case d.SentSalt < minSaltBytes || d.SentSalt > maxSaltBytes:
		c.Add(field+".salt.sent_bytes", "must be from 8 to 64")
	}
	return made
}

// session checks and compiles a session key.
func (c *profile) session(path string) *kind.Session {
	d := c.Cipher.Session
	s := &kind.Session{Form: d.Form, Bytes: c.Cipher.Suite.Key}
	switch {
	case d.Bytes == s.Bytes:
	case c.Cipher.Derivation == nil:
		c.Add(path+".bytes", "must be unset without a derivation")
	case d.Bytes < minSession || d.Bytes > maxSession:
		c.Add(path+".bytes", "must be from 16 to 64")
	default:
		s.Bytes = d.Bytes
	}
	switch d.Wrap {
	case describe.WrapOAEP:
		c.oaep(path+".rsa_oaep", d.OAEP)
		s.Wrap = kind.RSAWrap{Oaep: d.OAEP}
	case describe.WrapPKCS1v15:
		s.Wrap = kind.RSAWrap{}
	case describe.WrapAES:
		s.Wrap = kind.AESWrap{}
		if s.Form.WrappedLen(s.Bytes)%8 != 0 {
			c.Add(path+".form", "must make the key a multiple of 8 bytes for AES Key Wrap")
		}
	default:
		s.Wrap = kind.RSAWrap{}
		c.Add(path, "must be wrapped: rsa_oaep, rsa_pkcs1_v15 or aes_kw")
	}
	s.Keys = c.sources("cipher.session_key.keys", d.Wrap == describe.WrapPKCS1v15)
	return s
}

// oaep checks the options of RSAES-OAEP.
func (c *profile) oaep(path string, o *keys.OAEP) {
	if o.Hash == crypto.MD5 {
		c.Add(path+".hash", mustBeHash)
	}
	if o.MGF1 == crypto.MD5 {
		c.Add(path+".mgf1_hash", mustBeHash)
	}
	if len(o.Label) > 256 {
		c.Add(path+".label", "must have at most 256 bytes")
	}
}

// rsaDirect checks and compiles RSA over the bytes themselves.
func (c *profile) rsaDirect(path string) *kind.RSA {
	switch d := c.RSA; {
	case d.OAEP != nil:
		c.oaep(path+".oaep", d.OAEP)
	case !d.PKCS1v15:
		c.Add(path, "must have a padding: oaep or pkcs1_v15")
	}
	return &kind.RSA{Wrap: kind.RSAWrap{Oaep: c.RSA.OAEP}, Keys: c.sources("rsa_direct.keys", c.RSA.PKCS1v15)}
}
