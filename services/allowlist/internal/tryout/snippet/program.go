package snippet

import (
	"encoding/pem"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keyward/keyward/pkg/keyform"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// A program is a program under construction.
type program struct {
	*language
	Message
	constants []constant
	// opens are the lines of the function that decrypts a value, or empty if nothing is
	// protected. main are the lines that call it.
	opens, main []string
	lines       *[]string // the destination of new lines

	// raw is the encoding in which the body's bytes are a string.
	raw encoding
	// The variables of the holes of the envelope, and of the parts in them.
	texts map[string]string
	parts map[describe.Slot]string
	// stripped is the variable of the body without what the signature added to it, or empty.
	stripped string
	// macKey is the variable of a key of a MAC that is derived after the cipher's, or empty.
	macKey string
	// err is the first error of a phrase or a call.
	err error
}

// A constant is a value at the beginning of a program.
type constant struct {
	// Type is `bytes`, `text`, or `headers`.
	Comment, Type, Name, Value string
}

func newProgram(l *language, m Message) *program {
	p := &program{language: l, Message: m, raw: inUTF8, texts: make(map[string]string), parts: make(map[describe.Slot]string)}
	if !utf8.Valid(m.Body) || p.wholeText() && p.holdsBytes() {
		p.raw = inLatin1
	}
	return p
}

// holdsBytes reports whether a blob is not encoded, and so may not be text.
func (p *program) holdsBytes() bool {
	if p.Profile.Cipher == nil && p.Profile.RSA == nil {
		return false
	}
	return p.unencoded() &&
		slices.ContainsFunc(p.Body, func(b byte) bool { return b > unicode.MaxASCII })
}

// unencoded reports whether a blob is not encoded.
func (p *program) unencoded() bool {
	return slices.ContainsFunc(p.Profile.Envelope.Blobs, func(b describe.Blob) bool { return b.Encoding == template.Raw })
}

// wholeText reports whether the body is a plain template with blobs, which may contain bytes
// that are not text.
func (p *program) wholeText() bool {
	return !p.Profile.Envelope.JSON && p.Profile.Selection().Part == describe.WholeBody
}

// source returns the finished program.
func (p *program) source() (string, error) {
	if err := p.write(); err != nil {
		return "", err
	}
	if p.err != nil {
		return "", p.err
	}
	code := p.code()
	called := functions(p.library, code)
	return p.language.phrase("program", map[string]any{
		"imports": imported(p.imports, strings.Join(append(slices.Clone(called), code), "\n")), "constants": p.constants,
		"functions": called, "opens": p.opens, "main": p.main,
	})
}

// write writes all lines of the program.
func (p *program) write() error {
	body := p.quote(string(p.Body))
	if p.raw == inLatin1 {
		body = p.encode(inLatin1, p.decode(inBase64, p.quote(base64Of(p.Body))))
	}
	p.keep(constant{Comment: "The received body.", Type: "text", Name: "body", Value: body})
	if p.Profile.Protects() {
		p.lines = &p.opens
		if err := p.openValue(); err != nil {
			return err
		}
	}
	p.lines = &p.main
	steps := []func() error{p.verifySignature, p.openBody}
	if s := p.Profile.Signing; s != nil && needsPlaintext(s) {
		slices.Reverse(steps) // the signed value must be decrypted first
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	p.line(p.phrase("print", p.textual()))
	p.keepHeaders()
	return nil
}

// keepHeaders adds a constant with the headers after the others.
func (p *program) keepHeaders() {
	if len(p.Headers) == 0 {
		return
	}
	p.keep(constant{Comment: "The received headers.", Type: "headers", Name: "headers", Value: p.pairs(p.Headers)})
}

// pairs writes a map of names and values.
func (p *program) pairs(of []payload.Header) string {
	type header struct{ Name, Value string }
	all := make([]header, len(of))
	for i, h := range of {
		all[i] = header{p.quote(h.Name), p.quote(h.Value)}
	}
	return p.phrase("headers", all)
}

// body returns the variable of the body, without what the signature added to it.
func (p *program) body() string {
	if p.stripped != "" {
		return p.stripped
	}
	return p.constant("body")
}

// textual reports whether the plaintext is a string variable.
func (p *program) textual() bool { return p.Profile.Selection().Part != describe.WholeBody }

// sharedKey adds a constant with a shared key, and returns its name.
func (p *program) sharedKey(field, name string) (string, error) {
	key, err := p.key(field)
	if err != nil {
		return "", err
	}
	text, encoded := string(key.Stored), inUTF8
	switch key.Decoding {
	case keyform.Hex:
		encoded = inHex
	case keyform.Base64:
		text, encoded = padded(text), inBase64
	case keyform.Base64URL:
		encoded = inBase64URL
	case keyform.Whsec:
		text, encoded = strings.TrimPrefix(text, "whsec_"), inBase64
	}
	return p.keep(constant{Comment: inPlaceOf(key), Type: "bytes", Name: name, Value: p.decode(encoded, p.quote(text))}), nil
}

// padded adds the padding of base64, without which some keys are stored.
func padded(text string) string { return text + strings.Repeat("=", -len(text)&3) }

// privateKey adds a constant with the private part of a key pair, and publicKey one with the
// public part. They return its name.
func (p *program) privateKey(field string) (string, error) {
	key, err := p.key(field)
	if err != nil {
		return "", err
	}
	return p.pair(inPlaceOf(key), "privateKey", "PRIVATE KEY", key.Private), nil
}

func (p *program) publicKey(field, name string) (string, error) {
	key, err := p.key(field)
	if err != nil {
		return "", err
	}
	return p.pair(inPlaceOf(key)+", the public part", name, "PUBLIC KEY", key.Public), nil
}

func (p *program) pair(comment, name, typ string, der []byte) string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}))
	return p.keep(constant{Comment: comment, Type: "text", Name: name, Value: p.phrase("pem", text)})
}

// keep adds a constant once, and returns its name in the language.
func (p *program) keep(c constant) string {
	c.Name = p.constant(c.Name)
	if !slices.ContainsFunc(p.constants, func(known constant) bool { return known.Name == c.Name }) {
		p.constants = append(p.constants, c)
	}
	return c.Name
}

// code returns the source that may name functions and classes: everything except the strings of
// constants.
func (p *program) code() string {
	lines := slices.Concat(p.opens, p.main)
	for _, c := range p.constants {
		lines = append(lines, literals.ReplaceAllString(c.Value, `""`))
	}
	return strings.Join(lines, "\n")
}

// inPlaceOf describes the role of a key in the configuration.
func inPlaceOf(key Key) string {
	if key.Secret == "" {
		return key.Field
	}
	return key.Field + ", in place of " + key.Secret
}
