package keyform

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	asciiSpace = " \t\r\n\v\f"
	utf8Mark   = "\xef\xbb\xbf"
)

// text is stored bytes as UTF-8 without a byte order mark.
type text struct {
	// bytes are the text, including surrounding white space.
	bytes []byte
	// marked is whether it had a byte order mark, and wide whether it was UTF-16.
	marked, wide bool
}

// textOf returns the text in stored bytes. It shares their memory unless it is wide. Bytes that
// are not text are returned unchanged.
func textOf(stored []byte) text {
	if rest, marked := bytes.CutPrefix(stored, []byte(utf8Mark)); marked {
		return text{bytes: rest, marked: true}
	}
	order, marked := utf16Order(stored)
	if order == nil {
		return text{bytes: stored}
	}
	units := stored
	if marked {
		units = stored[2:]
	}
	if wide := fromUTF16(units, order); wide != nil {
		return text{bytes: wide, marked: marked, wide: true}
	}
	return text{bytes: stored}
}

// trimmed returns the text without surrounding white space.
func (t text) trimmed() []byte { return bytes.Trim(t.bytes, asciiSpace) }

// erase zeroes a copy. Shared memory is not changed.
func (t text) erase() {
	if t.wide {
		clear(t.bytes)
	}
}

// utf16Order returns the byte order if the bytes may be UTF-16, or nil. Without a mark, they must
// be ASCII with a zero in every second byte.
func utf16Order(b []byte) (order binary.ByteOrder, marked bool) {
	if len(b) < 4 || len(b)%2 != 0 {
		return nil, false
	}
	switch {
	case b[0] == 0xff && b[1] == 0xfe:
		return binary.LittleEndian, true
	case b[0] == 0xfe && b[1] == 0xff:
		return binary.BigEndian, true
	case everySecond(b, 0, 1):
		return binary.LittleEndian, false
	case everySecond(b, 1, 0):
		return binary.BigEndian, false
	}
	return nil, false
}

// everySecond reports whether the bytes of one parity are ASCII and those of the other are zero.
func everySecond(b []byte, ascii, zero int) bool {
	for i := 0; i < len(b); i += 2 {
		if b[i+zero] != 0 || !printable(rune(b[i+ascii])) || b[i+ascii] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// fromUTF16 returns UTF-8, or nil if the result is not text or has hardly any ASCII: two bytes of
// a random key may look like a mark.
func fromUTF16(b []byte, order binary.ByteOrder) []byte {
	units := make([]uint16, len(b)/2)
	defer clear(units)
	ascii := 0
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
		if units[i] < utf8.RuneSelf {
			ascii++
		}
	}
	if ascii < (len(units)+1)/2 {
		return nil
	}
	runes := utf16.Decode(units)
	defer clear(runes)
	out := make([]byte, 0, utf8.UTFMax*len(runes)) // once, so that nothing is left behind
	for _, r := range runes {
		if !printable(r) {
			clear(out)
			return nil
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// isText reports whether bytes are UTF-8 without control characters.
func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	for _, c := range b {
		if c < utf8.RuneSelf && !printable(rune(c)) {
			return false
		}
	}
	return true
}

// printable reports whether a character is allowed in text.
func printable(r rune) bool {
	switch r {
	case '\t', '\r', '\n', '\v', '\f':
		return true
	case utf8.RuneError, 0x7f:
		return false
	}
	return r >= ' '
}

func isSpace(c byte) bool { return bytes.IndexByte([]byte(asciiSpace), c) >= 0 }
