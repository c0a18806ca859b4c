package snippet

import (
	"crypto"
	"encoding/hex"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/keys"
)

// jweHoles returns the parts of a JWE in the order of its compact serialization.
func jweHoles() []string { return []string{"protected", "encrypted_key", "iv", "ciphertext", "tag"} }

// part matches a part of a compact serialization.
const part = `([^.]*)`

// openJWE writes the decryption of a JSON Web Encryption (RFC 7516).
func (p *program) openJWE(source string) (string, error) {
	j := p.Profile.JWE
	if err := p.envelope(source); err != nil {
		return "", err
	}
	if compact := p.texts["jwe"]; compact != "" {
		if p.Profile.Outer != nil {
			p.say("The JWE is signed: it is the payload of a JSON Web Signature.")
			payload, err := p.verifyAround(outerNames(), *p.Profile.Outer, compact)
			if err != nil {
				return "", err
			}
			compact = p.letText("innerJwe", p.encode(inUTF8, payload))
		}
		p.say("The parts of the JWE.")
		var variables []string
		for _, hole := range jweHoles() {
			variables = append(variables, camel(hole)+"Text")
		}
		p.find(jweHoles(), variables, "^"+strings.Join([]string{part, part, part, part, part}, `\.`)+"$", compact)
	}
	p.letText("header", p.encode(inUTF8, p.decode(inBase64URL, p.texts["protected"])))
	contentKey, err := p.contentKey(j)
	if err != nil {
		return "", err
	}
	iv, ciphertext := p.decodePart(j, "iv"), p.decodePart(j, "ciphertext")
	tag, aad := p.decodePart(j, "tag"), p.utf8(p.texts["protected"])
	p.say(j.Enc + ".")
	plaintext := ""
	if _, bits, found := strings.Cut(j.Enc, "CBC-HS"); found {
		plaintext = p.let("opened", p.call("cbcHmac", p.hash(sha(bits)), contentKey, iv, ciphertext, tag, aad))
	} else {
		plaintext = p.let("opened", p.call("gcm", contentKey, iv, ciphertext, tag, aad))
	}
	if j.Compress {
		return p.let("inflated", p.call("inflate", plaintext)), nil
	}
	return plaintext, nil
}

// decodePart writes the bytes of a part of a JWE. A lenient configuration accepts the characters of
// base64, which not all decoders of base64url do.
func (p *program) decodePart(j *describe.JWE, hole string) string {
	text := p.texts[hole]
	if j.Lenient {
		text = p.replace(p.replace(text, p.quote("+"), p.quote("-")), p.quote("/"), p.quote("_"))
	}
	return p.decode(inBase64URL, text)
}

// contentKey writes the source of a JWE's content key.
func (p *program) contentKey(j *describe.JWE) (string, error) {
	encrypted := p.decodePart(j, "encrypted_key")
	wrap, wrapped := strings.CutPrefix(j.Alg, "ECDH-ES+")
	switch {
	case j.Alg == "RSA-OAEP":
		return p.unwrapRSA(&keys.OAEP{Hash: crypto.SHA1}, encrypted)
	case j.Alg == "RSA-OAEP-256":
		return p.unwrapRSA(&keys.OAEP{Hash: crypto.SHA256}, encrypted)
	case j.Alg == "RSA1_5":
		return p.unwrapRSA(nil, encrypted)
	case j.Alg == "ECDH-ES":
		return p.agreedContentKey(j, "contentKey", j.Enc, jose.JWE{Alg: "dir", Enc: j.Enc}.KeyBytes())
	case wrapped:
		key, err := p.agreedContentKey(j, "wrappingKey", j.Alg, jose.JWE{Alg: wrap}.KeyBytes())
		if err != nil {
			return "", err
		}
		return p.let("contentKey", p.call("unwrapAes", key, encrypted)), nil
	default:
		return p.sharedContentKey(j, encrypted)
	}
}

// sharedContentKey writes how the content key is obtained from a shared key.
func (p *program) sharedContentKey(j *describe.JWE, encrypted string) (string, error) {
	key, err := p.sharedKey(p.at("jose.keys[0]"), "sharedKey")
	if err != nil {
		return "", err
	}
	if j.Derivation != nil {
		derived, err := p.derive(j.Derivation, key)
		if err != nil {
			return "", err
		}
		key = p.let("key", derived)
	}
	switch {
	case j.Alg == "dir":
		return key, nil
	case strings.HasSuffix(j.Alg, "GCMKW"):
		iv, tag := p.ofHeader("iv"), p.ofHeader("tag")
		return p.let("contentKey", p.call("gcm", key, iv, encrypted, tag, p.zeros(0))), nil
	default:
		return p.let("contentKey", p.call("unwrapAes", key, encrypted)), nil
	}
}

// ofHeader writes the bytes of a member of the JOSE header.
func (p *program) ofHeader(path ...string) string {
	return p.decode(inBase64URL, p.inDocument("pick", "header", path))
}

func (p *program) unwrapRSA(oaep *keys.OAEP, encrypted string) (string, error) {
	key, err := p.privateKey(p.at("jose.keys[0]"))
	if err != nil {
		return "", err
	}
	return p.let("contentKey", p.decryptRSA(key, oaep, encrypted)), nil
}

// agreedContentKey writes ECDH-ES (RFC 7518 section 4.6), for a key of n bytes. The key pair
// determines the curve.
func (p *program) agreedContentKey(j *describe.JWE, name, algorithm string, n int) (string, error) {
	private, err := p.privateKey(p.at("jose.keys[0]"))
	if err != nil {
		return "", err
	}
	key, err := p.key(p.at("jose.keys[0]"))
	if err != nil {
		return "", err
	}
	const spkiBytesX25519, spkiBytesP384, uncompressed = 44, 120, "04"
	point, curve := p.ofHeader("epk", "x"), keys.X25519
	if len(key.Public) != spkiBytesX25519 {
		point, curve = p.concat([]string{p.decode(inHex, p.quote(uncompressed)), point, p.ofHeader("epk", "y")}), keys.P256
	}
	if len(key.Public) == spkiBytesP384 {
		curve = keys.P384
	}
	prefix := hex.EncodeToString(key.Public[:max(0, len(key.Public)-curve.EphemeralLen())])
	agreed := p.let("agreed", p.call("agree", p.quote(prefix), private, p.let("ephemeralKey", point)))
	party := func(member string) string {
		if j.Header[member] == "" {
			return p.zeros(0)
		}
		return p.ofHeader(member)
	}
	return p.let(name, p.call("concatKdf", agreed, p.quote(algorithm), party("apu"), party("apv"), number(n))), nil
}

// verifyNested writes the verification of the signature inside, and returns its payload.
func (p *program) verifyNested(signed string) (string, error) {
	p.say("The plaintext is a JSON Web Signature of the value.")
	payload, err := p.verifyAround(nestedNames(), *p.Profile.Nested, p.encode(inUTF8, signed))
	if err != nil {
		return "", err
	}
	return p.let("value", payload), nil
}

// aroundNames are the field of the key of a signature that holds its payload, and the names of its
// parts in programs.
type aroundNames struct {
	field, key, text string
	parts            []string
	wrong            string
}

func nestedNames() aroundNames {
	return aroundNames{
		field: "nested_jws.keys[0]", key: "innerKey", text: "signedText",
		parts: []string{"signedHeader", "signedPayload", "signature"}, wrong: "the signature inside is not valid",
	}
}

func outerNames() aroundNames {
	return aroundNames{
		field: "outer_jws.keys[0]", key: "outerKey", text: "outerText",
		parts: []string{"outerHeader", "outerPayload", "outerSignature"}, wrong: "the signature around the JWE is not valid",
	}
}

// verifyAround writes the verification of a signature that holds its payload, and returns the
// payload.
func (p *program) verifyAround(n aroundNames, j jose.JWS, text string) (string, error) {
	names := n.parts
	if j.Serialization != jose.Compact {
		document := p.letText(n.text, text)
		for i, member := range j.Serialization.Members() {
			names[i] = p.letText(names[i], p.inDocument("pick", document, []string{member}))
		}
	} else {
		names = p.match(names, "^"+part+`\.`+part+`\.`+part+"$", text)
	}
	data := p.utf8(names[0], p.quote("."), names[1])
	good, err := p.verifyJWS(j, p.at(n.field), n.key, data, p.decode(inBase64URL, names[2]))
	if err != nil {
		return "", err
	}
	p.check(good, n.wrong)
	return p.decode(inBase64URL, names[1]), nil
}

// verifyJWS writes the condition that a signature of RFC 7518 is valid.
func (p *program) verifyJWS(j jose.JWS, field, name, data, signature string) (string, error) {
	if bits, ok := strings.CutPrefix(j.Alg, "HS"); ok {
		key, err := p.sharedKey(field, name)
		return p.call("same", p.call("hmac", p.hash(sha(bits)), key, data), signature), err
	}
	key, err := p.publicKey(field, name)
	if err != nil {
		return "", err
	}
	if j.Alg == "EdDSA" {
		return p.call("verifyEd25519", key, data, signature), nil
	}
	if j.Alg == "ES256K" && p.phrase("secp256k1", nil) == "" {
		return "", errBeyond // Java has not had the curve since version 16
	}
	hash := p.hash(sha(strings.TrimSuffix(j.Alg[2:], "K")))
	switch j.Alg[:2] {
	case "ES":
		return p.call("verifyEcdsaP1363", hash, key, data, signature), nil
	case "PS":
		return p.call("verifyPss", hash, key, data, signature), nil
	default:
		return p.call("verifyRsa", hash, key, data, signature), nil
	}
}
