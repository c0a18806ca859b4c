package snippet

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jose"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// signingKey is the field of the signing key, and its name in programs.
const (
	signingField = "signing.keys[0]"
	signingKey   = "signingKey"
)

// verifySignature writes the verification of the signature in the headers.
func (p *program) verifySignature() error {
	s := p.Profile.Signing
	if s == nil {
		return nil
	}
	if s.InputExpression != "" || s.Encoding == template.Base64Percent ||
		len(s.Values)+len(s.Claims)+len(s.QueryParameters)+len(s.FormFields)+len(s.BodyMembers) > 0 {
		return errBeyond
	}
	p.say("The signature of the message.")
	p.signatureHeaders(s)
	signed, err := p.signed(s)
	if err != nil {
		return err
	}
	p.let("signed", signed)
	text := p.texts["signature"]
	if s.List != nil {
		text = p.firstOfList(s.List)
	}
	good, err := p.verify(s, text)
	if err != nil {
		return err
	}
	p.check(good, "the signature is not valid")
	return nil
}

// signatureHeaders writes the code that finds the values in the headers.
func (p *program) signatureHeaders(s *describe.Signing) {
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		literals, holes := split(s.Headers[name])
		if len(holes) == 0 {
			continue
		}
		if len(holes) == 1 && literals[0] == "" && literals[1] == "" {
			if holes[0] != "*" {
				p.texts[holes[0]] = p.letText(camel(holes[0]), p.header(name))
			}
			continue
		}
		var pattern strings.Builder
		pattern.WriteString("^" + regexp.QuoteMeta(literals[0]))
		var found, variables []string
		for i, hole := range holes {
			if hole == "*" {
				pattern.WriteString(".*?")
			} else {
				pattern.WriteString("(.*?)")
				found, variables = append(found, hole), append(variables, camel(hole))
			}
			pattern.WriteString(regexp.QuoteMeta(literals[i+1]))
		}
		pattern.WriteString("$")
		p.find(found, variables, pattern.String(), p.header(name))
	}
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
	given := p.decode(p.encodingOf(s.Encoding), text)
	switch scheme := s.Scheme.(type) {
	case signature.HMAC:
		key, err := p.sharedKey(p.at(signingField), signingKey)
		return p.call("same", p.call("hmac", p.hash(s.Hash), key, "signed"), given), err
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
