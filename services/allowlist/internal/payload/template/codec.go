package template

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

// An Encoding is a way to write bytes as text.
type Encoding int

// The encodings.
const (
	// Base64 is written with padding (RFC 4648 section 4).
	Base64 Encoding = iota
	// Base64URL is written without padding (RFC 4648 section 5).
	Base64URL
	// Hex is lower-case hexadecimal.
	Hex
	// HexUpper is upper-case hexadecimal.
	HexUpper
	// Raw is the bytes themselves.
	Raw
)

// A Codec writes bytes as text and reads them back. It reads exactly one text for given
// bytes, but for padding (base64) and case (hexadecimal).
type Codec struct {
	encoding Encoding
	// The three are set for base64 only.
	write, padded, bare *base64.Encoding
}

// NewCodec returns the codec of an encoding.
func NewCodec(e Encoding) Codec {
	switch e {
	case Base64:
		return Codec{e, base64.StdEncoding, base64.StdEncoding.Strict(), base64.RawStdEncoding.Strict()}
	case Base64URL:
		return Codec{e, base64.RawURLEncoding, base64.URLEncoding.Strict(), base64.RawURLEncoding.Strict()}
	default:
		return Codec{encoding: e}
	}
}

// EncodedLen returns the length of the text for n bytes.
func (c Codec) EncodedLen(n int) int {
	switch c.encoding {
	case Raw:
		return n
	case Hex, HexUpper:
		return hex.EncodedLen(n)
	default:
		return c.write.EncodedLen(n)
	}
}

// AppendEncoded appends the text for b.
func (c Codec) AppendEncoded(dst, b []byte) []byte {
	switch c.encoding {
	case Raw:
		return append(dst, b...)
	case Hex:
		return hex.AppendEncode(dst, b)
	case HexUpper:
		start := len(dst)
		dst = hex.AppendEncode(dst, b)
		for i, digit := range dst[start:] {
			if digit >= 'a' {
				dst[start+i] = digit - 'a' + 'A'
			}
		}
		return dst
	default:
		return c.write.AppendEncode(dst, b)
	}
}

// AppendDecoded appends the bytes of a text.
func (c Codec) AppendDecoded(dst, text []byte) (out []byte, ok bool) {
	switch c.encoding {
	case Raw:
		return append(dst, text...), true
	case Hex, HexUpper:
		dst, err := hex.AppendDecode(dst, text)
		return dst, err == nil
	}
	// The library skips line ends, which are not part of the encoding.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return dst, false
	}
	encoding := c.bare
	if len(text)%4 == 0 {
		encoding = c.padded
	}
	dst, err := encoding.AppendDecode(dst, text)
	return dst, err == nil
}

// MaxDecodedLen returns the greatest number of bytes that a text of n characters holds.
func (c Codec) MaxDecodedLen(n int) int {
	switch c.encoding {
	case Raw:
		return n
	case Hex, HexUpper:
		return hex.DecodedLen(n)
	default:
		return c.bare.DecodedLen(n)
	}
}

// Chars returns the characters that a text which the codec reads may hold.
func (c Codec) Chars() Charset {
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch c.encoding {
	case Raw:
		return AnyChars()
	case Hex, HexUpper:
		return Chars(digits + "abcdefABCDEF")
	case Base64URL:
		return Chars(digits + letters + "-_=")
	default:
		return Chars(digits + letters + "+/=")
	}
}

// A Charset is a set of bytes.
type Charset [4]uint64

// Chars returns the set of the bytes of chars.
func Chars(chars string) Charset {
	var s Charset
	for i := range len(chars) {
		s[chars[i]>>6] |= 1 << (chars[i] & 63)
	}
	return s
}

// AnyChars returns the set of all bytes.
func AnyChars() Charset { return Charset{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)} }

// Has reports whether c is in the set.
func (s Charset) Has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

// needEscaping reports whether a text of these characters may need escaping in a JSON
// string, or not be UTF-8.
func (s Charset) needEscaping() bool {
	return s[0]&(1<<0x20-1) != 0 || s.Has('"') || s.Has('\\') || s[2]|s[3] != 0
}

// holdSpace reports whether white space is in the set.
func (s Charset) holdSpace() bool {
	for _, c := range []byte(asciiSpace) {
		if s.Has(c) {
			return true
		}
	}
	return false
}
