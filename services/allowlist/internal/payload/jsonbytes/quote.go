package jsonbytes

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// appendUnquoted appends the result of [Unquote].
func appendUnquoted(dst, raw []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return append(dst, raw...), true
		}
		dst = append(dst, raw[:i]...)
		c := raw[i+1]
		raw = raw[i+2:]
		if c != 'u' {
			dst = append(dst, unescaped(c))
			continue
		}
		r, n := codePoint(raw)
		if n == 0 {
			return dst, false
		}
		dst, raw = utf8.AppendRune(dst, r), raw[n:]
	}
}

// Unquote returns the characters of a JSON string, given its content between the quotes, as a
// [Scanner] returns it. If there are no escapes, it copies nothing. It refuses half of a
// surrogate pair: it is not a character, and a replacement would change the string.
func Unquote(raw []byte) ([]byte, bool) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, true
	}
	return appendUnquoted(make([]byte, 0, len(raw)), raw)
}

// Text returns the text of a JSON value: the characters of a string, and any other value
// verbatim.
func Text(value []byte) ([]byte, bool) {
	if value[0] != '"' {
		return value, true
	}
	return Unquote(value[1 : len(value)-1])
}

// unescaped returns the character that c represents after a backslash.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c
	}
}

// codePoint reads four digits and, if they are the first half of a surrogate pair, the second
// half. It returns the number of bytes read, or 0.
func codePoint(raw []byte) (rune, int) {
	r, ok := hex4(raw)
	switch {
	case !ok:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 4
	case len(raw) < 10 || raw[4] != '\\' || raw[5] != 'u':
		return 0, 0
	}
	low, ok := hex4(raw[6:])
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, 0
	}
	return r, 10
}

// hex4 reads four hexadecimal digits.
func hex4(text []byte) (rune, bool) {
	if len(text) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range text[:4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// AppendQuoted appends text, which is UTF-8, as a JSON string.
func AppendQuoted(dst, text []byte) []byte {
	dst = append(dst, '"')
	dst = AppendEscaped(dst, text)
	return append(dst, '"')
}

// AppendEscaped appends text, escaped as the content of a JSON string, without quotes.
func AppendEscaped(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	for {
		i := plainLen(text)
		dst = append(dst, text[:i]...)
		if i == len(text) {
			return dst
		}
		switch c := text[i]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
		text = text[i+1:]
	}
}

// EscapeTail escapes the end of dst, from start, as the content of a JSON string. It reports
// false if that is not UTF-8. Text that needs no escaping, such as base64, is not moved.
func EscapeTail(dst []byte, start int) ([]byte, bool) {
	text := dst[start:]
	switch {
	case !utf8.Valid(text):
		return dst, false
	case plainLen(text) == len(text):
		return dst, true
	default:
		return AppendEscaped(dst[:start], bytes.Clone(text)), true
	}
}
