package snippet

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The texts that a JWE is made of, in the order of its compact serialization.
func jweHoles() []string { return []string{"protected", "encrypted_key", "iv", "ciphertext", "tag"} }

// openJWE writes a JSON Web Encryption (RFC 7516).
func (p *program) openJWE(source string, j *allowlistv1.Jose) (string, error) {
	if err := p.envelope(source, "${jwe}", nil); err != nil {
		return "", err
	}
	if compact := p.texts["jwe"]; compact != "" {
		p.say("The parts of the JWE.")
		var names []string
		for _, hole := range jweHoles() {
			p.texts[hole] = variable(hole) + "Text"
			names = append(names, p.texts[hole])
		}
		const part = `([^.]*)`
		p.line(p.match(names, "^"+strings.Join([]string{part, part, part, part, part}, `\.`)+"$", compact)...)
	}
	p.letText("header", p.encode(inUTF8, p.decode(inBase64URL, p.texts["protected"])))
	contentKey, err := p.contentKey(j)
	if err != nil {
		return "", err
	}
	iv, ciphertext := p.decode(inBase64URL, p.texts["iv"]), p.decode(inBase64URL, p.texts["ciphertext"])
	tag, aad := p.decode(inBase64URL, p.texts["tag"]), p.decode(inUTF8, p.texts["protected"])
	name := strings.TrimPrefix(j.GetContentEncryption().String(), "CONTENT_ENCRYPTION_")
	p.say(strings.ReplaceAll(name, "_", "-") + ".")
	opened := call("gcm", contentKey, iv, ciphertext, tag, aad)
	if _, hash, found := strings.Cut(name, "CBC_HS"); found {
		opened = call("cbcHmac", p.hash(sha(hash)), contentKey, iv, ciphertext, tag, aad)
	}
	return p.let("opened", opened), nil
}

// contentKey writes how a JWE's content key is found.
func (p *program) contentKey(j *allowlistv1.Jose) (string, error) {
	encrypted := p.decode(inBase64URL, p.texts["encrypted_key"])
	switch j.GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP:
		return p.unwrapRSA(&allowlistv1.RsaOaep{Hash: allowlistv1.Hash_HASH_SHA1}, encrypted)
	case allowlistv1.Jose_KEY_MANAGEMENT_RSA_OAEP_256:
		return p.unwrapRSA(&allowlistv1.RsaOaep{}, encrypted)
	case allowlistv1.Jose_KEY_MANAGEMENT_RSA1_5:
		return p.unwrapRSA(nil, encrypted)
	case allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES:
		return p.agreedContentKey(j, enc(j), contentBytes(j))
	case allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A256KW:
		n := 32
		if j.GetKeyManagement() == allowlistv1.Jose_KEY_MANAGEMENT_ECDH_ES_A128KW {
			n = 16
		}
		key, err := p.agreedContentKey(j, "ECDH-ES+A"+number(n*8)+"KW", n)
		if err != nil {
			return "", err
		}
		return p.let("contentKey", call("unwrapAes", key, encrypted)), nil
	default:
		return p.sharedContentKey(j, encrypted)
	}
}

// sharedContentKey writes how the content key comes of a key that both sides share.
func (p *program) sharedContentKey(j *allowlistv1.Jose, encrypted string) (string, error) {
	key, err := p.sharedKey("jose.keys[0]", "sharedKey")
	if err != nil {
		return "", err
	}
	n := contentBytes(j)
	switch j.GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_A128GCMKW:
		n = 16
	case allowlistv1.Jose_KEY_MANAGEMENT_A256KW, allowlistv1.Jose_KEY_MANAGEMENT_A256GCMKW:
		n = 32
	}
	if j.GetDerivation() != nil {
		derived, err := p.derive(j.GetDerivation(), key, "jose.derivation", n)
		if err != nil {
			return "", err
		}
		key = p.let("key", derived)
	}
	switch j.GetKeyManagement() {
	case allowlistv1.Jose_KEY_MANAGEMENT_DIR:
		return key, nil
	case allowlistv1.Jose_KEY_MANAGEMENT_A128KW, allowlistv1.Jose_KEY_MANAGEMENT_A256KW:
		return p.let("contentKey", call("unwrapAes", key, encrypted)), nil
	default:
		iv, tag := p.ofHeader("iv"), p.ofHeader("tag")
		return p.let("contentKey", call("gcm", key, iv, encrypted, tag, p.zeros(0))), nil
	}
}

// ofHeader writes the bytes of a member of the JOSE header.
func (p *program) ofHeader(path ...string) string {
	return p.decode(inBase64URL, call("pick", append([]string{"header"}, p.quoteAll(path)...)...))
}

func (p *program) unwrapRSA(oaep *allowlistv1.RsaOaep, encrypted string) (string, error) {
	key, err := p.privateKey("jose.keys[0]")
	if err != nil {
		return "", err
	}
	return p.let("contentKey", p.decryptRSA(key, oaep, encrypted)), nil
}

// agreedContentKey writes ECDH-ES (RFC 7518 section 4.6). The throw-away key is of P-256.
func (p *program) agreedContentKey(j *allowlistv1.Jose, algorithm string, n int) (string, error) {
	private, err := p.privateKey("jose.keys[0]")
	if err != nil {
		return "", err
	}
	const uncompressed = "04"
	point := p.concat([]string{p.decode(inHex, p.quote(uncompressed)), p.ofHeader("epk", "x"), p.ofHeader("epk", "y")})
	agreed := p.let("agreed", call("agree", p.quote(spkiP256), private, p.let("ephemeralKey", point)))
	party := func(name string) string {
		if j.GetHeader()[name] == "" {
			return p.zeros(0)
		}
		return p.ofHeader(name)
	}
	name := "contentKey"
	if algorithm != enc(j) {
		name = "wrappingKey"
	}
	return p.let(name, call("concatKdf", agreed, p.quote(algorithm), party("apu"), party("apv"), number(n))), nil
}

// enc returns the content encryption as RFC 7518 names it.
func enc(j *allowlistv1.Jose) string {
	return strings.ReplaceAll(strings.TrimPrefix(j.GetContentEncryption().String(), "CONTENT_ENCRYPTION_"), "_", "-")
}

// contentBytes returns the length of the content key.
func contentBytes(j *allowlistv1.Jose) int {
	switch enc(j) {
	case "A128GCM":
		return 16
	case "A192GCM":
		return 24
	case "A192CBC-HS384":
		return 48
	case "A256CBC-HS512":
		return 64
	default:
		return 32
	}
}

// sha returns a hash of the SHA-2 family by its bits.
func sha(bits string) allowlistv1.Hash {
	switch bits {
	case "384":
		return allowlistv1.Hash_HASH_SHA384
	case "512":
		return allowlistv1.Hash_HASH_SHA512
	default:
		return allowlistv1.Hash_HASH_SHA256
	}
}

// verifyNested writes the signature inside, and returns what it signs.
func (p *program) verifyNested(n *allowlistv1.NestedJws, signed string) (string, error) {
	p.say("What was encrypted is a JSON Web Signature around the value.")
	const part = `([^.]*)`
	names := []string{"signedHeader", "signedPayload", "signature"}
	p.line(p.match(names, "^"+part+`\.`+part+`\.`+part+"$", p.encode(inUTF8, signed))...)
	data := p.decode(inUTF8, "signedHeader + "+p.quote(".")+" + signedPayload")
	good, err := p.verifyJWS(n.GetJws(), "nested_jws.keys[0]", "innerKey", data, p.decode(inBase64URL, "signature"))
	if err != nil {
		return "", err
	}
	p.line(p.check(good, "the signature inside is not right"))
	return p.let("value", p.decode(inBase64URL, "signedPayload")), nil
}

// verifyJWS writes the condition that a signature of RFC 7518 is right.
func (p *program) verifyJWS(j *allowlistv1.Jws, place, name, data, signature string) (string, error) {
	alg := strings.TrimPrefix(j.GetAlgorithm().String(), "ALGORITHM_")
	if bits, ok := strings.CutPrefix(alg, "HS"); ok {
		key, err := p.sharedKey(place, name)
		return call("same", call("hmac", p.hash(sha(bits)), key, data), signature), err
	}
	key, err := p.publicKey(place, name)
	if err != nil {
		return "", err
	}
	switch {
	case alg == "EDDSA":
		return call("verifyEd25519", key, data, signature), nil
	case strings.HasPrefix(alg, "ES"):
		return call("verifyEcdsaP1363", p.hash(sha(alg[2:])), key, data, signature), nil
	case strings.HasPrefix(alg, "PS"):
		return call("verifyPss", p.hash(sha(alg[2:])), key, data, signature), nil
	default:
		return call("verifyRsa", p.hash(sha(alg[2:])), key, data, signature), nil
	}
}
