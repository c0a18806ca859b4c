package diagnosis

import (
	"fmt"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// authenticates reports whether a cipher has a tag.
func authenticates(a allowlistv1.Cipher_Algorithm) bool {
	return strings.HasSuffix(a.String(), "_GCM") || a == allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
}

// blocks reports whether a cipher has whole blocks, and so a padding.
func blocks(a allowlistv1.Cipher_Algorithm) bool {
	return strings.HasSuffix(a.String(), "_CBC") || strings.HasSuffix(a.String(), "_ECB")
}

// hasIV reports whether a cipher has an IV.
func hasIV(a allowlistv1.Cipher_Algorithm) bool { return !strings.HasSuffix(a.String(), "_ECB") }

// sendsIV reports whether a cipher has to send its IV.
func sendsIV(c *allowlistv1.Cipher) bool {
	if c == nil || !hasIV(c.GetAlgorithm()) {
		return false
	}
	switch c.GetIv().GetSource() {
	case allowlistv1.Iv_SOURCE_UNSPECIFIED, allowlistv1.Iv_SOURCE_RANDOM, allowlistv1.Iv_SOURCE_RANDOM_TEXT:
		return true
	}
	return false
}

// lengths adds the other lengths of tag and IV.
func (c *collector) lengths() {
	cipher := c.profile.GetCipher()
	if !strings.HasSuffix(cipher.GetAlgorithm().String(), "_GCM") {
		return
	}
	ivBytes, tagBytes := cipher.GetIv().GetBytes(), cipher.GetTagBytes()
	if ivBytes == 0 {
		ivBytes = 12
	}
	if tagBytes == 0 {
		tagBytes = 16
	}
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

// values adds what a selected value may be turned into.
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
	if blocks(cipher.GetAlgorithm()) {
		configured := name(cipher.GetPadding(), "PADDING_", "PKCS7")
		for _, padding := range []allowlistv1.Cipher_Padding{
			allowlistv1.Cipher_PADDING_PKCS7, allowlistv1.Cipher_PADDING_ZERO, allowlistv1.Cipher_PADDING_NONE,
		} {
			if works := name(padding, "PADDING_", ""); works != configured {
				c.add("padding", "cipher.padding", configured, works, func(p *allowlistv1.Profile) {
					if blocks(p.GetCipher().GetAlgorithm()) {
						p.GetCipher().Padding = padding
					}
				})
			}
		}
	}
	if cipher.GetAad() != nil && !sends(c.profile, allowlistv1.Part_SLOT_AAD) {
		c.add("aad", "cipher.aad", "given", "none", func(p *allowlistv1.Profile) { p.GetCipher().Aad = nil })
	}
	c.ivs(cipher)
	c.algorithms(cipher)
	c.macs(cipher)
}

// ivs adds the other places that an IV may come from.
func (c *collector) ivs(cipher *allowlistv1.Cipher) {
	const group, field = "iv source", "cipher.iv.source"
	if !hasIV(cipher.GetAlgorithm()) {
		return
	}
	configured := name(cipher.GetIv().GetSource(), "SOURCE_", "RANDOM")
	from := func(p *allowlistv1.Profile, source allowlistv1.Iv_Source) {
		if hasIV(p.GetCipher().GetAlgorithm()) {
			p.GetCipher().Iv = &allowlistv1.Iv{Source: source, Bytes: p.GetCipher().GetIv().GetBytes()}
		}
	}
	if !sends(c.profile, slotIV) {
		for i, place := range []string{"RANDOM, in front of the ciphertext", "RANDOM, behind the ciphertext"} {
			c.add(group, field, configured, place, func(p *allowlistv1.Profile) {
				from(p, allowlistv1.Iv_SOURCE_RANDOM)
				insert(p, slotIV, i == 1)
			})
		}
	}
	if configured != "ZERO" {
		c.add(group, field, configured, "ZERO, not sent", func(p *allowlistv1.Profile) {
			from(p, allowlistv1.Iv_SOURCE_ZERO)
			drop(p, slotIV)
		})
	}
	if strings.HasSuffix(cipher.GetAlgorithm().String(), "_CBC") && configured != "IN_PLAINTEXT" {
		c.add(group, field, configured, "IN_PLAINTEXT", func(p *allowlistv1.Profile) {
			from(p, allowlistv1.Iv_SOURCE_IN_PLAINTEXT)
			drop(p, slotIV)
		})
	}
}

// algorithms adds the other modes with the same key, and the other keys in the same mode.
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

// aes returns the size and the mode of AES. Of Triple DES the size is none.
func aes(algorithm string) (size, mode string, ok bool) {
	rest, ok := strings.CutPrefix(algorithm, "AES_")
	size, mode, _ = strings.Cut(rest, "_")
	if !ok {
		return "", algorithm, algorithm == "CHACHA20_POLY1305"
	}
	return size, mode, true
}

// fit takes away what an algorithm does not have, and adds what it has to have.
func fit(p *allowlistv1.Profile) {
	c := p.GetCipher()
	switch {
	case !hasIV(c.GetAlgorithm()):
		c.Iv = nil
		drop(p, slotIV)
	case c.GetIv() != nil:
		c.GetIv().Bytes = 0
	}
	if sendsIV(c) && !sends(p, slotIV) {
		insert(p, slotIV, false)
	}
	if !strings.HasSuffix(c.GetAlgorithm().String(), "_GCM") {
		c.TagBytes = 0
	}
	if !blocks(c.GetAlgorithm()) {
		c.Padding = allowlistv1.Cipher_PADDING_UNSPECIFIED
	}
	if authenticates(c.GetAlgorithm()) {
		if !sends(p, slotTag) {
			insert(p, slotTag, true)
		}
		c.Mac = nil
		drop(p, allowlistv1.Part_SLOT_MAC)
		return
	}
	drop(p, slotTag)
	c.Aad = nil
	drop(p, allowlistv1.Part_SLOT_AAD)
}

// macs adds the other algorithms of a MAC, and the other form of what it is over.
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
