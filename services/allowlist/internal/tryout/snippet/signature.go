package snippet

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// signingKey is the field of the signing key, and its name in programs.
const (
	signingField = "signing.keys[0]"
	signingKey   = "signingKey"
)

// verifySignature writes the verification of the signature.
func (p *program) verifySignature() error {
	s := p.Profile.Signing
	if s == nil {
		return nil
	}
	if s.Strings == nil || s.BeforeEncryption && len(s.FormFields)+len(s.BodyMembers) > 0 {
		return errBeyond
	}
	p.say("The signature of the message.")
	p.signatureTexts(s)
	if len(s.Claims) > 0 {
		return p.verifyClaims(s)
	}
	if err := p.namedValues(s); err != nil {
		return err
	}
	input, err := p.term(s.Strings.Input.Term())
	if err != nil {
		return err
	}
	if s.Computed {
		if s.Strings.Input.Type() == expression.Bytes {
			input = textOf(p.encode(inHex, p.asBytes(input)))
		}
		p.letText("computed", p.asText(input))
		p.check(p.call("same", p.utf8("computed"), p.utf8(p.texts["signature"])), invalidSignature)
		return nil
	}
	p.let("signed", p.asBytes(input))
	text := p.texts["signature"]
	if s.List != nil {
		text = p.firstOfList(s.List)
	}
	good, err := p.verify(s, text)
	if err != nil {
		return err
	}
	p.check(good, invalidSignature)
	return nil
}

const invalidSignature = "the signature is not valid"

// signatureTexts writes the code that finds what the signature added to the message.
func (p *program) signatureTexts(s *describe.Signing) {
	p.read(s.Headers, p.header)
	if len(s.QueryParameters) > 0 {
		p.keep(constant{Comment: "The query parameters of the signature.", Type: "headers", Name: "parameters", Value: p.pairs(p.Query)})
		p.read(s.QueryParameters, func(name string) string { return p.phrase("parameter", name) })
	}
	body := p.body()
	if names := slices.Sorted(maps.Keys(s.FormFields)); len(names) > 0 {
		p.read(s.FormFields, func(name string) string {
			return p.phrase("entry", fields{"map": p.call("formPairs", body), "name": p.quote(name)})
		})
		p.stripped = p.letText("unsigned", p.inDocument("withoutPairs", body, names))
	}
	if names := slices.Sorted(maps.Keys(s.BodyMembers)); len(names) > 0 {
		unsigned := body
		paths := make(map[string][]string, len(names))
		for _, name := range names {
			path, _ := signature.MemberPath(name) // compiled before
			paths[name] = path.Steps()
			unsigned = p.inDocument("withoutMember", unsigned, paths[name])
		}
		p.read(s.BodyMembers, func(name string) string { return p.inDocument("field", body, paths[name]) })
		p.stripped = p.letText("unsigned", unsigned)
	}
}

// read writes the code that finds the values of templates in the strings of a message.
func (p *program) read(templates map[string]string, text func(name string) string) {
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		literals, holes := split(templates[name])
		fresh := func(hole string) bool { return hole != "*" && p.texts[hole] == "" }
		if !slices.ContainsFunc(holes, fresh) {
			continue
		}
		if len(holes) == 1 && literals[0] == "" && literals[1] == "" {
			p.texts[holes[0]] = p.letText(p.variableOf(holes[0]), text(name))
			continue
		}
		var pattern strings.Builder
		pattern.WriteString("^" + regexp.QuoteMeta(literals[0]))
		var found, variables []string
		for i, hole := range holes {
			if !fresh(hole) || slices.Contains(found, hole) {
				pattern.WriteString(".*?")
			} else {
				pattern.WriteString("(.*?)")
				found, variables = append(found, hole), append(variables, p.variableOf(hole))
			}
			pattern.WriteString(regexp.QuoteMeta(literals[i+1]))
		}
		pattern.WriteString("$")
		p.find(found, variables, pattern.String(), text(name))
	}
}

// variableOf returns the name of the variable of a hole. That of a named value differs from the names of
// functions.
func (p *program) variableOf(hole string) string {
	if _, named := p.Profile.Signing.Values[hole]; named {
		return camel(hole) + "Value"
	}
	return camel(hole)
}

// namedValues writes the named values. Those that are computed and in the message, too, must be the same.
func (p *program) namedValues(s *describe.Signing) error {
	for _, v := range s.Strings.Values {
		sent := p.texts[v.Name]
		if sent != "" && v.Carried() || sent == "" && !s.Strings.Covers(v.Name) {
			continue
		}
		value, err := p.term(v.Program.Term())
		if err != nil {
			return err
		}
		if sent == "" {
			p.texts[v.Name] = p.letText(p.variableOf(v.Name), p.asText(value))
			continue
		}
		p.check(p.call("same", p.utf8(sent), p.asBytes(value)), "the message has another "+v.Name)
	}
	return nil
}

// verifyClaims writes the verification of a JWS that is sent with its payload, and of the claims in it.
func (p *program) verifyClaims(s *describe.Signing) error {
	names := p.match([]string{"signedHeader", "signedPayload", "signatureText"}, "^"+part+`\.`+part+`\.`+part+"$", p.texts["signature"])
	good, err := p.verifyJWS(*s.JWS, p.at(signingField), signingKey, p.utf8(names[0], p.quote("."), names[1]), p.decode(inBase64URL, names[2]))
	if err != nil {
		return err
	}
	p.check(good, invalidSignature)
	claims := p.letText("claims", p.encode(inUTF8, p.decode(inBase64URL, names[1])))
	var computed []signature.Value
	for _, claim := range s.Strings.Claims {
		if name := s.Strings.Sent(claim); name != "" {
			p.texts[name] = p.letText(p.variableOf(name), p.inDocument("field", claims, []string{claim.Name}))
		} else {
			computed = append(computed, claim)
		}
	}
	if err := p.namedValues(s); err != nil {
		return err
	}
	for _, claim := range computed {
		value, err := p.term(claim.Program.Term())
		if err != nil {
			return err
		}
		p.check(p.call("same", p.utf8(p.inDocument("field", claims, []string{claim.Name})), p.asBytes(value)), "the claim "+claim.Name+" is wrong")
	}
	return nil
}

// firstOfList writes the code that finds the signature of the first key in a list.
func (p *program) firstOfList(list *signature.List) string {
	literals, _ := split(strings.ReplaceAll(list.Item, "${*}", ""))
	first := p.letText("first", p.phrase("first", fields{"text": p.texts["signatures"], "separator": list.Separator}))
	return p.match([]string{"signature"}, "^"+regexp.QuoteMeta(literals[0])+"(.*)"+regexp.QuoteMeta(literals[1])+"$", first)[0]
}

// verify writes the condition that a signature in a string is valid.
func (p *program) verify(s *describe.Signing, text string) (string, error) {
	if s.JWS != nil {
		return p.verifyDetached(*s.JWS, text)
	}
	if s.Encoding == template.Base64Percent {
		text = p.call("unescaped", text)
	}
	given := p.decode(p.encodingOf(s.Encoding), text)
	switch scheme := s.Scheme.(type) {
	case signature.HMAC:
		key, err := p.sharedKey(p.at(signingField), signingKey)
		return p.call("same", p.call("hmac", p.hash(s.Hash), key, "signed"), given), err
	case signature.EncryptedDigest:
		key, err := p.sharedKey(p.at(signingField), signingKey)
		opened := p.let("checksum", p.call("cbc", key, p.utf8(p.quote(scheme.IV)), given, p.quote("pkcs7")))
		salt := p.let("salt", p.slice(opened, 2*s.Hash.Size(), 0))
		digest := p.encode(inHex, p.call("digest", p.hash(s.Hash), p.concat([]string{"signed", p.utf8(p.quote("|")), salt})))
		return p.call("same", opened, p.concat([]string{p.utf8(digest), salt})), err
	case signature.SecretDigest:
		return p.call("same", p.call("digest", p.hash(s.Hash), "signed"), given), nil
	default:
		key, err := p.publicKey(p.at(signingField), signingKey)
		if err != nil {
			return "", err
		}
		return p.verifyAsymmetric(scheme, key, given)
	}
}

func (p *program) verifyAsymmetric(scheme signature.Scheme, key, given string) (string, error) {
	switch scheme := scheme.(type) {
	case signature.Ed25519:
		return p.call("verifyEd25519", key, "signed", given), nil
	case signature.ECDSA:
		function := map[bool]string{false: "verifyEcdsa", true: "verifyEcdsaP1363"}[scheme.P1363]
		return p.call(function, p.hash(scheme.Hash), key, "signed", given), nil
	case signature.RSA:
		function := map[bool]string{false: "verifyRsa", true: "verifyPss"}[scheme.PSS]
		return p.call(function, p.hash(scheme.Hash), key, "signed", given), nil
	default:
		return "", errBeyond
	}
}

// verifyDetached writes the condition that a detached JWS is valid (RFC 7515 appendix F, RFC
// 7797 for an unencoded payload).
func (p *program) verifyDetached(j jose.JWS, text string) (string, error) {
	names := p.match([]string{"signedHeader", "signatureText"}, "^"+part+`\.\.`+part+"$", text)
	payload := "signed"
	if !j.Unencoded {
		payload = p.utf8(p.encode(inBase64URL, "signed"))
	}
	data := p.let("signedData", p.concat([]string{p.utf8(names[0], p.quote(".")), payload}))
	return p.verifyJWS(j, p.at(signingField), signingKey, data, p.decode(inBase64URL, names[1]))
}
