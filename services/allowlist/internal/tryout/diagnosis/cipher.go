package diagnosis

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// lengths adds the other lengths of tag and IV.
func (c *collector) lengths() {
	if c.described.Cipher == nil || c.described.Cipher.Suite.Mode != symmetric.ModeGCM {
		return
	}
	ivBytes, tagBytes := uint32(c.described.Cipher.IV.Bytes), uint32(c.described.Cipher.Suite.Tag)
	for _, n := range []uint32{12, 16} {
		if n != ivBytes {
			c.add("iv bytes", "cipher.iv.bytes", fmt.Sprint(ivBytes), fmt.Sprint(n), func(p *allowlistv1.Profile) { iv(p).Bytes = n })
		}
	}
	for _, n := range []uint32{16, 12, 13, 14, 15} {
		if n != tagBytes {
			c.add("tag bytes", "cipher.tag_bytes", fmt.Sprint(tagBytes), fmt.Sprint(n), func(p *allowlistv1.Profile) { p.GetCipher().TagBytes = n })
		}
	}
}

// values adds the other forms of selected values, except for those of bytes: any bytes fit them, so they would
// prove nothing.
func (c *collector) values() {
	fields := c.profile.GetSelection().GetFields()
	if fields == nil {
		return
	}
	configured := name(fields.GetValueForm(), "VALUE_FORM_", "JSON")
	for _, form := range []allowlistv1.Fields_ValueForm{allowlistv1.Fields_VALUE_FORM_STRING, allowlistv1.Fields_VALUE_FORM_JSON} {
		if works := name(form, "VALUE_FORM_", "JSON"); works != configured {
			c.add("value form", "selection.fields.value_form", configured, works, func(p *allowlistv1.Profile) {
				p.GetSelection().GetFields().ValueForm = form
			})
		}
	}
	c.add("skip empty", "selection.fields.skip_empty", fmt.Sprint(fields.GetSkipEmpty()), fmt.Sprint(!fields.GetSkipEmpty()), func(p *allowlistv1.Profile) {
		p.GetSelection().GetFields().SkipEmpty = !fields.GetSkipEmpty()
	})
}

// cipher adds the other settings of a cipher: padding, associated data, where the IV
// comes from, and the algorithm.
func (c *collector) cipher() {
	cipher := c.profile.GetCipher()
	if cipher == nil {
		return
	}
	if c.described.Cipher.Suite.Blocks() {
		configured := name(cipher.GetPadding(), "PADDING_", "PKCS7")
		for _, padding := range []allowlistv1.Cipher_Padding{
			allowlistv1.Cipher_PADDING_PKCS7, allowlistv1.Cipher_PADDING_PKCS7_32, allowlistv1.Cipher_PADDING_ZERO, allowlistv1.Cipher_PADDING_NONE,
		} {
			if works := name(padding, "PADDING_", ""); works != configured {
				c.add("padding", "cipher.padding", configured, works, func(p *allowlistv1.Profile) {
					if symmetric.SuiteOf(p.GetCipher()).Blocks() {
						p.GetCipher().Padding = padding
					}
				})
			}
		}
	}
	if cipher.GetAad() != nil && !sends(c.profile, describe.SlotAAD) {
		c.add("aad", "cipher.aad", "given", "none", func(p *allowlistv1.Profile) { p.GetCipher().Aad = nil })
	}
	c.ivs(cipher)
	c.algorithms(cipher)
	c.macs(cipher)
}

// ivs adds the other sources of an IV.
func (c *collector) ivs(cipher *allowlistv1.Cipher) {
	const group, field = "iv source", "cipher.iv.source"
	if !hasIV(cipher) {
		return
	}
	configured := name(cipher.GetIv().GetSource(), "SOURCE_", "RANDOM")
	from := func(p *allowlistv1.Profile, source allowlistv1.Iv_Source) {
		if hasIV(p.GetCipher()) {
			p.GetCipher().Iv = &allowlistv1.Iv{Source: source, Bytes: p.GetCipher().GetIv().GetBytes()}
		}
	}
	if !sends(c.profile, describe.SlotIV) {
		for i, place := range []string{"RANDOM, before the ciphertext", "RANDOM, after the ciphertext"} {
			c.add(group, field, configured, place, func(p *allowlistv1.Profile) {
				from(p, allowlistv1.Iv_SOURCE_RANDOM)
				insert(p, describe.SlotIV, i == 1)
			})
		}
	}
	if configured != "ZERO" {
		c.add(group, field, configured, "ZERO, not sent", func(p *allowlistv1.Profile) {
			from(p, allowlistv1.Iv_SOURCE_ZERO)
			drop(p, describe.SlotIV)
		})
	}
	if c.described.Cipher.Suite.Mode == symmetric.ModeCBC && configured != "IN_PLAINTEXT" {
		c.add(group, field, configured, "IN_PLAINTEXT", func(p *allowlistv1.Profile) {
			from(p, allowlistv1.Iv_SOURCE_IN_PLAINTEXT)
			drop(p, describe.SlotIV)
		})
	}
}

// algorithms adds the other modes with the same key size, and the other key sizes in the same
// mode.
func (c *collector) algorithms(cipher *allowlistv1.Cipher) {
	configured := name(cipher.GetAlgorithm(), "ALGORITHM_", "")
	size, mode, isAES := aes(configured)
	for value := allowlistv1.Cipher_ALGORITHM_AES_128_GCM; int(value) < len(allowlistv1.Cipher_Algorithm_name); value++ {
		works := name(value, "ALGORITHM_", "")
		otherSize, otherMode, otherAES := aes(works)
		alike := isAES == otherAES && (size == otherSize || mode == otherMode)
		if works == "CHACHA20_POLY1305" && size == "256" || configured == "CHACHA20_POLY1305" && otherSize == "256" {
			alike = true
		}
		if works == configured || !alike {
			continue
		}
		c.add("algorithm", "cipher.algorithm", configured, works, func(p *allowlistv1.Profile) {
			p.GetCipher().Algorithm = value
			fit(p)
		})
	}
}

// aes returns the key size and the mode of AES. For Triple DES the size is empty.
func aes(algorithm string) (size, mode string, ok bool) {
	rest, ok := strings.CutPrefix(algorithm, "AES_")
	size, mode, _ = strings.Cut(rest, "_")
	if !ok {
		return "", algorithm, algorithm == "CHACHA20_POLY1305"
	}
	return size, mode, true
}

// hasIV reports whether a cipher has an IV.
func hasIV(c *allowlistv1.Cipher) bool { return symmetric.SuiteOf(c).Mode != symmetric.ModeECB }

// fit removes settings that an algorithm does not have, and adds those that it requires.
func fit(p *allowlistv1.Profile) {
	c := p.GetCipher()
	switch {
	case !hasIV(c):
		c.Iv = nil
		drop(p, describe.SlotIV)
	case c.GetIv() != nil:
		c.GetIv().Bytes = 0
	}
	suite := symmetric.SuiteOf(c)
	if suite.Mode != symmetric.ModeGCM {
		c.TagBytes = 0
	}
	if !suite.Blocks() {
		c.Padding = allowlistv1.Cipher_PADDING_UNSPECIFIED
	}
	if described := describe.Of("", p); described.Cipher.IV.Sent() && !described.Envelope.Sends(describe.SlotIV) {
		insert(p, describe.SlotIV, false)
	}
	if suite.AEAD() {
		if !sends(p, describe.SlotTag) {
			insert(p, describe.SlotTag, true)
		}
		c.Mac = nil
		drop(p, describe.SlotMAC)
		return
	}
	drop(p, describe.SlotTag)
	c.Aad = nil
	drop(p, describe.SlotAAD)
}

// macs adds the other MAC algorithms, and the other form of the MAC input.
func (c *collector) macs(cipher *allowlistv1.Cipher) {
	mac := cipher.GetMac()
	if mac == nil {
		return
	}
	configured := name(mac.GetAlgorithm(), "ALGORITHM_", "")
	for _, a := range []allowlistv1.Mac_Algorithm{
		allowlistv1.Mac_ALGORITHM_HMAC_SHA256, allowlistv1.Mac_ALGORITHM_HMAC_SHA512, allowlistv1.Mac_ALGORITHM_HMAC_SHA1,
	} {
		if works := name(a, "ALGORITHM_", ""); works != configured {
			c.add("mac", "cipher.mac.algorithm", configured, works, func(p *allowlistv1.Profile) {
				if p.GetCipher().GetMac() != nil {
					p.GetCipher().GetMac().Algorithm = a
				}
			})
		}
	}
	other := strings.ReplaceAll(mac.GetInput(), "|raw}", "}")
	if other == mac.GetInput() {
		other = strings.ReplaceAll(mac.GetInput(), "}", "|raw}")
	}
	c.add("mac input", "cipher.mac.input", mac.GetInput(), other, func(p *allowlistv1.Profile) {
		if p.GetCipher().GetMac() != nil {
			p.GetCipher().GetMac().Input = other
		}
	})
}
