package payload

import (
	"crypto"
	"fmt"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
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

// sources returns the sources of a list of references, which must be 1-4, or exactly 1.
func (f *findings) sources(field string, refs []*allowlistv1.SecretRef, one bool) []*source {
	switch {
	case len(refs) == 0 || len(refs) > maxKeys:
		f.add(field, oneToFour)
	case one && len(refs) > 1:
		f.add(field, exactlyOne)
	}
	made := make([]*source, max(1, len(refs))) // at least one, so that the rest can be looked at
	made[0] = new(source)
	for i, ref := range refs {
		made[i] = newSource(fmt.Sprintf("%s[%d]", field, i), ref)
	}
	return made
}

// cipher checks and compiles a cipher, without its blobs.
func (c *profile) cipher(path string, pb *allowlistv1.Cipher) *symmetricCipher {
	s := &symmetricCipher{
		suite: symmetric.SuiteOf(pb), iv: pb.GetIv().GetSource(), answered: c.answered, bare: c.bare(),
		secretScope: c.drawnKey(), saltScope: c.partScope(slotSalt), ivScope: c.partScope(slotIV),
	}
	if s.suite.Mode == symmetric.ModeNone {
		c.add(path+".algorithm", mustBeKnown)
	}
	c.shape(path, pb, s.suite)
	c.key(path, pb, s)
	c.iv(path+".iv", pb, s)
	c.aad(path+".aad", pb, s)
	s.randomBits = RandomBits(c.Profile)
	s.counted = counted(s.supply.sources(), s.randomBits)
	if s.suite.AEAD() && pb.GetMac() != nil {
		c.add(path+".mac", "must be unset for a mode that authenticates")
	}
	return s
}

// shape checks padding and tag.
func (c *profile) shape(path string, pb *allowlistv1.Cipher, s symmetric.Suite) {
	if !s.Blocks() && pb.GetPadding() != allowlistv1.Cipher_PADDING_UNSPECIFIED {
		c.add(path+".padding", "must be unset but for CBC and ECB")
	}
	switch tag := pb.GetTagBytes(); {
	case tag == 0:
	case s.Mode != symmetric.ModeGCM:
		c.add(path+".tag_bytes", "must be unset but for GCM")
	case tag < 12 || tag > symmetric.MaxTag:
		c.add(path+".tag_bytes", "must be from 12 to 16")
	case tag < symmetric.MaxTag && s.IV != 12:
		c.add(path+".tag_bytes", "must be 16 with an IV of 16 bytes")
	}
}

// key checks and compiles where the cipher's key comes from.
func (c *profile) key(path string, pb *allowlistv1.Cipher, s *symmetricCipher) {
	s.supply, s.keyBytes = &sharedKey{keys: []*source{new(source)}}, s.suite.Key
	switch key := pb.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		path += ".shared_key"
		s.supply = &sharedKey{keys: c.sources(path+".keys", key.SharedKey.GetKeys(), !c.authenticated())}
		c.derived(path+".derivation", key.SharedKey.GetDerivation(), s)
		if s.derivation == nil {
			shaped(s.supply.sources(), shape{symmetric: true, bytes: s.suite.KeyLengths()})
		}
	case *allowlistv1.Cipher_SessionKey:
		path += ".session_key"
		c.derived(path+".derivation", key.SessionKey.GetDerivation(), s)
		s.supply = c.session(path, key.SessionKey, s.suite.Key)
	case *allowlistv1.Cipher_Ecdh:
		path += ".ecdh"
		curve, pair := c.curve(path+".curve", key.Ecdh.GetCurve())
		s.supply = &agreed{curve: curve, keys: shaped(c.sources(path+".keys", key.Ecdh.GetKeys(), !c.authenticated()), shape{pairs: []string{pair}})}
		if key.Ecdh.GetDerivation() == nil {
			c.add(path+".derivation", isRequired)
		}
		c.derived(path+".derivation", key.Ecdh.GetDerivation(), s)
	case *allowlistv1.Cipher_ExchangeKey:
		s.supply = exchanged{}
		if !c.response {
			c.add(path+".exchange_key", "must be in a response")
		}
	default:
		c.add(path+".shared_key", "is required, or another source of the key")
	}
}

// curve returns a curve, and the algorithm of its keys.
func (c *profile) curve(field string, curve allowlistv1.Ecdh_Curve) (made keys.Curve, pair string) {
	switch curve {
	case allowlistv1.Ecdh_CURVE_X25519:
	case allowlistv1.Ecdh_CURVE_P256:
		return keys.P256, "EC-P256"
	default:
		c.add(field, "must be a known curve")
	}
	return keys.X25519, "X25519"
}

// derived checks and compiles how the cipher's key is derived.
func (c *profile) derived(field string, pb *allowlistv1.Derivation, s *symmetricCipher) {
	if pb == nil {
		return
	}
	n := s.suite.Key
	d := derivationOf(pb)
	if d.Function == keys.Digest && s.suite.TripleDES {
		// A digest of 16 bytes is a key of two of Triple DES's three.
		if _, wrong := d.Check(16); wrong == "" {
			n = 16
		}
	}
	s.keyBytes = n
	if s.iv == allowlistv1.Iv_SOURCE_DERIVED {
		n += s.suite.IV
	}
	s.derivation = c.derivation(field, pb, n)
}

// derivation checks and compiles a derivation of n bytes.
func (c *profile) derivation(field string, pb *allowlistv1.Derivation, n int) *deriver {
	d := newDeriver(derivationOf(pb))
	name := "digest"
	slow := false
	switch pb.GetFunction().(type) {
	case *allowlistv1.Derivation_EvpBytesToKey:
		name = "evp_bytes_to_key"
	case *allowlistv1.Derivation_Pbkdf2:
		name, slow = "pbkdf2", true
	case *allowlistv1.Derivation_Scrypt:
		name, slow = "scrypt", true
	case *allowlistv1.Derivation_Hkdf:
		name = "hkdf"
	case nil:
		c.add(field, "must have a function")
		return d
	}
	if parameter, wrong := d.Check(n); wrong != "" {
		at := field + "." + name
		if parameter != "function" {
			at += "." + parameter
		}
		c.add(at, wrong)
	}
	switch salt := pb.GetSalt(); {
	case salt == nil && slow:
		c.add(field+".salt", isRequired)
	case salt == nil:
	case d.Function == keys.Digest:
		c.add(field+".salt", "must be unset for a digest")
	case salt.GetSecret() != nil:
		d.salt = newSource(field+".salt.secret", salt.GetSecret())
	default:
		if n := salt.GetSentBytes(); n < minSaltBytes || n > maxSaltBytes {
			c.add(field+".salt.sent_bytes", "must be from 8 to 64")
		}
		d.sent = int(salt.GetSentBytes())
	}
	return d
}

// derivationOf returns the options of a derivation.
func derivationOf(pb *allowlistv1.Derivation) keys.Derivation {
	switch function := pb.GetFunction().(type) {
	case *allowlistv1.Derivation_Digest:
		encodings := map[allowlistv1.Encoding]keys.Encoding{
			allowlistv1.Encoding_ENCODING_HEX: keys.EncodeHex, allowlistv1.Encoding_ENCODING_HEX_UPPER: keys.EncodeHexUpper,
			allowlistv1.Encoding_ENCODING_BASE64: keys.EncodeBase64, allowlistv1.Encoding_ENCODING_BASE64URL: keys.EncodeBase64URL,
			// No key is longer than a line.
			allowlistv1.Encoding_ENCODING_BASE64_MIME: keys.EncodeBase64,
		}
		return keys.Derivation{
			Function: keys.Digest, Hash: hashOf(function.Digest.GetHash(), 0),
			Encoding: encodings[function.Digest.GetEncoding()], Take: int(function.Digest.GetTake()),
		}
	case *allowlistv1.Derivation_EvpBytesToKey:
		return keys.Derivation{
			Function: keys.EVPBytesToKey, Hash: hashOf(function.EvpBytesToKey.GetHash(), 0),
			Iterations: int(max(1, function.EvpBytesToKey.GetIterations())),
		}
	case *allowlistv1.Derivation_Pbkdf2:
		return keys.Derivation{
			Function: keys.PBKDF2, Hash: hashOf(function.Pbkdf2.GetHash(), crypto.SHA256),
			Iterations: int(function.Pbkdf2.GetIterations()),
		}
	case *allowlistv1.Derivation_Scrypt:
		r, p := function.Scrypt.GetR(), function.Scrypt.GetP()
		if r == 0 {
			r = 8
		}
		return keys.Derivation{Function: keys.Scrypt, N: int(function.Scrypt.GetN()), R: int(r), P: int(max(1, p))}
	case *allowlistv1.Derivation_Hkdf:
		return keys.Derivation{Function: keys.HKDF, Hash: hashOf(function.Hkdf.GetHash(), crypto.SHA256), Info: function.Hkdf.GetInfo()}
	default:
		return keys.Derivation{}
	}
}

// hashOf returns a hash function; unset is the one given.
func hashOf(pb allowlistv1.Hash, unset crypto.Hash) crypto.Hash {
	switch pb {
	case allowlistv1.Hash_HASH_MD5:
		return crypto.MD5
	case allowlistv1.Hash_HASH_SHA1:
		return crypto.SHA1
	case allowlistv1.Hash_HASH_SHA256:
		return crypto.SHA256
	case allowlistv1.Hash_HASH_SHA384:
		return crypto.SHA384
	case allowlistv1.Hash_HASH_SHA512:
		return crypto.SHA512
	default:
		return unset
	}
}

// session checks and compiles a session key for a cipher whose key has n bytes.
func (c *profile) session(path string, pb *allowlistv1.SessionKey, n int) *session {
	s := &session{bytes: n}
	switch bytes := int(pb.GetBytes()); {
	case bytes == 0 || bytes == n:
	case pb.GetDerivation() == nil:
		c.add(path+".bytes", "must be unset without a derivation")
	case bytes < minSession || bytes > maxSession:
		c.add(path+".bytes", "must be from 16 to 64")
	default:
		s.bytes = bytes
	}
	switch pb.GetForm() {
	case allowlistv1.SessionKey_FORM_ALPHANUMERIC:
		s.form = formAlphanumeric
	case allowlistv1.SessionKey_FORM_BASE64:
		s.form = formBase64
	case allowlistv1.SessionKey_FORM_HEX:
		s.form = formHex
	}
	one, of := false, anyRSA()
	switch wrap := pb.GetWrap().(type) {
	case *allowlistv1.SessionKey_RsaOaep:
		s.wrap = rsaWrap{oaep: c.oaep(path+".rsa_oaep", wrap.RsaOaep)}
	case *allowlistv1.SessionKey_RsaPkcs1V15:
		s.wrap, one = rsaWrap{}, true
	case *allowlistv1.SessionKey_AesKw:
		s.wrap, of = aesWrap{}, shape{symmetric: true, bytes: []int{16, 24, 32}}
		if s.form.wrappedLen(s.bytes)%8 != 0 {
			c.add(path+".form", "must make the key a multiple of 8 bytes for AES Key Wrap")
		}
	default:
		s.wrap = rsaWrap{}
		c.add(path, "must be wrapped: rsa_oaep, rsa_pkcs1_v15 or aes_kw")
	}
	s.keys = shaped(c.sources(path+".keys", pb.GetKeys(), one), of)
	return s
}

// oaep checks and compiles the options of RSAES-OAEP.
func (c *profile) oaep(path string, pb *allowlistv1.RsaOaep) *keys.OAEP {
	o := &keys.OAEP{Hash: hashOf(pb.GetHash(), crypto.SHA256), MGF1: hashOf(pb.GetMgf1Hash(), 0), Label: pb.GetLabel()}
	if o.Hash == crypto.MD5 {
		c.add(path+".hash", mustBeHash)
	}
	if o.MGF1 == crypto.MD5 {
		c.add(path+".mgf1_hash", mustBeHash)
	}
	if len(o.Label) > 256 {
		c.add(path+".label", "must have at most 256 bytes")
	}
	return o
}

// rsaDirect checks and compiles RSA over the bytes themselves.
func (c *profile) rsaDirect(path string, pb *allowlistv1.RsaDirect) *rsaDirect {
	r := new(rsaDirect)
	switch padding := pb.GetPadding().(type) {
	case *allowlistv1.RsaDirect_Oaep:
		r.wrap.oaep = c.oaep(path+".oaep", padding.Oaep)
	case *allowlistv1.RsaDirect_Pkcs1V15:
	default:
		c.add(path, "must have a padding: oaep or pkcs1_v15")
	}
	r.keys = shaped(c.sources(path+".keys", pb.GetKeys(), pb.GetPkcs1V15() != nil), anyRSA())
	return r
}
