package keyform

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
)

// A Decoding is a conversion from the bytes of a stored secret to a key.
type Decoding int

const (
	// Raw uses the stored bytes unchanged.
	Raw Decoding = iota
	// Hex decodes hexadecimal in either case. It accepts colons or white space between bytes, a
	// prefix `0x`, and a list such as `0x12, 0x34`.
	Hex
	// Base64 decodes base64 or base64url (RFC 4648), with or without padding, in one or more lines. PEM
	// is not base64. The last of 43 characters may have any bits after the last byte, as in keys of
	// WeCom and DingTalk.
	Base64
	// Base64URL accepts the same as [Base64].
	Base64URL
	// Whsec decodes base64 after an optional `whsec_` (Standard Webhooks).
	Whsec
	// PEM removes white space around text and leaves other bytes unchanged. [ParsePublic] and
	// [ParsePrivate] parse the result.
	PEM
)

const whsecPrefix = "whsec_"

// String returns the name of the decoding in the API of the allowlist, such as `BASE64`.
func (d Decoding) String() string {
	names := []string{"RAW", "HEX", "BASE64", "BASE64URL", "WHSEC", "PEM"}
	if d < 0 || int(d) >= len(names) {
		return ""
	}
	return names[d]
}

// Decode returns the key in a stored secret, always as a copy. Text may be UTF-16 or have a byte
// order mark, and white space in and around it is ignored. Any other character that a decoding
// does not allow is [ErrDecoding].
func Decode(d Decoding, stored []byte) ([]byte, error) {
	if d == Raw {
		return bytes.Clone(stored), nil
	}
	t := textOf(stored)
	defer t.erase()
	body := t.trimmed()
	switch d {
	case PEM:
		if !isText(body) {
			return bytes.Clone(stored), nil
		}
		return bytes.Clone(body), nil
	case Hex:
		return decodeHex(body)
	case Base64, Base64URL:
		return decodeBase64(body)
	case Whsec:
		return decodeBase64(bytes.TrimPrefix(body, []byte(whsecPrefix)))
	default:
		return nil, ErrDecoding
	}
}

// decodeHex decodes groups of digits. Each group has whole bytes, so that a missing digit does not
// shift the others.
func decodeHex(body []byte) ([]byte, error) {
	if !consistsOf(body, hexDigits+"xX:,"+asciiSpace) {
		return nil, ErrDecoding
	}
	// Allocated once, so that no part of a key remains in the memory of a growing slice.
	key := make([]byte, 0, hex.DecodedLen(len(body)))
	separator, list := byte(':'), hexPrefixed(body) && bytes.ContainsAny(body[2:], "xX")
	switch {
	case list:
		separator = ','
	case hexPrefixed(body):
		if body = body[2:]; len(body) == 0 {
			return nil, ErrDecoding
		}
	}
	for rest := body; len(rest) > 0; {
		var group []byte
		if group, rest = cutGroup(rest, separator); list {
			if len(group) != len("0x12") || !hexPrefixed(group) {
				group = nil
			} else {
				group = group[2:]
			}
		}
		n := len(key)
		decoded := key[n : n+len(group)/2]
		if _, err := hex.Decode(decoded, group); err != nil || len(group) == 0 {
			clear(key)
			return nil, ErrDecoding
		}
		key = key[:n+len(decoded)]
	}
	return key, nil
}

const (
	hexDigits   = "0123456789abcdefABCDEF"
	base64Digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_" // of both alphabets
)

// consistsOf reports whether all bytes are one of the given characters. Most values are no encoding,
// and end here before anything is allocated for the result.
func consistsOf(b []byte, characters string) bool { return len(bytes.TrimLeft(b, characters)) == 0 }

// mayBeBase64 reports whether text has only characters of base64 and is not PEM. The dashes of PEM
// are digits of base64url, so PEM whose body happens to have neither "+" nor "/" would decode, to
// bytes that are no key.
func mayBeBase64(body []byte) bool {
	return consistsOf(body, base64Digit+"="+asciiSpace) && !bytes.Contains(body, []byte(pemBegin))
}

func hexPrefixed(b []byte) bool {
	return len(b) >= 2 && b[0] == '0' && (b[1] == 'x' || b[1] == 'X')
}

// cutGroup returns the digits before white space or a separator, and the rest. A separator without
// a rest remains and is not a valid group.
func cutGroup(b []byte, separator byte) (group, rest []byte) {
	end := bytes.IndexAny(b, asciiSpace+string(separator))
	if end < 0 {
		return b, nil
	}
	rest = bytes.TrimLeft(b[end:], asciiSpace)
	if next, found := bytes.CutPrefix(rest, []byte{separator}); found {
		if next = bytes.TrimLeft(next, asciiSpace); len(next) > 0 {
			rest = next
		}
	}
	return b[:end], rest
}

// randomDigits is the number of random characters that WeCom and DingTalk generate as a key of 32
// bytes. The last character then has bits after the last byte that are not zero.
const randomDigits = 43

// decodeBase64 accepts either alphabet, but not a mix: text with characters of both is probably
// not base64. Bits after the last byte must be zero, except for keys of 32 bytes.
func decodeBase64(body []byte) ([]byte, error) {
	digits, err := base64Digits(body)
	if err != nil {
		return nil, err
	}
	defer clear(digits)
	key := make([]byte, base64.RawStdEncoding.DecodedLen(len(digits)))
	encoding := base64.RawStdEncoding.Strict()
	if len(digits) == randomDigits {
		encoding = base64.RawStdEncoding
	}
	n, err := encoding.Decode(key, digits)
	if err != nil {
		clear(key)
		return nil, ErrDecoding
	}
	return key[:n], nil
}

// base64Digits returns a copy in the standard alphabet, without white space and padding.
func base64Digits(body []byte) ([]byte, error) {
	if !mayBeBase64(body) {
		return nil, ErrDecoding
	}
	digits := make([]byte, 0, len(body))
	standard, safe := false, false
	for _, c := range body {
		switch c {
		case ' ', '\t', '\r', '\n', '\v', '\f':
			continue
		case '-':
			c, safe = '+', true
		case '_':
			c, safe = '/', true
		case '+', '/':
			standard = true
		}
		digits = append(digits, c)
	}
	bare := bytes.TrimRight(digits, "=")
	padding := len(digits) - len(bare)
	if padding > 0 && (padding > 2 || len(digits)%4 != 0) || standard && safe {
		clear(digits)
		return nil, ErrDecoding
	}
	return bare, nil
}
