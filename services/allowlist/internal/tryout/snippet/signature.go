package snippet

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// verifySignature writes the check of the signature in the headers.
func (p *program) verifySignature() error {
	s := p.Profile.GetSigning()
	if s == nil {
		return nil
	}
	p.say("The signature of the message.")
	p.signatureHeaders(s)
	signed, err := p.signed(s)
	if err != nil {
		return err
	}
	p.let("signed", signed)
	if s.GetList() != nil {
		return p.verifyList(s)
	}
	good, err := p.verify(s, p.texts["signature"])
	if err != nil {
		return err
	}
	p.line(p.check(good, "the signature is not right"))
	return nil
}

// signatureHeaders finds what the headers carry.
func (p *program) signatureHeaders(s *allowlistv1.Signing) {
	for _, name := range slices.Sorted(maps.Keys(s.GetHeaders())) {
		template := s.GetHeaders()[name]
		literals, holes := split(template)
		if len(holes) == 0 {
			continue
		}
		var pattern strings.Builder
		pattern.WriteString("^" + regexp.QuoteMeta(literals[0]))
		var found []string
		for i, hole := range holes {
			if hole == "*" {
				pattern.WriteString(".*?")
			} else {
				pattern.WriteString("(.*?)")
				found = append(found, variable(hole))
				p.texts[hole] = variable(hole)
			}
			pattern.WriteString(regexp.QuoteMeta(literals[i+1]))
		}
		pattern.WriteString("$")
		switch {
		case len(found) == 0:
		case len(holes) == 1 && literals[0] == "" && literals[1] == "":
			p.letText(found[0], p.header(name))
		default:
			p.line(p.match(found, pattern.String(), p.header(name))...)
		}
	}
}

// verifyList writes the check of one signature of a list, that of the first key.
func (p *program) verifyList(s *allowlistv1.Signing) error {
	literals, _ := split(strings.ReplaceAll(s.GetList().GetItem(), "${*}", ""))
	first := p.letText("first", p.first(p.texts["signatures"], s.GetList().GetSeparator()))
	p.line(p.match([]string{"signature"}, "^"+regexp.QuoteMeta(literals[0])+"(.*)"+regexp.QuoteMeta(literals[1])+"$", first)...)
	good, err := p.verify(s, "signature")
	if err != nil {
		return err
	}
	p.line(p.check(good, "the signature is not right"))
	return nil
}

// verify writes the condition that a signature in a text is right.
func (p *program) verify(s *allowlistv1.Signing, text string) (string, error) {
	const place, name = "signing.keys[0]", "signingKey"
	encoded := s.GetEncoding()
	if encoded == allowlistv1.Encoding_ENCODING_UNSPECIFIED {
		encoded = inHex
	}
	signature := p.decode(encoded, text)
	switch scheme := s.GetScheme().(type) {
	case *allowlistv1.Signing_Mac:
		key, err := p.sharedKey(place, name)
		return call("same", call("hmac", p.hash(macHash(scheme.Mac.GetAlgorithm()).hash), key, "signed"), signature), err
	case *allowlistv1.Signing_SecretDigest:
		return call("same", call("digest", p.hash(scheme.SecretDigest.GetHash()), "signed"), signature), nil
	case *allowlistv1.Signing_Asymmetric:
		return p.verifyAsymmetric(scheme.Asymmetric.GetAlgorithm(), signature)
	case *allowlistv1.Signing_Jws:
		return p.verifyDetached(scheme.Jws, text)
	}
	return "", errBeyond
}

func (p *program) verifyAsymmetric(a allowlistv1.Asymmetric_Algorithm, signature string) (string, error) {
	key, err := p.publicKey("signing.keys[0]", "signingKey")
	if err != nil {
		return "", err
	}
	hash := p.hash(allowlistv1.Hash_HASH_SHA256)
	switch name := a.String(); {
	case strings.HasSuffix(name, "SHA1"):
		hash = p.hash(allowlistv1.Hash_HASH_SHA1)
	case strings.Contains(name, "SHA384"):
		hash = p.hash(allowlistv1.Hash_HASH_SHA384)
	case strings.HasSuffix(name, "SHA512"):
		hash = p.hash(allowlistv1.Hash_HASH_SHA512)
	}
	switch name := a.String(); {
	case strings.Contains(name, "ED25519"):
		return call("verifyEd25519", key, "signed", signature), nil
	case strings.HasSuffix(name, "DER"):
		return call("verifyEcdsa", hash, key, "signed", signature), nil
	case strings.HasSuffix(name, "P1363"):
		return call("verifyEcdsaP1363", hash, key, "signed", signature), nil
	case strings.Contains(name, "PSS"):
		return call("verifyPss", hash, key, "signed", signature), nil
	default:
		return call("verifyRsa", hash, key, "signed", signature), nil
	}
}

// verifyDetached writes the condition that a detached JWS is right (RFC 7515 appendix F,
// RFC 7797 for a payload that is not encoded).
func (p *program) verifyDetached(j *allowlistv1.Jws, text string) (string, error) {
	p.line(p.match([]string{"signedHeader", "signatureText"}, `^([^.]*)\.\.([^.]*)$`, text)...)
	before := p.decode(inUTF8, "signedHeader + "+p.quote("."))
	payload := "signed"
	if !j.GetUnencodedPayload() {
		payload = p.decode(inUTF8, p.encode(inBase64URL, "signed"))
	}
	data := p.let("signedData", p.concat([]string{before, payload}))
	return p.verifyJWS(j, "signing.keys[0]", "signingKey", data, p.decode(inBase64URL, "signatureText"))
}

// A signedPiece is a piece of what is signed: a text, or bytes.
type signedPiece struct{ text, bytes string }

// signed writes what is signed, as bytes.
func (p *program) signed(s *allowlistv1.Signing) (string, error) {
	input := s.GetInput()
	if input == "" {
		input = "${body}"
	}
	literals, names := split(input)
	var pieces []signedPiece
	for i, literal := range literals {
		if literal != "" {
			pieces = append(pieces, signedPiece{text: p.quote(literal)})
		}
		if i == len(names) {
			break
		}
		words := strings.Split(names[i], "|")
		value, err := p.signedValue(words[0])
		if err != nil {
			return "", err
		}
		for _, function := range words[1:] {
			value = p.applied(function, value)
		}
		pieces = append(pieces, value)
	}
	return p.joined(pieces), nil
}

// joined writes pieces behind each other, texts as one.
func (p *program) joined(pieces []signedPiece) string {
	var all, texts []string
	flush := func() {
		if len(texts) > 0 {
			all = append(all, p.decode(inUTF8, strings.Join(texts, " + ")))
		}
		texts = nil
	}
	for _, piece := range pieces {
		if piece.bytes == "" {
			texts = append(texts, piece.text)
			continue
		}
		flush()
		all = append(all, piece.bytes)
	}
	flush()
	return p.concat(all)
}

// asBytes writes a piece as bytes.
func (p *program) asBytes(piece signedPiece) string {
	if piece.bytes == "" {
		return p.decode(inUTF8, piece.text)
	}
	return piece.bytes
}

// signedValue writes a value that is signed.
func (p *program) signedValue(name string) (signedPiece, error) {
	at := p.Context
	known := map[string]string{
		"method": at.Method, "host": at.Host, "path": at.Path, "query": at.Query, "content_type": p.ContentType, "id": at.ID,
		"timestamp": number(int(p.time().Unix())), "timestamp_ms": number(int(p.time().UnixMilli())), "timestamp_rfc3339": p.time().Format(time.RFC3339),
	}
	switch path, ofPlaintext := strings.CutPrefix(name, "json:"); {
	case ofPlaintext:
		to, err := steps(path)
		if err != nil {
			return signedPiece{}, err
		}
		json := "plaintext"
		if !p.textual() {
			json = p.encode(inUTF8, json)
		}
		return signedPiece{text: call("unquoted", call("raw", append([]string{json}, p.quoteAll(to)...)...))}, nil
	case name == "body" && p.raw == inUTF8:
		return signedPiece{text: p.constant("body")}, nil
	case name == "body":
		return signedPiece{bytes: p.decode(p.raw, p.constant("body"))}, nil
	case name == "plaintext" && p.textual():
		return signedPiece{text: "plaintext"}, nil
	case name == "plaintext":
		return signedPiece{bytes: "plaintext"}, nil
	case name == "secret":
		key, err := p.sharedKey("signing.keys[0]", "signingKey")
		return signedPiece{bytes: key}, err
	case p.texts[name] != "":
		return signedPiece{text: p.texts[name]}, nil
	default:
		return signedPiece{text: p.quote(known[name])}, nil
	}
}

// applied writes a function of a template.
func (p *program) applied(function string, value signedPiece) signedPiece {
	text := func() string {
		if value.bytes == "" {
			return value.text
		}
		return p.encode(inUTF8, value.bytes)
	}
	switch function {
	case "base64":
		return signedPiece{text: p.encode(inBase64, p.asBytes(value))}
	case "base64url":
		return signedPiece{text: p.encode(inBase64URL, p.asBytes(value))}
	case "hex":
		return signedPiece{text: p.encode(inHex, p.asBytes(value))}
	case "hex_upper":
		return signedPiece{text: p.encode(inHexUpper, p.asBytes(value))}
	case "lower":
		return signedPiece{text: p.lower(text())}
	case "upper":
		return signedPiece{text: p.upper(text())}
	default:
		hash := allowlistv1.Hash(allowlistv1.Hash_value["HASH_"+strings.ToUpper(function)])
		return signedPiece{bytes: call("digest", p.hash(hash), p.asBytes(value))}
	}
}
