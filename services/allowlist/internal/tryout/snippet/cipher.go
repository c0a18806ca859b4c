package snippet

import (
	"crypto"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// decrypt writes a symmetric decryption, from the parts to the value.
func (p *program) decrypt(c *describe.Cipher) (string, error) {
	key, derivedIV, err := p.cipherKey(c)
	if err != nil {
		return "", err
	}
	if c.MAC != nil {
		if err := p.checkMAC(c.MAC, key); err != nil {
			return "", err
		}
	}
	iv, err := p.iv(c.IV, key, derivedIV)
	if err != nil {
		return "", err
	}
	aad, err := p.associated(c.AAD)
	if err != nil {
		return "", err
	}
	p.say(strings.ReplaceAll(strings.TrimPrefix(c.Algorithm.String(), "ALGORITHM_"), "_", "-") + ".")
	opened := p.let("opened", p.cipherCall(c.Suite, key, iv, aad))
	if c.Suite.IVInPlaintext {
		p.say("Its first block is the IV.")
		opened = p.let("behindIv", p.slice(opened, c.IV.Bytes, 0))
	}
	return p.unframed(c.Framing, opened), nil
}

// unframed writes the value in a frame.
func (p *program) unframed(f symmetric.Framing, framed string) string {
	if !f.Set() {
		return framed
	}
	p.say("The value is between random bytes with its length, and a suffix.")
	if f.Suffix != "" {
		p.check(p.call("same", p.slice(framed, -len(f.Suffix), 0), p.utf8(p.quote(f.Suffix))), "the suffix is wrong")
	}
	return p.let("value", p.slice(framed, f.Len(0)-len(f.Suffix), -len(f.Suffix)))
}

// cipherCall writes the call of the cipher.
func (p *program) cipherCall(s symmetric.Suite, key, iv, aad string) string {
	padding := p.quote(map[symmetric.Padding]string{symmetric.NoPadding: "none", symmetric.ZeroPadding: "zero", symmetric.PKCS7: "pkcs7", symmetric.PKCS7For32: "pkcs7-32"}[s.Padding])
	ciphertext, tag := p.parts[describe.SlotCiphertext], p.parts[describe.SlotTag]
	switch {
	case s.Mode == symmetric.ModeChaCha:
		return p.call("chacha20Poly1305", key, iv, ciphertext, tag, aad)
	case s.Mode == symmetric.ModeGCM:
		return p.call("gcm", key, iv, ciphertext, tag, aad)
	case s.Mode == symmetric.ModeCTR:
		return p.call("ctr", key, iv, ciphertext)
	case s.Mode == symmetric.ModeCFB:
		return p.call("cfb", key, iv, ciphertext)
	case s.Mode == symmetric.ModeOFB:
		return p.call("ofb", key, iv, ciphertext)
	case s.Mode == symmetric.ModeCBC && s.TripleDES:
		return p.call("tripleDesCbc", key, iv, ciphertext, padding)
	case s.Mode == symmetric.ModeCBC:
		return p.call("cbc", key, iv, ciphertext, padding)
	case s.TripleDES:
		return p.call("tripleDesEcb", key, ciphertext, padding)
	default:
		return p.call("ecb", key, ciphertext, padding)
	}
}

// iv writes the source of the IV; derived is the IV that was derived with the key.
func (p *program) iv(rule describe.IVRule, key, derived string) (string, error) {
	switch {
	case rule.Bytes == 0:
		return "", nil
	case p.parts[describe.SlotIV] != "":
		return p.parts[describe.SlotIV], nil
	}
	switch rule.Source {
	case allowlistv1.Iv_SOURCE_STATIC:
		return p.sharedKey(p.at("cipher.iv.secret"), "staticIv")
	case allowlistv1.Iv_SOURCE_KEY_PREFIX:
		return p.let("iv", p.slice(key, 0, rule.Bytes)), nil
	case allowlistv1.Iv_SOURCE_DERIVED:
		return derived, nil
	case allowlistv1.Iv_SOURCE_SALT_SUFFIX:
		return p.let("iv", p.slice(p.parts[describe.SlotSalt], -rule.Bytes, 0)), nil
	case allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		iv, err := p.sharedKey(p.at("cipher.iv"), "exchangeIv")
		if err != nil {
			return "", err
		}
		p.say("The IV of the request with every bit flipped.")
		return p.let("iv", p.call("flipped", iv)), nil
	case allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
		return p.suffix("iv", rule.Suffix, rule.Bytes)
	default:
		return p.let("iv", p.zeros(rule.Bytes)), nil
	}
}

// associated writes the source of the associated data.
func (p *program) associated(a describe.AAD) (string, error) {
	switch {
	case !a.Given:
		return p.zeros(0), nil
	case a.Sent:
		return p.parts[describe.SlotAAD], nil
	case a.Suffix != "":
		return p.suffix("aad", a.Suffix, a.Bytes)
	default:
		return p.let("aad", p.utf8(p.quote(a.Text))), nil
	}
}

// suffix writes the last bytes of another value of the body.
func (p *program) suffix(name, path string, n int) (string, error) {
	at, err := steps(path)
	if err != nil {
		return "", err
	}
	value := p.let(name+"Field", p.utf8(p.inDocument("pick", p.constant("body"), at)))
	return p.let(name, p.slice(value, -n, 0)), nil
}

// checkMAC writes the check of a MAC over blobs.
func (p *program) checkMAC(m *describe.MAC, key string) error {
	if p.macKey != "" {
		key = p.macKey
	}
	if m.OwnKey {
		var err error
		if key, err = p.sharedKey(p.at("cipher.mac.key"), "macKey"); err != nil {
			return err
		}
	}
	literals, names := split(m.Input)
	var pieces []string
	for i, literal := range literals {
		if literal != "" {
			pieces = append(pieces, p.utf8(p.quote(literal)))
		}
		if i < len(names) {
			name, raw := strings.CutSuffix(names[i], "|raw")
			pieces = append(pieces, p.blob(name, raw))
		}
	}
	p.say("Verify the MAC before decrypting anything.")
	sum := p.call("hmac", p.hash(m.Hash), key, p.concat(pieces))
	p.check(p.call("same", sum, p.parts[describe.SlotMAC]), "the MAC is wrong")
	return nil
}

// openFernet writes the decryption of a Fernet token.
func (p *program) openFernet() (string, error) {
	both, err := p.sharedKey(p.at("fernet.keys[0]"), "key")
	if err != nil {
		return "", err
	}
	const half, mac, ivAt, textAt = symmetric.FernetKey / 2, 32, 9, 25
	token := p.parts[describe.SlotCiphertext]
	p.say("Verify the MAC before decrypting anything. The first half of the key is the key of the MAC.")
	sum := p.call("hmac", p.hash(crypto.SHA256), p.slice(both, 0, half), p.slice(token, 0, -mac))
	p.check(p.call("same", sum, p.slice(token, -mac, 0)), "the MAC is wrong")
	p.say("Before the ciphertext are a version, the time, and the IV.")
	opened := p.call("cbc", p.slice(both, half, 0), p.slice(token, ivAt, textAt), p.slice(token, textAt, -mac), p.quote("pkcs7"))
	return p.let("opened", opened), nil
}

// blob writes the text of a blob, or its decoded bytes.
func (p *program) blob(name string, raw bool) string {
	if !raw {
		return p.utf8(p.texts[name])
	}
	if blob, _ := p.Profile.Envelope.Blob(name); len(blob.Parts) == 1 {
		return p.parts[blob.Parts[0].Slot]
	}
	return p.name(camel(name) + "Bytes")
}
