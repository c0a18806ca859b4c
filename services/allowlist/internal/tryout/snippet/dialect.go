package snippet

import (
	"embed"
	"regexp"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

//go:embed library/open.js library/Open.java
var library embed.FS

// A dialect is how a language writes things. Methods return expressions unless they say
// that they return lines.
type dialect interface {
	language() string

	// quote writes a text as a literal, and pem one of several lines.
	quote(text string) string
	pem(text string) string
	// constant is how a constant is called, and header how a header is read.
	constant(name string) string
	header(name string) string

	// bytes and text are the line that declares a variable; variable is that of a text
	// which changes.
	bytes(name, value string) string
	text(name, value string) string
	variable(name, value string) string
	// match returns the lines that find the groups of a regular expression in a text.
	match(names []string, pattern, text string) []string
	// each returns the lines that repeat lines for every text at one of the paths.
	each(name, document string, paths [][]string, lines []string) []string
	// passOver is the line that goes on in each with the next text if one is empty.
	passOver(name string) string
	// substitute replaces a part of a text, wherever it stands.
	substitute(text, old, by string) string
	// check is the line that fails unless a condition holds.
	check(condition, what string) string
	// first is the first piece of a text that is split at a separator.
	first(text, separator string) string

	// decode reads a text, and encode writes bytes as one.
	decode(e encoding, text string) string
	encode(e encoding, bytes string) string
	lower(text string) string
	upper(text string) string
	// slice cuts bytes; an empty to is their end.
	slice(bytes, from, to string) string
	concat(bytes []string) string
	zeros(n int) string
	hash(h allowlistv1.Hash) string

	// source puts a program together.
	source(p *program) string
}

// An encoding is one of the contract.
type encoding = allowlistv1.Encoding

// The encodings by shorter names.
const (
	inBase64    = allowlistv1.Encoding_ENCODING_BASE64
	inBase64URL = allowlistv1.Encoding_ENCODING_BASE64URL
	inHex       = allowlistv1.Encoding_ENCODING_HEX
	inHexUpper  = allowlistv1.Encoding_ENCODING_HEX_UPPER
	inLines     = allowlistv1.Encoding_ENCODING_BASE64_MIME
	// inUTF8 is RAW; inLatin1 is RAW too, where a body is bytes that are no text.
	inUTF8   = allowlistv1.Encoding_ENCODING_RAW
	inLatin1 = encoding(-1)
)

// call writes the call of a function of the library.
func call(function string, arguments ...string) string {
	return function + "(" + strings.Join(arguments, ", ") + ")"
}

// functions returns the functions of a library that code calls, and those that they call
// in turn, in the order of the library. In a library a blank line ends a function.
func functions(source, code string) []string {
	declared := regexp.MustCompile(`(?m)^(?:function|  static [\w<>\[\], ]+?) (\w+)\(`)
	all := strings.Split(strings.TrimRight(source, "\n"), "\n\n")
	used := make(map[int]bool, len(all))
	for calls := []string{code}; len(calls) > 0; calls = calls[1:] {
		for i, function := range all {
			name := declared.FindStringSubmatch(function)[1]
			if !used[i] && regexp.MustCompile(`(?:^|[^.\w])`+name+`\(|::`+name+`\b`).MatchString(calls[0]) {
				used[i] = true
				calls = append(calls, function)
			}
		}
	}
	var kept []string
	for i, function := range all {
		if used[i] {
			kept = append(kept, function)
		}
	}
	return kept
}

// read returns a file of the library.
func read(name string) string {
	text, err := library.ReadFile("library/" + name)
	if err != nil {
		return "" // it is embedded
	}
	return string(text)
}
