package echo

import "bytes"

// margin is the number of digits at the end of a public part that remain, so that a reading at each
// alignment begins before what follows.
const margin = 4

// withoutPublic returns text without the digits that decode to 16 bytes or more of the public part. It
// is not enough to ignore the decoded bytes, because a key in bare hexadecimal or base64 contains the
// same digits.
func withoutPublic(text string, public []byte) string {
	rest := []byte(text)
	for start := range 2 {
		cutPublic(rest, text, public, &hexadecimal, 4, start)
	}
	for start := range 4 {
		cutPublic(rest, text, public, &base64, 6, start)
	}
	return string(rest)
}

// cutPublic overwrites the digits in rest, a copy of text, as [readings.decode] reads them.
func cutPublic(rest []byte, text string, public []byte, digits *alphabet, width, start int) {
	var decoded []byte
	var at []int // of the digits that are decoded
	skip, bits, value := start, 0, uint32(0)
	for i := range len(text) + 1 {
		digit := int8(none)
		if i < len(text) {
			digit = digits[text[i]]
		}
		switch {
		case digit == ignored:
		case digit == none:
			for _, s := range publicSpans(decoded, public) {
				for j := (s.begin*8 + width - 1) / width; j < s.end*8/width-margin; j++ {
					rest[at[j]] = 0
				}
			}
			decoded, at, skip, bits = decoded[:0], at[:0], start, 0
		case skip > 0:
			skip--
		default:
			at = append(at, i)
			value = value<<width | uint32(digit)
			if bits += width; bits >= 8 {
				bits -= 8
				decoded = append(decoded, byte(value>>bits))
			}
		}
	}
}

// A span is a part of bytes.
type span struct{ begin, end int }

// publicSpans returns the parts of b of which each window is one of the public part.
func publicSpans(b, public []byte) (spans []span) {
	for begin := 0; begin+size <= len(b); begin++ {
		end := begin
		for end+size <= len(b) && bytes.Contains(public, b[end:end+size]) {
			end++
		}
		if end > begin {
			spans = append(spans, span{begin, end - 1 + size})
			begin = end
		}
	}
	return spans
}
