package diagnosis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"unicode/utf16"
	"unicode/utf8"
)

// damages adds common corruptions of an encrypted body in transit: it was quoted as a JSON
// string, or decoded as a form, in which `+` is a space.
func (c *collector) damages(body []byte) {
	var text string
	if json.Unmarshal(body, &text) == nil {
		c.addBody(body, []byte(text), "the content of a JSON string")
	}
	c.addBody(body, withPlus(body), "each space in it as +, which a form decoded")
}

// broken matches strings of a JSON document that could be base64 with spaces for `+`.
var broken = regexp.MustCompile(`"[A-Za-z0-9/= ]{16,}"`)

// withPlus returns a body with `+` for spaces; in JSON, only where base64 is possible.
func withPlus(body []byte) []byte {
	plus := func(text []byte) []byte { return bytes.ReplaceAll(text, []byte(" "), []byte("+")) }
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		return broken.ReplaceAllFunc(body, plus)
	}
	return plus(body)
}

// forms adds the forms of a body that partners commonly sign instead of the body as it was sent:
// the output of a program that parses it and writes it again.
func (c *collector) forms(body []byte) {
	if text, ended := bytes.CutSuffix(body, []byte("\n")); ended {
		c.addBody(body, bytes.TrimSuffix(text, []byte("\r")), "without the line end at its end")
	}
	if compact := new(bytes.Buffer); json.Compact(compact, body) == nil {
		minified := compact.Bytes()
		sorted := sortedMembers(minified)
		c.addBody(body, minified, "minified")
		c.addBody(body, sorted, "minified, members sorted by name")
		if indented := new(bytes.Buffer); json.Indent(indented, minified, "", "  ") == nil {
			c.addBody(body, indented.Bytes(), "indented by two spaces")
		}
		c.addBody(body, spaced(minified), `with spaces after : and , and no others`)
		c.addBody(body, spaced(escaped(minified, false)), `with spaces after : and ,, and \u for non-ASCII characters (json.dumps of Python)`)
		c.addBody(body, escaped(minified, true), `minified, with \/ for / and \u for non-ASCII characters (json_encode of PHP)`)
		c.addBody(body, unescaped(minified), `minified, with / for \/ and letters for \u (JSON.stringify)`)
		c.addBody(body, spaced(sorted), "with spaces after : and ,, members sorted by name")
		c.addBody(body, escaped(sorted, false), `minified, members sorted by name, \u for non-ASCII characters`)
	}
	lf := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	c.addBody(body, lf, "with LF for CR LF")
	c.addBody(body, bytes.ReplaceAll(lf, []byte("\n"), []byte("\r\n")), "with CR LF for LF")
	c.addBody(body, append(bytes.Clone(body), '\n'), "with a line end at its end")
}

// sortedMembers returns JSON with the members of objects sorted by name and with numbers
// verbatim, or nil if that fails.
func sortedMembers(minified []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(minified))
	d.UseNumber()
	var value any
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if d.Decode(&value) != nil || e.Encode(value) != nil {
		return nil
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// inStrings returns minified JSON after applying outside to each byte outside of strings, and
// inside to each character in a string. An escape such as `\n` or `\u00e9` is one character.
func inStrings(minified []byte, outside, inside func(out, character []byte) []byte) []byte {
	out := make([]byte, 0, len(minified)+len(minified)/4)
	quoted := false
	for rest := minified; len(rest) > 0; {
		n := 1
		switch {
		case quoted && rest[0] == '\\' && rest[1] == 'u':
			n = 6
		case quoted && rest[0] == '\\':
			n = 2
		case quoted && rest[0] >= utf8.RuneSelf:
			_, n = utf8.DecodeRune(rest)
		}
		switch character := rest[:n]; {
		case character[0] == '"':
			quoted = !quoted
			out = append(out, '"')
		case quoted:
			out = inside(out, character)
		default:
			out = outside(out, character)
		}
		rest = rest[n:]
	}
	return out
}

func asIs(out, character []byte) []byte { return append(out, character...) }

// spaced returns minified JSON with a space after each colon and comma.
func spaced(minified []byte) []byte {
	return inStrings(minified, func(out, character []byte) []byte {
		if out = append(out, character...); character[0] == ':' || character[0] == ',' {
			out = append(out, ' ')
		}
		return out
	}, asIs)
}

// escaped returns minified JSON with `\u` escapes for non-ASCII characters, and with `\/` if
// slashes is set.
func escaped(minified []byte, slashes bool) []byte {
	return inStrings(minified, asIs, func(out, character []byte) []byte {
		r, _ := utf8.DecodeRune(character)
		switch {
		case slashes && r == '/':
			return append(out, `\/`...)
		case r < utf8.RuneSelf:
			return append(out, character...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			return fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			return fmt.Appendf(out, `\u%04x`, r)
		}
	})
}

// unescaped returns minified JSON with only the required escapes. Halves of `\u` surrogate pairs
// stay unchanged.
func unescaped(minified []byte) []byte {
	return inStrings(minified, asIs, func(out, character []byte) []byte {
		if string(character) == `\/` {
			return append(out, '/')
		}
		var text string
		if len(character) == 6 && character[0] == '\\' && json.Unmarshal([]byte(`"`+string(character)+`"`), &text) == nil {
			if r, _ := utf8.DecodeRuneInString(text); r != utf8.RuneError && r >= ' ' && r != '"' && r != '\\' {
				return append(out, text...)
			}
		}
		return append(out, character...)
	})
}
