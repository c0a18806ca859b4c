package signature

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of headers.
const (
	maxTemplate = 256
	// maxValue bounds a header that is read. It is enough for a list of a dozen long RSA
	// signatures.
	maxValue = 16 << 10
	// MaxSignatures bounds how often each key is tried on a message.
	MaxSignatures = 16
)

// headers are the compiled templates of all headers.
type headers struct {
	all []header
	// carries says which values the headers contain.
	carries [carriedCount]bool
	idChars template.Charset
	codec   template.Codec
	// item and separator are set for a list.
	item      *template.Template
	separator string
}

// A header is the compiled template of one header.
type header struct {
	name, lower string
	text        string
	template    *template.Template
	holes       []int
}

// The holes of a header are the values that it may carry, followed by the signature.
const signatureHole = carriedCount

// newHeaders compiles the headers and the list of a configuration.
func newHeaders(c Config) (*headers, []Violation) {
	var violations []Violation
	h := &headers{codec: template.NewCodec(c.Encoding)}
	single := template.Hole{Name: "signature", Chars: h.codec.Chars()}
	if _, ok := c.Scheme.(JWS); ok {
		// Two base64url strings and the two dots of a detached signature.
		h.codec, single.Chars = template.NewCodec(template.Raw), template.Chars(base64urlChars+".")
	} else if c.Encoding == template.Raw {
		violations = append(violations, Violation{Field: "encoding", Text: "must be an encoding that produces text"})
	}
	sent := single
	if c.List != nil {
		violations = append(violations, h.list(c.List, single)...)
		// A list may contain any characters, because it is at the end of the header.
		sent = template.Hole{Name: "signatures", Chars: template.AnyChars()}
	}
	if header, violation := h.compile(c.Headers, sent); violation != "" {
		violations = append(violations, Violation{Field: "headers", Header: header, Text: violation})
	}
	if len(violations) > 0 {
		return nil, violations
	}
	return h, nil
}

const base64urlChars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// list compiles a list of signatures.
func (h *headers) list(l *List, signature template.Hole) (violations []Violation) {
	item, violation := template.Text(l.Item, []template.Hole{signature})
	switch {
	case violation != "":
		violations = append(violations, Violation{Field: "list.item", Text: violation})
	case len(item.Holes()) != 1:
		violations = append(violations, Violation{Field: "list.item", Text: "must have ${signature} exactly once"})
	case !printable(l.Item):
		violations = append(violations, Violation{Field: "list.item", Text: onlyPrintable})
	}
	literals := strings.NewReplacer("${signature}", "", "${*}", "").Replace(l.Item)
	foreign := func(c rune) bool { return !signature.Chars.Has(byte(c)) && !strings.ContainsRune(literals, c) }
	if !strings.ContainsFunc(l.Separator, foreign) || strings.ContainsFunc(l.Separator, unprintable) {
		violations = append(violations, Violation{Field: "list.separator", Text: "must contain a character that no item can contain, and only visible characters or spaces"})
	}
	h.item, h.separator = item, l.Separator
	return violations
}

const onlyPrintable = "must have at most 256 visible characters and inner spaces"

// printable reports whether a string may be in a header.
func printable(text string) bool {
	return len(text) <= maxTemplate && strings.TrimSpace(text) == text && !strings.ContainsFunc(text, unprintable)
}

func unprintable(c rune) bool { return c < ' ' || c > '~' }

// compile compiles the templates of the headers. Wrong is the header with the violation, or
// empty if the violation concerns all headers.
func (h *headers) compile(templates map[string]string, signature template.Hole) (wrong, violation string) {
	h.idChars = idChars(templates)
	var holes []template.Hole
	for i, name := range carriedNames()[:id] {
		holes = append(holes, template.Hole{Name: name, Chars: timeChars(i)})
	}
	holes = append(holes, template.Hole{Name: nameID, Chars: h.idChars}, signature)
	signatures := 0
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		t, violation := template.Text(templates[name], holes)
		if violation != "" {
			return name, violation
		}
		if !printable(templates[name]) {
			return name, onlyPrintable
		}
		made := header{name: name, lower: strings.ToLower(name), text: templates[name], template: t, holes: t.Holes()}
		for _, hole := range made.holes {
			if hole == signatureHole {
				signatures++
			} else {
				h.carries[hole] = true
			}
		}
		h.all = append(h.all, made)
	}
	if signatures != 1 {
		return "", "must have ${" + signature.Name + "} exactly once in all headers"
	}
	return "", ""
}

// write writes the headers with one signature, or with any number of signatures in a list.
func (h *headers) write(texts *carried, signatures [][]byte) []Header {
	fill := func(dst []byte, hole int) []byte {
		switch {
		case hole != signatureHole:
			return append(dst, texts[hole]...)
		case h.item == nil:
			return h.codec.AppendEncoded(dst, signatures[0])
		default:
			return h.appendList(dst, signatures)
		}
	}
	made := make([]Header, len(h.all))
	for i := range h.all {
		value, _ := h.all[i].template.Append(nil, fill) // text templates need no escaping
		made[i] = Header{Name: h.all[i].name, Value: string(value)}
	}
	return made
}

// appendList appends the items of a list.
func (h *headers) appendList(dst []byte, signatures [][]byte) []byte {
	for i, signature := range signatures {
		if i > 0 {
			dst = append(dst, h.separator...)
		}
		dst, _ = h.item.Append(dst, func(dst []byte, _ int) []byte { return h.codec.AppendEncoded(dst, signature) })
	}
	return dst
}

// read reads the headers of a message. A value that occurs in two headers must be the same in
// both.
func (h *headers) read(value func(name string) (string, bool)) (texts carried, signatures [][]byte, err error) {
	var found [signatureHole + 1][]byte
	for i := range h.all {
		if len(h.all[i].holes) == 0 {
			continue // sent, but not checked
		}
		text, ok := value(h.all[i].lower)
		if !ok {
			return texts, nil, invalid("The header %s is missing.", h.all[i].name)
		}
		if len(text) > maxValue || !h.all[i].template.Read([]byte(text), found[:], nil) {
			return texts, nil, invalid("The header %s does not have the form %s.", h.all[i].name, h.all[i].text)
		}
		for _, hole := range h.all[i].holes {
			if hole == signatureHole {
				continue
			}
			if texts[hole] != nil && !bytes.Equal(texts[hole], found[hole]) {
				return texts, nil, invalid("Two headers have different values for ${%s}.", carriedNames()[hole])
			}
			texts[hole] = found[hole]
		}
	}
	if h.carries[id] && !isID(texts[id], &h.idChars) {
		return texts, nil, invalid("The ID in the header is empty or contains characters that are not allowed in an ID.")
	}
	signatures, err = h.signatures(found[signatureHole])
	return texts, signatures, err
}

// signatures returns the signatures in the header value: one, or those of a list, which may have
// only a few.
func (h *headers) signatures(text []byte) ([][]byte, error) {
	if h.item == nil {
		signature, ok := h.codec.AppendDecoded(nil, text)
		if !ok {
			return nil, invalid("The signature is not written in the configured encoding.")
		}
		return [][]byte{signature}, nil
	}
	var signatures [][]byte
	for item := range bytes.SplitSeq(text, []byte(h.separator)) {
		var found [1][]byte
		if !h.item.Read(item, found[:], nil) {
			continue
		}
		if signature, ok := h.codec.AppendDecoded(nil, found[0]); ok {
			signatures = append(signatures, signature)
		}
		if len(signatures) > MaxSignatures {
			return nil, invalid("The header has more than %d signatures.", MaxSignatures)
		}
	}
	if len(signatures) == 0 {
		return nil, invalid("The header has no signature of the configured form and encoding.")
	}
	return signatures, nil
}
