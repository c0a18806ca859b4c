package payload

import (
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// iv checks and compiles where the IV comes from.
func (c *profile) iv(field string, pb *allowlistv1.Cipher, s *symmetricCipher) {
	iv := pb.GetIv()
	if s.suite.Mode == symmetric.ModeECB {
		if iv != nil {
			c.add(field, "must be unset for ECB")
		}
		s.suite.IV = 0
		return
	}
	c.ivBytes(field+".bytes", int(iv.GetBytes()), s.suite)
	if static := s.iv == allowlistv1.Iv_SOURCE_STATIC; static != (iv.GetSecret() != nil) {
		c.add(field+".secret", "must be given for STATIC, and for nothing else")
	} else if static {
		s.staticIV = newSource(field+".secret", iv.GetSecret())
	}
	if suffix := s.iv == allowlistv1.Iv_SOURCE_FIELD_SUFFIX; suffix != (iv.GetFieldSuffix() != "") {
		c.add(field+".field_suffix", "must be given for FIELD_SUFFIX, and for nothing else")
	} else if suffix {
		c.pipeline.ivSuffix = c.suffix(field+".field_suffix", iv.GetFieldSuffix(), s.suite.IV)
	}
	c.ivSource(field+".source", pb, s)
	if s.suite.Counter() && c.pairReused() {
		c.add(field+".source", "must not let two values have the same key and IV: under this mode that gives both away")
	}
}

// ivBytes checks the length of the IV.
func (c *profile) ivBytes(field string, bytes int, s symmetric.Suite) {
	if bytes == 0 {
		return
	}
	switch {
	case s.Mode == symmetric.ModeGCM && bytes != 12 && bytes != 16:
		c.add(field, "must be 12 or 16 for GCM")
	case s.Mode == symmetric.ModeChaCha && bytes != 12:
		c.add(field, "must be 12 for ChaCha20-Poly1305")
	case (s.Mode == symmetric.ModeCBC || s.Mode == symmetric.ModeCTR) && bytes != s.BlockSize():
		c.add(field, "must be the length of the cipher's block, 16, or 8 for Triple DES")
	}
}

// ivSource checks that the source goes with the mode and the key.
func (c *profile) ivSource(field string, pb *allowlistv1.Cipher, s *symmetricCipher) {
	switch s.iv {
	case allowlistv1.Iv_SOURCE_KEY_PREFIX, allowlistv1.Iv_SOURCE_IN_PLAINTEXT:
		if s.suite.Mode != symmetric.ModeCBC {
			c.add(field, "must be another for a mode that is not CBC")
		}
		c.pipeline.showsKey = s.iv == allowlistv1.Iv_SOURCE_KEY_PREFIX
	case allowlistv1.Iv_SOURCE_DERIVED:
		if c.choices.derivation() == nil || c.choices.derivation().GetDigest() != nil {
			c.add(field, "must be another without a derivation that can make more than a key")
		}
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		c.pipeline.answersOnce = true
		if pb.GetExchangeKey() == nil {
			c.add(field, "must be another without an exchange key")
		}
	}
}

// aad checks and compiles the associated data.
func (c *profile) aad(field string, pb *allowlistv1.Cipher, s *symmetricCipher) {
	if pb.GetAad() == nil {
		return
	}
	if !s.suite.AEAD() {
		c.add(field, "must be unset but for GCM and ChaCha20-Poly1305")
	}
	switch source := pb.GetAad().GetSource().(type) {
	case *allowlistv1.AssociatedData_Text:
		s.aad = []byte(source.Text)
	case *allowlistv1.AssociatedData_Sent:
		s.aad = []byte(source.Sent)
	case *allowlistv1.AssociatedData_FieldSuffix:
		n := int(source.FieldSuffix.GetBytes())
		if n < 1 || n > maxSuffix {
			c.add(field+".field_suffix.bytes", "must be from 1 to 64")
		}
		c.pipeline.aadSuffix = c.suffix(field+".field_suffix.path", source.FieldSuffix.GetPath(), n)
	default:
		c.add(field, "must have a source")
	}
	if len(s.aad) > maxAADBytes {
		c.add(field, "must have at most 1,024 bytes")
	}
}

// cipherSlots returns which parts a cipher's blobs must hold, and their lengths.
func (c *profile) cipherSlots(s *symmetricCipher) layout {
	rules := slotRules{slotCiphertext: required}
	n := map[allowlistv1.Part_Slot]int{
		slotIV: s.suite.IV, slotTag: s.suite.Tag, slotWrapped: unknown,
	}
	if s.suite.Tag > 0 {
		rules[slotTag] = required
	}
	switch s.iv {
	case allowlistv1.Iv_SOURCE_UNSPECIFIED, allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		if s.suite.IV > 0 {
			rules[slotIV] = required
		}
	case allowlistv1.Iv_SOURCE_STATIC, allowlistv1.Iv_SOURCE_ZERO:
		rules[slotIV] = optional
	case allowlistv1.Iv_SOURCE_DERIVED:
		// With a salt of the owner's choice it could be a piece of another endpoint's key.
		if s.derivation != nil && s.derivation.sent > 0 {
			rules[slotIV] = optional
		}
	}
	if s.derivation != nil && s.derivation.sent > 0 {
		rules[slotSalt], n[slotSalt] = required, s.derivation.sent
	}
	switch supply := s.supply.(type) {
	case *session:
		rules[slotWrapped] = required
		if _, ok := supply.wrap.(aesWrap); ok {
			n[slotWrapped] = supply.form.wrappedLen(supply.bytes) + 8
		} else {
			rules[slotCertificate], rules[slotPublicKey] = optional, optional
		}
	case *agreed:
		rules[slotEphemeral], n[slotEphemeral] = required, supply.curve.EphemeralLen()
	}
	if c.GetCipher().GetMac() != nil {
		rules[slotMAC], n[slotMAC] = required, macHash(c.GetCipher().GetMac().GetAlgorithm()).Size()
	}
	if _, ok := c.GetCipher().GetAad().GetSource().(*allowlistv1.AssociatedData_Sent); ok {
		rules[slotAAD] = required
	}
	return rules.sized(n)
}

// mac checks and compiles the MAC over what was encrypted.
func (c *profile) mac(path string, pb *allowlistv1.EncryptThenMac, b *blobs) *mac {
	m := &mac{hash: macHash(pb.GetAlgorithm())}
	if pb.GetAlgorithm() == allowlistv1.Mac_ALGORITHM_UNSPECIFIED {
		c.add(path+".algorithm", mustBeKnown)
	}
	if pb.GetKey() != nil {
		m.key = newSource(path+".key", pb.GetKey())
		m.key.shape.symmetric = true
	}
	var wrong string
	if m.input, wrong = b.macInput(pb.GetInput(), m.key != nil); wrong != "" {
		c.add(path+".input", wrong)
	}
	return m
}

// macInput splits what is authenticated into literals and blobs. Apart says that the MAC
// has a key of its own: then it has to cover what the cipher's key is made of too, or
// anybody could have the same ciphertext opened with another key.
func (b *blobs) macInput(text string, apart bool) (inputs []macInput, wrong string) {
	if text == "" || len(text) > maxMACInput {
		return nil, "must have 1-256 bytes"
	}
	held := make(map[allowlistv1.Part_Slot]bool)
	for {
		literal, rest, found := strings.Cut(text, "${")
		if literal != "" {
			inputs = append(inputs, macInput{literal: literal, blob: noBlob})
		}
		if !found {
			break
		}
		name, rest, _ := strings.Cut(rest, "}")
		name, raw := strings.CutSuffix(name, "|raw")
		at := slices.IndexFunc(b.list, func(b blob) bool { return b.name == name })
		if at < 0 {
			return nil, "must hold blobs as ${name} or ${name|raw}"
		}
		for _, piece := range b.list[at].pieces {
			held[piece.slot] = true
		}
		inputs = append(inputs, macInput{blob: at, raw: raw})
		text = rest
	}
	switch {
	case held[slotMAC]:
		return nil, "must not hold the MAC itself"
	case !held[slotCiphertext]:
		return nil, "must hold the blob of the ciphertext"
	case b.has[slotIV] && !held[slotIV]:
		return nil, "must hold the blob of the IV, which is sent"
	}
	for _, slot := range []allowlistv1.Part_Slot{slotWrapped, slotEphemeral, slotSalt} {
		if apart && b.has[slot] && !held[slot] {
			return nil, "must hold, with a key of its own, all blobs that the cipher's key is made of"
		}
	}
	return inputs, ""
}
