package snippet

import (
	"crypto"
	"encoding/hex"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// The prefixes that turn the bytes of a public key into a SubjectPublicKeyInfo (RFC 5280).
const (
	spkiX25519 = "302a300506032b656e032100"
	spkiP256   = "3059301306072a8648ce3d020106082a8648ce3d030107034200"
)

// cipherKey writes the source of the cipher's key, and of the IV if that is derived, too.
func (p *program) cipherKey(c *describe.Cipher) (key, iv string, err error) {
	var secret string
	switch c.Key {
	case describe.KeyShared:
		secret, err = p.sharedKey(p.at("cipher.shared_key.keys[0]"), "sharedKey")
	case describe.KeySession:
		if secret, err = p.sessionKey(c.Session); err == nil {
			p.checkHash(secret)
		}
	case describe.KeyAgreed:
		secret, err = p.agreedKey(c)
	default:
		secret, err = p.sharedKey(p.at("cipher.exchange_key"), "exchangeKey")
	}
	d := c.Derivation
	if err != nil || d == nil {
		return secret, "", err
	}
	derived, err := p.derive(d, secret)
	if err != nil {
		return "", "", err
	}
	if d.Bytes == d.KeyBytes {
		return p.let("key", derived), "", nil
	}
	if c.MAC != nil && c.MAC.DerivedBytes > 0 {
		both := p.let("keys", derived)
		p.macKey = p.let("macKey", p.slice(both, d.KeyBytes, 0))
		return p.let("key", p.slice(both, 0, d.KeyBytes)), "", nil
	}
	both := p.let("keyAndIv", derived)
	key = p.let("key", p.slice(both, 0, d.KeyBytes))
	if p.parts[describe.SlotIV] != "" {
		return key, "", nil // it is sent as well
	}
	return key, p.let("iv", p.slice(both, d.KeyBytes, 0)), nil
}

func (p *program) sessionKey(s *describe.Session) (string, error) {
	const field = "cipher.session_key.keys[0]"
	p.say("Unwrap the session key.")
	wrapped := p.parts[describe.SlotWrapped]
	if s.Wrap == describe.WrapAES {
		key, err := p.sharedKey(p.at(field), "wrappingKey")
		if err != nil {
			return "", err
		}
		return p.let("sessionKey", p.unformed(s.Form, p.call("unwrapAes", key, wrapped))), nil
	}
	key, err := p.privateKey(p.at(field))
	if err != nil {
		return "", err
	}
	session := p.let("sessionKey", p.unformed(s.Form, p.decryptRSA(key, s.OAEP, wrapped)))
	if wrapped := p.parts[describe.SlotWrappedIV]; wrapped != "" {
		p.parts[describe.SlotIV] = p.let("iv", p.unformed(s.Form, p.decryptRSA(key, s.OAEP, wrapped)))
	}
	return session, nil
}

// unformed writes the bytes of a session key in a form.
func (p *program) unformed(f describe.SessionForm, unwrapped string) string {
	switch f {
	case describe.FormBase64:
		return p.decode(inBase64, p.encode(inUTF8, unwrapped))
	case describe.FormHex:
		return p.decode(inHex, p.encode(inUTF8, unwrapped))
	default:
		return unwrapped
	}
}

// checkHash writes the comparison of the session key with its hash, if that is sent.
func (p *program) checkHash(session string) {
	if sent := p.parts[describe.SlotSessionHash]; sent != "" {
		p.check(p.call("same", p.call("digest", p.hash(crypto.SHA256), session), sent), "the hash of the session key is wrong")
	}
}

func (p *program) agreedKey(c *describe.Cipher) (string, error) {
	key, err := p.privateKey(p.at("cipher.ecdh.keys[0]"))
	if err != nil {
		return "", err
	}
	prefix := spkiX25519
	if c.Curve == keys.P256 {
		prefix = spkiP256
	}
	if c.EphemeralSPKI {
		prefix = ""
	}
	p.say("The agreed secret, and the key that is derived from it.")
	agreed := p.let("agreed", p.call("agree", p.quote(prefix), key, p.parts[describe.SlotEphemeral]))
	if c.EphemeralFirst {
		agreed = p.let("input", p.concat([]string{p.parts[describe.SlotEphemeral], agreed}))
	}
	return agreed, nil
}

// decryptRSA writes RSA decryption with OAEP, or with PKCS #1 v1.5 if oaep is nil.
func (p *program) decryptRSA(key string, oaep *keys.OAEP, encrypted string) string {
	if oaep == nil {
		return p.call("decryptPkcs1", key, encrypted)
	}
	mgf1 := oaep.MGF1
	if mgf1 == 0 {
		mgf1 = oaep.Hash
	}
	return p.call("decryptOaep", key, p.hash(oaep.Hash), p.hash(mgf1), p.utf8(p.quote(oaep.Label)), encrypted)
}

// derive writes a derivation.
func (p *program) derive(d *describe.Derivation, secret string) (string, error) {
	salt := p.zeros(0)
	switch {
	case d.SentSalt > 0:
		if salt = p.parts[describe.SlotSalt]; d.SaltIV > 0 {
			salt = p.slice(salt, 0, d.SentSalt-d.SaltIV)
		}
	case d.SecretSalt:
		var err error
		if salt, err = p.sharedKey(d.Field+".salt.secret", "staticSalt"); err != nil {
			return "", err
		}
	}
	size := number(d.Bytes)
	switch d.Function {
	case keys.Digest:
		return p.digestKey(d.Derivation, secret), nil
	case keys.EVPBytesToKey:
		return p.call("evpBytesToKey", p.hash(d.Hash), secret, salt, number(d.Iterations), size), nil
	case keys.PBKDF2:
		return p.call("pbkdf2", p.hash(d.Hash), secret, salt, number(d.Iterations), size), nil
	case keys.HKDF:
		return p.call("hkdf", p.hash(d.Hash), secret, salt, p.utf8(p.quote(d.Info)), size), nil
	case keys.Counter:
		name := map[bool]string{false: "oneStepKdf", true: "x963Kdf"}[d.CounterAfter]
		return p.call(name, p.hash(d.Hash), secret, p.decode(inHex, p.quote(hex.EncodeToString([]byte(d.Info)))), size), nil
	case keys.Scrypt:
		return p.call("scrypt", secret, salt, number(d.N), number(d.R), number(d.P), size), nil
	default:
		return "", errBeyond
	}
}

// digestKey writes a plain digest as a key.
func (p *program) digestKey(d keys.Derivation, secret string) string {
	key := p.call("digest", p.hash(d.Hash), secret)
	if encoded, ok := map[keys.Encoding]encoding{
		keys.EncodeHex: inHex, keys.EncodeHexUpper: inHexUpper, keys.EncodeBase64: inBase64, keys.EncodeBase64URL: inBase64URL,
	}[d.Encoding]; ok {
		key = p.utf8(p.encode(encoded, key))
	}
	if d.Take > 0 {
		key = p.slice(key, 0, d.Take)
	}
	return key
}

// sha returns a SHA-2 hash by its number of bits.
func sha(bits string) crypto.Hash {
	switch bits {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}
