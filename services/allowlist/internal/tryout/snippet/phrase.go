package snippet

import (
	"crypto"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// An encoding is a way to write bytes as a string. Templates have the same names.
type encoding string

// The encodings.
const (
	inBase64    encoding = "base64"
	inBase64URL encoding = "base64url"
	inHex       encoding = "hex"
	inHexUpper  encoding = "hexupper"
	// inLines is base64 in lines.
	inLines encoding = "lines"
	inUTF8  encoding = "utf8"
	// inLatin1 is for bytes that are not text.
	inLatin1 encoding = "latin1"
)

// encodingOf returns an encoding of the configuration. Raw is the encoding of the body.
func (p *program) encodingOf(e template.Encoding) encoding {
	switch e {
	case template.Base64URL, template.Base64URLPadded:
		return inBase64URL
	case template.Hex:
		return inHex
	case template.HexUpper:
		return inHexUpper
	case template.Raw:
		return p.raw
	case template.Base64MIME:
		return inLines
	default:
		return inBase64
	}
}

// fields are the data of a template.
type fields = map[string]any

// phrase writes an expression or a statement in the program's language.
func (p *program) phrase(name string, data any) string {
	text, err := p.language.phrase(name, data)
	if p.err == nil {
		p.err = err
	}
	return text
}

// line adds lines.
func (p *program) line(texts ...string) {
	for _, text := range texts {
		*p.lines = append(*p.lines, strings.Split(text, "\n")...)
	}
}

// say adds a comment, which begins a paragraph.
func (p *program) say(text string) {
	if len(*p.lines) > 0 {
		p.line("")
	}
	p.line(p.phrase("comment", text))
}

// let declares bytes, and letText a string. They return the name of the variable in the
// language.
func (p *program) let(name, value string) string { return p.declare("bytes", name, value) }

func (p *program) letText(name, value string) string { return p.declare("text", name, value) }

func (p *program) declare(typ, name, value string) string {
	name = p.name(name)
	p.line(p.phrase("let "+typ, fields{"name": name, "value": value}))
	return name
}

// match adds lines that match the groups of a regular expression in a string, and returns the
// names of the variables.
func (p *program) match(names []string, pattern, text string) []string {
	for i := range names {
		names[i] = p.name(names[i])
	}
	p.line(p.phrase("match", fields{"names": names, "pattern": pattern, "text": text}))
	return names
}

// check adds a line that fails unless a condition holds.
func (p *program) check(condition, otherwise string) {
	p.line(p.phrase("check", fields{"condition": condition, "otherwise": otherwise}))
}

// call writes the call of a library function, which some languages may lack.
func (p *program) call(function string, arguments ...string) string {
	name := p.phrase("function", function)
	if p.err == nil && !declares(p.library, name) {
		p.err = errBeyond
	}
	return name + "(" + strings.Join(arguments, ", ") + ")"
}

// opened writes the call of the function that decrypts a protected value.
func (p *program) opened(text string) string { return p.phrase("function", "open") + "(" + text + ")" }

// inDocument writes the call of a function that takes a path of a JSON document.
func (p *program) inDocument(function, document string, path []string) string {
	return p.call(function, append([]string{document}, p.quoteAll(path)...)...)
}

func (p *program) quote(text string) string    { return p.phrase("string", text) }
func (p *program) name(name string) string     { return p.phrase("name", name) }
func (p *program) constant(name string) string { return p.phrase("constant", name) }
func (p *program) header(name string) string   { return p.phrase("header", name) }
func (p *program) zeros(n int) string          { return p.phrase("zeros", n) }

// hash writes the name of a hash, which some languages lack.
func (p *program) hash(h crypto.Hash) string {
	name := p.phrase("hash", h.String())
	if p.err == nil && name == "" {
		p.err = errBeyond
	}
	return name
}

func (p *program) quoteAll(texts []string) []string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = p.quote(text)
	}
	return quoted
}

// decode writes the decoding of a string, and encode the encoding of bytes.
func (p *program) decode(e encoding, text string) string {
	if e == inUTF8 {
		return p.utf8(text)
	}
	return p.phrase("decode "+string(e), text)
}

func (p *program) encode(e encoding, bytes string) string {
	return p.phrase("encode "+string(e), bytes)
}

// utf8 writes the concatenated bytes of strings.
func (p *program) utf8(texts ...string) string { return p.phrase("decode utf8", texts) }

// slice writes a slice of bytes. A negative position counts from the end, and a second position
// of 0 is the end.
func (p *program) slice(bytes string, from, to int) string {
	return p.phrase("slice", fields{"bytes": bytes, "from": from, "to": to})
}

// concat writes the concatenation of bytes.
func (p *program) concat(bytes []string) string {
	if len(bytes) == 1 {
		return bytes[0]
	}
	return p.phrase("concat", bytes)
}

// number writes a number.
func number(n int) string { return strconv.Itoa(n) }

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
