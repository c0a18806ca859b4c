package endpoint

import (
	"strings"
)

// wildcard is the end of a path that covers everything below it.
const wildcard = "/*"

// parsePath normalizes the path of an endpoint.
func parsePath(text string) (string, error) {
	if stars := strings.Count(text, "*"); stars > 1 || (stars == 1 && !strings.HasSuffix(text, wildcard)) {
		return "", errWildcard
	}
	return normalPath(text)
}

// normalPath normalizes a path that starts with a slash.
func normalPath(text string) (string, error) {
	encoded, err := normalEncoding(text)
	if err != nil {
		return "", err
	}
	return removeDots(encoded), nil
}

// normalEncoding decodes characters that need no percent-encoding, encodes those that do, and
// writes the digits in upper case (RFC 3986 section 6.2.2).
func normalEncoding(text string) (string, error) {
	if normallyEncoded(text) {
		return text, nil
	}
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '%':
			if i+2 >= len(text) || unhex(text[i+1]) < 0 || unhex(text[i+2]) < 0 {
				return "", errPath
			}
			c = byte(unhex(text[i+1])<<4 | unhex(text[i+2]))
			i += 2
			if isUnreserved(c) {
				out.WriteByte(c)
			} else {
				writeEncoded(&out, c)
			}
		case c >= 0x80:
			writeEncoded(&out, c)
		case isPlain(c):
			out.WriteByte(c)
		default:
			return "", errPath
		}
	}
	return out.String(), nil
}

// normallyEncoded reports whether a path has no percent-encoding and needs none.
func normallyEncoded(text string) bool {
	for i := range len(text) {
		if !isPlain(text[i]) {
			return false
		}
	}
	return true
}

// removeDots resolves the segments `.` and `..` (RFC 3986 section 5.2.4).
func removeDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	segments := strings.Split(path[1:], "/")
	kept := segments[:0]
	for i, segment := range segments {
		last := i == len(segments)-1
		switch segment {
		case ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "") // a path that ends in a dot segment names a folder
		}
	}
	return "/" + strings.Join(kept, "/")
}

// isPlain reports whether a character stands for itself in a path.
func isPlain(c byte) bool {
	return isUnreserved(c) || strings.IndexByte("/!$&'()*+,;=:@", c) >= 0
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func writeEncoded(out *strings.Builder, c byte) {
	const digits = "0123456789ABCDEF"
	out.Write([]byte{'%', digits[c>>4], digits[c&15]})
}

// unhex returns the value of a hexadecimal digit, or -1.
func unhex(c byte) int {
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
