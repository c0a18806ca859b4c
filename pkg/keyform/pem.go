package keyform

import (
	"bytes"
	"encoding/base64"
)

const (
	pemBegin = "-----BEGIN "
	pemEnd   = "-----END "
	pemDash  = "-----"
)

// A block is a PEM block with any line breaks.
type block struct {
	label string
	// headers are the headers before the base64 (RFC 1421), such as `Proc-Type: 4,ENCRYPTED`.
	headers []byte
	// der is the decoded base64, or nil if it is not base64. It is a copy.
	der []byte
	// ended is whether the block has an END line.
	ended bool
}

// blocksOf returns the blocks in text, in order. Other text may surround them.
func blocksOf(text []byte) []block {
	var all []block
	_, rest, found := bytes.Cut(text, []byte(pemBegin))
	for found {
		var this []byte
		this, rest, found = bytes.Cut(rest, []byte(pemBegin))
		if b, ok := blockOf(this); ok {
			all = append(all, b)
		}
	}
	return all
}

// maxLabel is larger than the longest label of a block.
const maxLabel = 64

// blockOf parses the text after a BEGIN, up to the next one.
func blockOf(b []byte) (block, bool) {
	end := bytes.Index(b[:min(len(b), maxLabel+len(pemDash))], []byte(pemDash))
	if end < 0 || bytes.ContainsAny(b[:end], "\r\n") {
		return block{}, false
	}
	label, body := string(b[:end]), b[end+len(pemDash):]
	body, _, ended := bytes.Cut(body, []byte(pemEnd))
	if !ended { // a piece of the END line may be there
		body = bytes.TrimRight(body, asciiSpace+"-")
	}
	headers, body := cutHeaders(body)
	return block{label: label, headers: headers, der: lenientBase64(body), ended: ended}, true
}

// cutHeaders splits off headers. Without line ends, they end with the last word that a header can
// have: the initialization vector of DEK-Info.
func cutHeaders(body []byte) (headers, rest []byte) {
	if !bytes.Contains(body, []byte(": ")) {
		return nil, body
	}
	for _, blank := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		if headers, rest, found := bytes.Cut(body, []byte(blank)); found && bytes.Contains(headers, []byte(": ")) {
			return headers, rest
		}
	}
	return body, nil
}

// lenientBase64 decodes either alphabet with any padding and any bits after the last byte, because
// the DER decides. It returns nil for other characters.
func lenientBase64(body []byte) []byte {
	if !mayBeBase64(body) {
		return nil
	}
	digits := make([]byte, 0, len(body))
	defer func() { clear(digits) }()
	for _, c := range body {
		switch {
		case isSpace(c):
			continue
		case c == '-':
			c = '+'
		case c == '_':
			c = '/'
		}
		digits = append(digits, c)
	}
	bare := bytes.TrimRight(digits, "=")
	if len(bare)%4 == 1 { // a piece of the last group is missing
		bare = bare[:len(bare)-1]
	}
	der := make([]byte, base64.RawStdEncoding.DecodedLen(len(bare)))
	n, err := base64.RawStdEncoding.Decode(der, bare)
	if err != nil {
		clear(der)
		return nil
	}
	return der[:n]
}

// unescaped returns a copy of text without the escapes of JSON and shells for line ends and
// slashes. PEM and base64 contain no backslashes.
func unescaped(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' && i+1 < len(text) {
			switch text[i+1] {
			case 'n', 'r':
				c, i = '\n', i+1
			case 't':
				c, i = ' ', i+1
			case '/':
				c, i = '/', i+1
			}
		}
		out = append(out, c)
	}
	return out
}

// unquoted returns text without surrounding quotation marks.
func unquoted(text []byte) (inner []byte, quoted bool) {
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return bytes.Trim(text[1:n-1], asciiSpace), true
	}
	return text, false
}
