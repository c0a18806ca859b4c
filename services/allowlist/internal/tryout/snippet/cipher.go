package snippet

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The prefixes that make a SubjectPublicKeyInfo (RFC 5280) of the bytes of a public key.
const (
	spkiX25519 = "302a300506032b656e032100"
	spkiP256   = "3059301306072a8648ce3d020106082a8648ce3d030107034200"
)

// derivationOf returns how a profile derives its cipher's key, or nil.
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

// decrypt writes a symmetric cipher, from the parts to the value.
func (p *program) decrypt(c *allowlistv1.Cipher) (string, error) {
	key, derivedIV, err := p.cipherKey(c)
	if err != nil {
		return "", err
	}
	if mac := c.GetMac(); mac != nil {
		if err := p.checkMAC(mac, key); err != nil {
			return "", err
		}
	}
	iv, err := p.iv(c, key, derivedIV)
	if err != nil {
		return "", err
	}
	aad, err := p.associated(c.GetAad())
	if err != nil {
		return "", err
	}
	p.say(strings.ReplaceAll(strings.TrimPrefix(c.GetAlgorithm().String(), "ALGORITHM_"), "_", "-") + ".")
	opened := p.let("opened", p.cipherCall(c, key, iv, aad))
	if c.GetIv().GetSource() == allowlistv1.Iv_SOURCE_IN_PLAINTEXT {
		p.say("Its first block is the IV.")
		return p.let("behindIv", p.slice(opened, number(IVBytes(c)), "")), nil
	}
	return opened, nil
}

// cipherCall writes the call of the cipher.
func (p *program) cipherCall(c *allowlistv1.Cipher, key, iv, aad string) string {
	padding := p.quote("pkcs7")
	switch c.GetPadding() {
	case allowlistv1.Cipher_PADDING_NONE:
		padding = p.quote("none")
	case allowlistv1.Cipher_PADDING_ZERO:
		padding = p.quote("zero")
	}
	ciphertext, tag := p.parts[slotCiphertext], p.parts[slotTag]
	switch name := c.GetAlgorithm().String(); {
	case c.GetAlgorithm() == allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305:
		return call("chacha20Poly1305", key, iv, ciphertext, tag, aad)
	case c.GetAlgorithm() == allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_CBC:
		return call("tripleDesCbc", key, iv, ciphertext, padding)
	case c.GetAlgorithm() == allowlistv1.Cipher_ALGORITHM_TRIPLE_DES_ECB:
		return call("tripleDesEcb", key, ciphertext, padding)
	case strings.HasSuffix(name, "GCM"):
		return call("gcm", key, iv, ciphertext, tag, aad)
	case strings.HasSuffix(name, "CBC"):
		return call("cbc", key, iv, ciphertext, padding)
	case strings.HasSuffix(name, "CTR"):
		return call("ctr", key, iv, ciphertext)
	default:
		return call("ecb", key, ciphertext, padding)
	}
}

// cipherKey writes where the cipher's key comes from, and the IV if it is derived too.
func (p *program) cipherKey(c *allowlistv1.Cipher) (key, iv string, err error) {
	var secret, path string
	switch c.GetKey().(type) {
	case *allowlistv1.Cipher_SharedKey:
		path = "cipher.shared_key"
		secret, err = p.sharedKey(path+".keys[0]", "sharedKey")
	case *allowlistv1.Cipher_SessionKey:
		path = "cipher.session_key"
		secret, err = p.sessionKey(c.GetSessionKey(), path)
	case *allowlistv1.Cipher_Ecdh:
		path = "cipher.ecdh"
		secret, err = p.agreedKey(c.GetEcdh(), path)
	default:
		secret, err = p.sharedKey("cipher.exchange_key", "exchangeKey")
	}
	d := derivationOf(p.Profile)
	if err != nil || d == nil {
		return secret, "", err
	}
	n, size := KeyBytes(c.GetAlgorithm()), 0
	if c.GetIv().GetSource() == allowlistv1.Iv_SOURCE_DERIVED {
		size = IVBytes(c)
	}
	derived, err := p.derive(d, secret, path+".derivation", n+size)
	if err != nil {
		return "", "", err
	}
	if size == 0 {
		return p.let("key", derived), "", nil
	}
	both := p.let("keyAndIv", derived)
	key = p.let("key", p.slice(both, "0", number(n)))
	if p.parts[slotIV] != "" {
		return key, "", nil // it is sent as well
	}
	return key, p.let("iv", p.slice(both, number(n), "")), nil
}

func (p *program) sessionKey(s *allowlistv1.SessionKey, path string) (string, error) {
	p.say("The session key, which is wrapped.")
	var wrapped string
	if s.GetAesKw() != nil {
		key, err := p.sharedKey(path+".keys[0]", "wrappingKey")
		if err != nil {
			return "", err
		}
		wrapped = call("unwrapAes", key, p.parts[slotWrapped])
	} else {
		key, err := p.privateKey(path + ".keys[0]")
		if err != nil {
			return "", err
		}
		wrapped = p.decryptRSA(key, s.GetRsaOaep(), p.parts[slotWrapped])
	}
	switch s.GetForm() {
	case allowlistv1.SessionKey_FORM_BASE64:
		wrapped = p.decode(inBase64, p.encode(inUTF8, wrapped))
	case allowlistv1.SessionKey_FORM_HEX:
		wrapped = p.decode(inHex, p.encode(inUTF8, wrapped))
	}
	return p.let("sessionKey", wrapped), nil
}

func (p *program) agreedKey(e *allowlistv1.Ecdh, path string) (string, error) {
	key, err := p.privateKey(path + ".keys[0]")
	if err != nil {
		return "", err
	}
	prefix := spkiX25519
	if e.GetCurve() == allowlistv1.Ecdh_CURVE_P256 {
		prefix = spkiP256
	}
	p.say("The secret that both sides agree on, and the key that is made of it.")
	return p.let("agreed", call("agree", p.quote(prefix), key, p.parts[slotEphemeral])), nil
}

// derive writes the derivation of n bytes.
func (p *program) derive(d *allowlistv1.Derivation, secret, path string, n int) (string, error) {
	salt := p.zeros(0)
	switch d.GetSalt().GetSource().(type) {
	case *allowlistv1.Salt_SentBytes:
		salt = p.parts[slotSalt]
	case *allowlistv1.Salt_Secret:
		var err error
		if salt, err = p.sharedKey(path+".salt.secret", "staticSalt"); err != nil {
			return "", err
		}
	}
	size := number(n)
	switch function := d.GetFunction().(type) {
	case *allowlistv1.Derivation_Digest:
		return p.digestKey(function.Digest, secret), nil
	case *allowlistv1.Derivation_EvpBytesToKey:
		iterations := number(max(1, function.EvpBytesToKey.GetIterations()))
		return call("evpBytesToKey", p.hash(function.EvpBytesToKey.GetHash()), secret, salt, iterations, size), nil
	case *allowlistv1.Derivation_Pbkdf2:
		return call("pbkdf2", p.hash(orSHA256(function.Pbkdf2.GetHash())), secret, salt, number(function.Pbkdf2.GetIterations()), size), nil
	case *allowlistv1.Derivation_Hkdf:
		info := p.decode(inUTF8, p.quote(function.Hkdf.GetInfo()))
		return call("hkdf", p.hash(orSHA256(function.Hkdf.GetHash())), secret, salt, info, size), nil
	case *allowlistv1.Derivation_Scrypt:
		if p.language() != languageNode {
			return "", errBeyond
		}
		r, parallel := function.Scrypt.GetR(), max(1, function.Scrypt.GetP())
		if r == 0 {
			r = 8
		}
		return call("scrypt", secret, salt, number(function.Scrypt.GetN()), number(r), number(parallel), size), nil
	}
	return "", errBeyond
}

// digestKey writes a plain digest as a key.
func (p *program) digestKey(d *allowlistv1.DigestDerivation, secret string) string {
	key := call("digest", p.hash(d.GetHash()), secret)
	if encoded := d.GetEncoding(); encoded != allowlistv1.Encoding_ENCODING_UNSPECIFIED && encoded != inUTF8 {
		key = p.decode(inUTF8, p.encode(encoded, key))
	}
	if d.GetTake() > 0 {
		key = p.slice(key, "0", number(d.GetTake()))
	}
	return key
}

// iv writes where the IV comes from; derived is the one that came with the key.
func (p *program) iv(c *allowlistv1.Cipher, key, derived string) (string, error) {
	n := IVBytes(c)
	switch source := c.GetIv().GetSource(); {
	case n == 0:
		return "", nil
	case p.parts[slotIV] != "":
		return p.parts[slotIV], nil
	case source == allowlistv1.Iv_SOURCE_STATIC:
		return p.sharedKey("cipher.iv.secret", "staticIv")
	case source == allowlistv1.Iv_SOURCE_KEY_PREFIX:
		return p.let("iv", p.slice(key, "0", number(n))), nil
	case source == allowlistv1.Iv_SOURCE_DERIVED:
		return derived, nil
	case source == allowlistv1.Iv_SOURCE_PEER_FLIPPED:
		iv, err := p.sharedKey("cipher.iv", "exchangeIv")
		if err != nil {
			return "", err
		}
		p.say("The IV of the request, every bit flipped.")
		return p.let("iv", call("flipped", iv)), nil
	case source == allowlistv1.Iv_SOURCE_FIELD_SUFFIX:
		return p.suffix("iv", c.GetIv().GetFieldSuffix(), n)
	default:
		return p.let("iv", p.zeros(n)), nil
	}
}

// associated writes where the associated data come from.
func (p *program) associated(a *allowlistv1.AssociatedData) (string, error) {
	switch source := a.GetSource().(type) {
	case *allowlistv1.AssociatedData_Text:
		return p.let("aad", p.decode(inUTF8, p.quote(source.Text))), nil
	case *allowlistv1.AssociatedData_Sent:
		return p.parts[slotAAD], nil
	case *allowlistv1.AssociatedData_FieldSuffix:
		return p.suffix("aad", source.FieldSuffix.GetPath(), int(source.FieldSuffix.GetBytes()))
	default:
		return p.zeros(0), nil
	}
}

// suffix writes the last bytes of another value of the body.
func (p *program) suffix(name, path string, n int) (string, error) {
	at, err := steps(path)
	if err != nil {
		return "", err
	}
	of := call("pick", append([]string{p.constant("body")}, p.quoteAll(at)...)...)
	value := p.let(name+"Field", p.decode(inUTF8, of))
	return p.let(name, p.slice(value, value+".length - "+number(n), "")), nil
}

// checkMAC writes the check of a MAC over blobs.
func (p *program) checkMAC(m *allowlistv1.EncryptThenMac, key string) error {
	if m.GetKey() != nil {
		var err error
		if key, err = p.sharedKey("cipher.mac.key", "macKey"); err != nil {
			return err
		}
	}
	literals, names := split(m.GetInput())
	var pieces []string
	for i, literal := range literals {
		if literal != "" {
			pieces = append(pieces, p.decode(inUTF8, p.quote(literal)))
		}
		if i < len(names) {
			name, raw := strings.CutSuffix(names[i], "|raw")
			pieces = append(pieces, p.blob(name, raw))
		}
	}
	p.say("The MAC, before anything is decrypted.")
	sum := call("hmac", p.hash(macHash(m.GetAlgorithm()).hash), key, p.concat(pieces))
	p.line(p.check(call("same", sum, p.parts[slotMAC]), "the MAC is not right"))
	return nil
}

// blob writes the text of a blob, or its bytes before encoding.
func (p *program) blob(name string, raw bool) string {
	blob := p.blobs()[name]
	if !raw {
		return p.decode(inUTF8, p.texts[name])
	}
	if len(blob.GetParts()) == 1 {
		return p.parts[blob.GetParts()[0].GetSlot()]
	}
	return variable(name) + "Bytes"
}

// A sizedHash is a hash with its length.
type sizedHash struct {
	hash allowlistv1.Hash
	size int
}

func macHash(a allowlistv1.Mac_Algorithm) sizedHash {
	switch a {
	case allowlistv1.Mac_ALGORITHM_HMAC_MD5:
		return sizedHash{allowlistv1.Hash_HASH_MD5, 16}
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA1:
		return sizedHash{allowlistv1.Hash_HASH_SHA1, 20}
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA384:
		return sizedHash{allowlistv1.Hash_HASH_SHA384, 48}
	case allowlistv1.Mac_ALGORITHM_HMAC_SHA512:
		return sizedHash{allowlistv1.Hash_HASH_SHA512, 64}
	default:
		return sizedHash{allowlistv1.Hash_HASH_SHA256, 32}
	}
}
