package snippet

import (
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// openBody writes the code that decrypts the selected values of the body into a variable
// `plaintext`: a string, or bytes if the whole body is encrypted.
func (p *program) openBody() error {
	body := p.body()
	if len(*p.lines) > 0 {
		p.line("")
	}
	switch selection := p.Profile.Selection(); selection.Part {
	case describe.Fields:
		return p.openFields(body, selection)
	case describe.Object:
		return p.openObject(body, selection.Paths[0])
	case describe.Form:
		p.letText("plaintext", p.inDocument("openForm", body, selection.Names))
	default:
		if !p.Profile.Protects() {
			p.let("plaintext", p.decode(p.raw, body))
		} else {
			p.let("plaintext", p.opened(body))
		}
	}
	return nil
}

func (p *program) openObject(body, at string) error {
	path, err := steps(at)
	if err != nil {
		return err
	}
	value := p.letText("protectedValue", p.inDocument("raw", body, path))
	text := value
	if !p.Profile.Envelope.JSON {
		text = p.call("unquoted", value)
	}
	p.letText("plaintext", p.replace(body, value, p.encode(inUTF8, p.opened(text))))
	return nil
}

// replace writes a string with all occurrences of a part of it replaced.
func (p *program) replace(text, part, by string) string {
	return p.phrase("replace", fields{"text": text, "part": part, "by": by})
}

func (p *program) openFields(body string, selection describe.Selection) error {
	var paths [][]string
	for _, text := range selection.Paths {
		path, err := steps(text)
		if err != nil {
			return err
		}
		paths = append(paths, p.quoteAll(path))
	}
	how, quoted := inUTF8, true
	switch selection.ValueForm {
	case allowlistv1.Fields_VALUE_FORM_BASE64:
		how = inBase64
	case allowlistv1.Fields_VALUE_FORM_HEX:
		how = inHex
	case allowlistv1.Fields_VALUE_FORM_JSON:
		quoted = false
	}
	opened := p.encode(how, p.opened("text"))
	if quoted {
		opened = p.call("quoted", opened)
	}
	p.declare("variable", "plaintext", body)
	p.line(p.phrase("each", fields{
		"name": "text", "document": body, "paths": paths, "skipEmpty": selection.SkipEmpty, "find": p.phrase("function", "find"),
		"variable": "plaintext", "value": p.replace("plaintext", p.call("quoted", "text"), opened),
	}))
	return nil
}

// steps returns the steps of a path. Programs do not support a member whose name is that of the
// wildcard.
func steps(text string) ([]string, error) {
	path, ok := jsonbytes.ParsePath(text)
	if !ok || strings.Contains(text, "'*'") {
		return nil, errBeyond
	}
	return path.Steps(), nil
}

// openValue writes the function that decrypts one protected value in a variable `text`.
func (p *program) openValue() error {
	source := "text"
	if outer := p.encodingOf(p.Profile.Envelope.Outer); outer != p.raw {
		p.say("The whole value is encoded again.")
		source = p.letText("inner", p.encode(p.raw, p.decode(outer, source)))
	}
	value, err := p.openKind(source)
	if err != nil {
		return err
	}
	if p.Profile.Inner != template.Raw {
		p.say("The plaintext is encoded.")
		value = p.let("decoded", p.decode(p.encodingOf(p.Profile.Inner), p.encode(inUTF8, value)))
	}
	if p.Profile.Nested != nil {
		if value, err = p.verifyNested(value); err != nil {
			return err
		}
	}
	p.line(p.phrase("return", value))
	return nil
}

// openKind writes the decryption of one kind.
func (p *program) openKind(source string) (string, error) {
	switch {
	case p.Profile.JWE != nil:
		return p.openJWE(source)
	case p.Profile.PGP != nil, p.Profile.CMS != nil:
		return "", errBeyond
	}
	if err := p.envelope(source); err != nil {
		return "", err
	}
	p.decodeBlobs()
	switch {
	case p.Profile.Cipher != nil:
		return p.decrypt(p.Profile.Cipher)
	case p.Profile.Fernet != nil:
		return p.openFernet()
	case p.Profile.RSA != nil:
		key, err := p.privateKey(p.at("rsa_direct.keys[0]"))
		if err != nil {
			return "", err
		}
		return p.let("opened", p.decryptRSA(key, p.Profile.RSA.OAEP, p.parts[describe.SlotCiphertext])), nil
	default:
		return p.parts[describe.SlotCiphertext], nil
	}
}
