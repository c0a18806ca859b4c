package snippet

import (
	"encoding/pem"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// A program is one that is being written.
type program struct {
	dialect
	Message
	constants []constant
	// opens are the lines of the function that opens a value; none if nothing is
	// protected. main are those that call it.
	opens, main []string
	lines       *[]string // where lines go now

	// raw is how the body's bytes are a text.
	raw encoding
	// texts are the variables of what stands in the holes of the envelope, and parts
	// those of the parts in them.
	texts map[string]string
	parts map[allowlistv1.Part_Slot]string
}

// A constant is a value that a program begins with.
type constant struct {
	comment, name, value string
	bytes                bool
}

func newProgram(d dialect, m Message) *program {
	p := &program{dialect: d, Message: m, raw: inUTF8, texts: make(map[string]string), parts: make(map[allowlistv1.Part_Slot]string)}
	if !utf8.Valid(m.Body) || p.wholeText() && p.holdsBytes() {
		p.raw = inLatin1
	}
	return p
}

// holdsBytes reports whether a blob is written as it is, and so may be no text.
func (p *program) holdsBytes() bool {
	for _, blob := range p.Profile.GetEnvelope().GetBlobs() {
		if blob.GetEncoding() == inUTF8 && p.Profile.GetKind() != nil {
			return slices.ContainsFunc(p.Body, func(b byte) bool { return b > unicode.MaxASCII })
		}
	}
	return false
}

// wholeText reports whether the body is a text with blobs, which may be no text at all.
func (p *program) wholeText() bool {
	_, document := p.Profile.GetEnvelope().GetBody().(*allowlistv1.Envelope_Json)
	s := p.Profile.GetSelection()
	return !document && s.GetFields() == nil && s.GetObject() == nil && s.GetForm() == nil
}

// protected reports whether there is something to open.
func (p *program) protected() bool { return payload.Protects(p.Profile) }

func (p *program) write() error {
	body := p.quote(string(p.Body))
	if p.raw == inLatin1 {
		body = p.encode(inLatin1, p.decode(inBase64, p.quote(base64Of(p.Body))))
	}
	p.constants = append(p.constants, constant{comment: "The body, as it was received.", name: "body", value: body})
	if p.protected() {
		p.lines = &p.opens
		if err := p.openValue(); err != nil {
			return err
		}
	}
	p.lines = &p.main
	steps := []func() error{p.verifySignature, p.openBody}
	if input := p.Profile.GetSigning().GetInput(); strings.Contains(input, "${plaintext") || strings.Contains(input, "${json:") {
		slices.Reverse(steps) // what is signed has to be opened
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// line adds lines.
func (p *program) line(lines ...string) { *p.lines = append(*p.lines, lines...) }

// say adds a comment, which begins a paragraph.
func (p *program) say(text string) {
	if len(*p.lines) > 0 {
		p.line("")
	}
	p.line("// " + text)
}

// let declares bytes, and letText a text. They return its name.
func (p *program) let(name, value string) string {
	p.line(p.bytes(name, value))
	return name
}

func (p *program) letText(name, value string) string {
	p.line(p.text(name, value))
	return name
}

// openBody opens the selected values of the body, into a variable `plaintext` of text,
// or of bytes where all of the body is opened.
func (p *program) openBody() error {
	body := p.constant("body")
	if len(*p.lines) > 0 {
		p.line("")
	}
	switch part := p.Profile.GetSelection().GetPart().(type) {
	case *allowlistv1.Selection_Fields:
		return p.openFields(part.Fields)
	case *allowlistv1.Selection_Object:
		path, err := steps(part.Object.GetPath())
		if err != nil {
			return err
		}
		arguments := append([]string{body}, p.quoteAll(path)...)
		value := p.letText("protectedValue", call("raw", arguments...))
		text := value
		if _, document := p.Profile.GetEnvelope().GetBody().(*allowlistv1.Envelope_Json); !document {
			text = call("unquoted", value)
		}
		p.line(p.text("plaintext", p.substitute(body, value, p.encode(inUTF8, call("open", text)))))
	case *allowlistv1.Selection_Form:
		p.line(p.text("plaintext", call("openForm", append([]string{body}, p.quoteAll(part.Form.GetNames())...)...)))
	default:
		if !p.protected() {
			p.line(p.bytes("plaintext", p.decode(p.raw, body)))
		} else {
			p.line(p.bytes("plaintext", call("open", body)))
		}
	}
	return nil
}

// textual reports whether the plaintext is a variable of text.
func (p *program) textual() bool {
	s := p.Profile.GetSelection()
	return s.GetFields() != nil || s.GetObject() != nil || s.GetForm() != nil
}

func (p *program) openFields(fields *allowlistv1.Fields) error {
	var paths [][]string
	for _, text := range fields.GetPaths() {
		path, err := steps(text)
		if err != nil {
			return err
		}
		paths = append(paths, path)
	}
	opened := p.encode(inUTF8, call("open", "text"))
	if fields.GetValueForm() == allowlistv1.Fields_VALUE_FORM_STRING {
		opened = call("quoted", opened)
	}
	p.line(p.variable("plaintext", p.constant("body")))
	var lines []string
	if fields.GetSkipEmpty() {
		lines = append(lines, p.passOver("text"))
	}
	lines = append(lines, "plaintext = "+p.substitute("plaintext", call("quoted", "text"), opened)+";")
	p.line(p.each("text", p.constant("body"), paths, lines)...)
	return nil
}

// steps returns the steps of a path. A member whose name is that of the wildcard is more
// than the programs know.
func steps(text string) ([]string, error) {
	path, ok := jsonbytes.ParsePath(text)
	if !ok || strings.Contains(text, "'*'") {
		return nil, errBeyond
	}
	return path.Steps(), nil
}

func (p *program) quoteAll(texts []string) []string { return quoteAll(p, texts) }

// sharedKey makes a constant of a key that both sides have, and returns its name.
func (p *program) sharedKey(place, name string) (string, error) {
	key, err := p.key(place)
	if err != nil {
		return "", err
	}
	text, encoded := string(key.Stored), inUTF8
	switch key.Decoding {
	case allowlistv1.Decoding_DECODING_HEX:
		encoded = inHex
	case allowlistv1.Decoding_DECODING_BASE64:
		encoded = inBase64
	case allowlistv1.Decoding_DECODING_BASE64URL:
		encoded = inBase64URL
	case allowlistv1.Decoding_DECODING_WHSEC:
		text, encoded = strings.TrimPrefix(text, "whsec_"), inBase64
	}
	return p.keep(constant{comment: p.of(place, key.Secret), name: name, value: p.decode(encoded, p.quote(text)), bytes: true}), nil
}

// privateKey makes a constant of the private part of a pair, and publicKey one of the
// public part. They return its name.
func (p *program) privateKey(place string) (string, error) {
	key, err := p.key(place)
	if err != nil {
		return "", err
	}
	return p.pair(p.of(place, key.Secret), "privateKey", "PRIVATE KEY", key.Private), nil
}

func (p *program) publicKey(place, name string) (string, error) {
	key, err := p.key(place)
	if err != nil {
		return "", err
	}
	return p.pair(p.of(place, key.Secret)+", the public part", name, "PUBLIC KEY", key.Public), nil
}

func (p *program) pair(comment, name, typ string, der []byte) string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	return p.keep(constant{comment: comment, name: name, value: p.pem(text)})
}

// code returns what may name functions and classes: all but the texts of constants.
func (p *program) code() string {
	const beginning = 80 // how a constant is decoded
	lines := append(slices.Clone(p.opens), p.main...)
	for _, c := range p.constants {
		lines = append(lines, c.value[:min(len(c.value), beginning)])
	}
	return strings.Join(lines, "\n")
}

// keep keeps a constant, once, and returns how it is called.
func (p *program) keep(c constant) string {
	for _, known := range p.constants {
		if known.name == c.name {
			return p.constant(c.name)
		}
	}
	p.constants = append(p.constants, c)
	return p.constant(c.name)
}

// of says what a key is in the configuration.
func (p *program) of(place, secret string) string {
	if secret == "" {
		return p.at(place)
	}
	return p.at(place) + ", in place of " + secret
}
