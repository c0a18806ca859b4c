package payload

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A codec writes bytes as text and reads them back. It reads exactly one text
// for given bytes, but for padding (base64) and case (hexadecimal).
type codec struct {
	// write is nil for hexadecimal.
	write       *base64.Encoding
	padded, raw *base64.Encoding
}

// newCodec returns the codec of an encoding. Unspecified is base64.
func newCodec(e allowlistv1.Encoding) codec {
	switch e {
	case allowlistv1.Encoding_ENCODING_HEX:
		return codec{}
	case allowlistv1.Encoding_ENCODING_BASE64URL:
		return codec{write: base64.RawURLEncoding, padded: base64.URLEncoding.Strict(), raw: base64.RawURLEncoding.Strict()}
	default:
		return codec{write: base64.StdEncoding, padded: base64.StdEncoding.Strict(), raw: base64.RawStdEncoding.Strict()}
	}
}

func (c codec) isHex() bool { return c.write == nil }

// encodedLen returns the length of the text for n bytes.
func (c codec) encodedLen(n int) int {
	if c.isHex() {
		return hex.EncodedLen(n)
	}
	return c.write.EncodedLen(n)
}

// appendEncoded appends the text for b.
func (c codec) appendEncoded(dst, b []byte) []byte {
	if c.isHex() {
		return hex.AppendEncode(dst, b)
	}
	return c.write.AppendEncode(dst, b)
}

// appendDecoded appends the bytes of a text.
func (c codec) appendDecoded(dst, text []byte) ([]byte, bool) {
	if c.isHex() {
		dst, err := hex.AppendDecode(dst, text)
		return dst, err == nil
	}
	// The library skips line ends, which are not part of the encoding.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return dst, false
	}
	encoding := c.raw
	if len(text)%4 == 0 {
		encoding = c.padded
	}
	dst, err := encoding.AppendDecode(dst, text)
	return dst, err == nil
}

// maxDecodedLen returns the greatest number of bytes that a text of n characters holds.
func (c codec) maxDecodedLen(n int) int {
	if c.isHex() {
		return hex.DecodedLen(n)
	}
	return c.raw.DecodedLen(n)
}

// mayHold reports whether a text that this codec reads may hold the character.
func (c codec) mayHold(b byte) bool {
	switch {
	case c.isHex():
		return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
	case resource.Alphanumeric(b) || b == '=':
		return true
	case c.write == base64.RawURLEncoding:
		return b == '-' || b == '_'
	default:
		return b == '+' || b == '/'
	}
}

// trimSpace removes surrounding ASCII white space.
func trimSpace(text []byte) []byte { return bytes.Trim(text, asciiSpace) }

const asciiSpace = " \t\r\n\v\f"
