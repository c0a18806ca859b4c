package template

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
)

// An Encoding is a way to write bytes as text.
type Encoding int

// The encodings.
const (
	// Base64 is written with padding (RFC 4648 section 4).
	Base64 Encoding = iota
	// Base64URL is written without padding (RFC 4648 section 5).
	Base64URL
	// Hex is lowercase hexadecimal.
	Hex
	// HexUpper is uppercase hexadecimal.
	HexUpper
	// Raw is the bytes themselves.
	Raw
	// Base64MIME is base64 with padding in lines of 76 characters, separated by CR LF (RFC 2045
	// section 6.8).
	Base64MIME
	// Base64Percent is base64 with padding, percent-encoded (RFC 3986).
	Base64Percent
	// Base64URLPadded is Base64URL with padding, as in Fernet tokens.
	Base64URLPadded
)

const (
	// lineBytes is the number of bytes in a full line of Base64MIME, and lineEnd terminates it.
	lineBytes = 76 / 4 * 3
	lineEnd   = "\r\n"
)

// A Codec encodes bytes as text and decodes them. It accepts exactly one encoding of given
// bytes, except for padding (base64), case (hexadecimal), and line ends (Base64MIME). A lenient
// codec accepts base64 in both alphabets and with line ends.
type Codec struct {
	encoding Encoding
	lenient  bool
	// These three are set for base64 only.
	write, padded, bare *base64.Encoding
}

// NewCodec returns the codec of an encoding.
func NewCodec(e Encoding) Codec {
	switch e {
	case Base64, Base64MIME, Base64Percent:
		return Codec{encoding: e, write: base64.StdEncoding, padded: base64.StdEncoding.Strict(), bare: base64.RawStdEncoding.Strict()}
	case Base64URL:
		return urlCodec(e, base64.RawURLEncoding)
	case Base64URLPadded:
		return urlCodec(e, base64.URLEncoding)
	default:
		return Codec{encoding: e}
	}
}

func urlCodec(e Encoding, write *base64.Encoding) Codec {
	return Codec{encoding: e, write: write, padded: base64.URLEncoding.Strict(), bare: base64.RawURLEncoding.Strict()}
}

// Lenient returns the codec for messages as partners send them: it reads base64 in either alphabet,
// but not in a mix of both, and with CR and LF anywhere. It writes the same as c.
//
// A template ends a hole at the first character of the literal after it, or at a known length. The
// string of a hole therefore never contains that character, and strings that a length separates have
// no line ends. A template reads a message in at most one way, whichever codec decodes its holes.
func (c Codec) Lenient() Codec {
	c.lenient = true
	return c
}

// EncodedLen returns the length of the text for n bytes.
func (c Codec) EncodedLen(n int) int {
	switch c.encoding {
	case Raw:
		return n
	case Hex, HexUpper:
		return hex.EncodedLen(n)
	case Base64MIME:
		return c.write.EncodedLen(n) + max(0, n-1)/lineBytes*len(lineEnd)
	case Base64Percent:
		return 3 * c.write.EncodedLen(n) //nolint:mnd // at most three characters for one
	default:
		return c.write.EncodedLen(n)
	}
}

// FixedLen reports whether the codec writes n bytes in a known number of characters that readers may
// rely on. Base64 of that length has its padding, and no line ends.
func (c Codec) FixedLen() bool { return c.encoding != Base64MIME && c.encoding != Base64Percent }

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
	case Base64MIME:
		for len(b) > lineBytes {
			dst = append(c.write.AppendEncode(dst, b[:lineBytes]), lineEnd...)
			b = b[lineBytes:]
		}
		return c.write.AppendEncode(dst, b)
	case Base64Percent:
		return append(dst, url.QueryEscape(c.write.EncodeToString(b))...)
	default:
		return c.write.AppendEncode(dst, b)
	}
}

// chunk is the number of bytes to encode at a time: whole groups and lines of every encoding.
const chunk = 54 * lineBytes

// WriteEncoded writes the text for b into a hash, without building all of it.
func (c Codec) WriteEncoded(h hash.Hash, b []byte) {
	var text []byte
	for {
		n := min(chunk, len(b))
		text = c.AppendEncoded(text[:0], b[:n])
		h.Write(text)
		if b = b[n:]; len(b) == 0 {
			return
		}
		if c.encoding == Base64MIME {
			h.Write([]byte(lineEnd))
		}
	}
}

// AppendDecoded appends the decoded bytes of text.
func (c Codec) AppendDecoded(dst, text []byte) (out []byte, ok bool) {
	switch c.encoding {
	case Raw:
		return append(dst, text...), true
	case Hex, HexUpper:
		dst, err := hex.AppendDecode(dst, text)
		return dst, err == nil
	case Base64Percent:
		decoded, err := url.PathUnescape(string(text)) // keeps a plus sign
		if err != nil {
			return dst, false
		}
		text = []byte(decoded)
	}
	// The library skips line ends, which not all encodings allow.
	ends := bytes.Count(text, []byte{'\n'}) + bytes.Count(text, []byte{'\r'})
	if ends > 0 && (!c.lenient && c.encoding != Base64MIME || ends == len(text)) {
		return dst, false // the encoding of no bytes has no lines
	}
	if c.lenient {
		c = c.alphabetOf(text)
	}
	encoding := c.bare
	if (len(text)-ends)%4 == 0 {
		encoding = c.padded
	}
	dst, err := encoding.AppendDecode(dst, text)
	return dst, err == nil
}

// alphabetOf returns the codec of base64 in the alphabet of text.
func (Codec) alphabetOf(text []byte) Codec {
	if bytes.ContainsAny(text, "-_") {
		return NewCodec(Base64URL)
	}
	return NewCodec(Base64)
}

// MaxDecodedLen returns the maximum number of bytes in n encoded characters.
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

// Chars returns the characters that the codec accepts, and for a lenient codec those that it writes.
func (c Codec) Chars() Charset {
	const digits, letters = "0123456789", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	switch c.encoding {
	case Raw:
		return AnyChars()
	case Hex, HexUpper:
		return Chars(digits + "abcdefABCDEF")
	case Base64URL, Base64URLPadded:
		return Chars(digits + letters + "-_=")
	case Base64MIME:
		return Chars(digits + letters + "+/=" + lineEnd)
	case Base64Percent:
		return Chars(digits + letters + "+/=%")
	default:
		return Chars(digits + letters + "+/=")
	}
}

// A Charset is a set of bytes.
type Charset [4]uint64

// Chars returns the set of the bytes in chars.
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

// needEscaping reports whether a string of these characters may need escaping in a JSON string,
// or not be UTF-8.
func (s Charset) needEscaping() bool {
	return s[0]&(1<<0x20-1) != 0 || s.Has('"') || s.Has('\\') || s[2]|s[3] != 0
}

// holdSpace reports whether white space in a string of these characters is significant. A set
// with line ends but no space is base64 in lines, where it is not.
func (s Charset) holdSpace() bool { return s.Has(' ') }
