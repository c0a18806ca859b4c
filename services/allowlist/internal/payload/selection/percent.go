package selection

import "bytes"

// decoded returns the bytes that a name or value of a form represents. If they equal the raw
// bytes, it copies nothing.
func decoded(raw []byte) []byte {
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return raw
	}
	return appendDecoded(make([]byte, 0, len(raw)), raw)
}

// appendDecoded appends the bytes that raw represents: `+` is a space, and a `%` that is not
// followed by two digits represents itself (URL Standard, application/x-www-form-urlencoded
// parsing).
func appendDecoded(dst, raw []byte) []byte {
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(raw) && digit(raw[i+1]) >= 0 && digit(raw[i+2]) >= 0:
			dst = append(dst, byte(digit(raw[i+1])<<4|digit(raw[i+2])))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	default:
		return -1
	}
}

// encodeTail percent-encodes the end of dst, from start, for a form (URL Standard,
// application/x-www-form-urlencoded percent-encode set). It works from the end, so that a long
// text needs no second buffer.
func encodeTail(dst []byte, start int) []byte {
	extra := 0
	for _, c := range dst[start:] {
		if c != ' ' && !plain(c) {
			extra += 2
		}
	}
	from := len(dst)
	dst = append(dst, make([]byte, extra)...)
	const digits = "0123456789ABCDEF"
	for to := len(dst); from > start; {
		from--
		switch c := dst[from]; {
		case plain(c):
			to--
			dst[to] = c
		case c == ' ':
			to--
			dst[to] = '+'
		default:
			to -= 3
			dst[to], dst[to+1], dst[to+2] = '%', digits[c>>4], digits[c&0xf]
		}
	}
	return dst
}

// plain reports whether a form writes the byte unencoded.
func plain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return c == '*' || c == '-' || c == '.' || c == '_'
	}
}
