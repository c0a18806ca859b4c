package jose

import (
	"bytes"
	"encoding/base64"
)

// encoding is base64url without padding. It accepts exactly one encoding of each value.
var encoding = base64.RawURLEncoding.Strict()

// encodedLen returns the length of n bytes in base64url.
func encodedLen(n int) int { return base64.RawURLEncoding.EncodedLen(n) }

// decode appends the decoded text to dst. If lenient is set, the text may hold `+`, `/`, and
// padding.
func decode(dst, text []byte, lenient bool) ([]byte, error) {
	if lenient {
		return decodeLenient(dst, text)
	}
	// The library skips line ends.
	if bytes.IndexByte(text, '\n') >= 0 || bytes.IndexByte(text, '\r') >= 0 {
		return nil, ErrMessage
	}
	dst, err := encoding.AppendDecode(dst, text)
	if err != nil {
		return nil, ErrMessage
	}
	return dst, nil
}

// decodeLenient translates and decodes in pieces, to avoid copying a long text.
func decodeLenient(dst, text []byte) ([]byte, error) {
	text = bytes.TrimRight(text, "=")
	var piece [4096]byte
	for len(text) > 0 {
		n := copy(piece[:], text)
		text = text[n:]
		for i, c := range piece[:n] {
			switch c {
			case '+':
				piece[i] = '-'
			case '/':
				piece[i] = '_'
			}
		}
		var err error
		if dst, err = decode(dst, piece[:n], false); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// encodeInPlace encodes the last n bytes of text as base64url into text, whose length must be
// encodedLen(n).
func encodeInPlace(text []byte, n int) {
	var piece [3072]byte // a multiple of 3: no padding inside
	for from, to := len(text)-n, 0; from < len(text); {
		// After r bytes, (4r+2)/3 characters are written and len(text)-n+r bytes read;
		// since text is (4n+2)/3 long, writing never overtakes reading.
		k := copy(piece[:], text[from:])
		from += k
		encoding.Encode(text[to:], piece[:k])
		to += encodedLen(k)
	}
}
