package signature

import (
	"bytes"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// The limits of templates.
const (
	maxTemplate = 256
	// maxValue bounds a string that is read. It is enough for a list of a dozen long RSA
	// signatures.
	maxValue = 16 << 10
	// MaxSignatures bounds how often each key is tried on a message.
	MaxSignatures = 16
)

// A place is where a message carries a string.
type place int

// The places.
const (
	inHeader place = iota
	inQuery
	inForm
	inMember
	placeCount
)

// field returns the field of the configuration that puts strings at a place.
func (p place) field() string {
	return [...]string{"headers", "query_parameters", "form_fields", "body_members"}[p]
}

// String returns the place as errors name it.
func (p place) String() string {
	return [...]string{"header", "query parameter", "form field", "member"}[p]
}

// places returns the templates of a configuration by place.
func (c *Config) places() [placeCount]map[string]string {
	return [placeCount]map[string]string{c.Headers, c.QueryParameters, c.FormFields, c.BodyMembers}
}

// carriers are the compiled templates of all places.
type carriers struct {
	all []carrier
	// at are the names at each place.
	at [placeCount][]string
	// members are the paths of the members of the body, in the order of the names.
	members []jsonbytes.Path
	// carries says which values the templates contain.
	carries []bool
	idChars template.Charset
	codec   template.Codec
	// signature is the position of the signature among the holes.
	signature int
	// names are the placeholders of the values, by position.
	names []string
	// item and separator are set for a list.
	item      *template.Template
	separator string
}

// A carrier is the compiled template of one string.
type carrier struct {
	place place
	// index is the position of the name among those at the place.
	index       int
	name, lower string
	text        string
	template    *template.Template
	holes       []int
}

// newCarriers compiles the templates and the list of a configuration.
func newCarriers(c Config, t *Strings) (*carriers, []Violation) {
	var violations []Violation
	h := &carriers{codec: template.NewCodec(c.Encoding), names: carriedNames(), signature: carriedCount + len(t.Values)}
	h.carries = make([]bool, h.signature)
	single := template.Hole{Name: "signature", Chars: h.codec.Chars()}
	switch c.Scheme.(type) {
	case JWS:
		// Base64url strings and the two dots between them.
		h.codec, single.Chars = template.NewCodec(template.Raw), template.Chars(base64urlChars+".")
	case Computed:
		h.codec, single.Chars = template.NewCodec(template.Raw), computedChars(t)
	default:
		if c.Encoding == template.Raw {
			violations = append(violations, Violation{Field: "encoding", Text: "must be an encoding that produces text"})
		}
	}
	sent := single
	if c.List != nil {
		violations = append(violations, h.list(c.List, single)...)
		// A list may contain any characters, because it is at the end of the header.
		sent = template.Hole{Name: "signatures", Chars: template.AnyChars()}
	}
	violations = append(violations, h.compile(c.places(), t, sent)...)
	if len(violations) > 0 {
		return nil, violations
	}
	return h, nil
}

const base64urlChars = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// computedChars returns the characters of a computed signature.
func computedChars(t *Strings) template.Charset {
	if t.Input == nil {
		return template.AnyChars()
	}
	return programChars(t.Input.Chars())
}

// programChars returns the set of some characters; none are any.
func programChars(chars string) template.Charset {
	if chars == "" {
		return template.AnyChars()
	}
	return template.Chars(chars)
}

// list compiles a list of signatures.
func (h *carriers) list(l *List, signature template.Hole) (violations []Violation) {
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

// holes returns the holes of all templates: the values that a message may carry, and the
// signature.
func (h *carriers) holes(places [placeCount]map[string]string, t *Strings, signature template.Hole) []template.Hole {
	var holes []template.Hole
	for i, name := range carriedNames()[:id] {
		holes = append(holes, template.Hole{Name: name, Chars: timeChars(i)})
	}
	holes = append(holes, template.Hole{Name: nameID, Chars: h.idChars})
	for _, v := range t.Values {
		chars := programChars(v.Program.Chars())
		if v.Program.Chars() == "" {
			chars = openChars(v.Name, places[:]...)
		}
		holes = append(holes, template.Hole{Name: v.Name, Chars: chars})
		h.names = append(h.names, v.Name)
	}
	return append(holes, signature)
}

// compile compiles the templates of all places.
func (h *carriers) compile(places [placeCount]map[string]string, t *Strings, signature template.Hole) (violations []Violation) {
	h.idChars = openChars(nameID, places[:]...)
	holes := h.holes(places, t, signature)
	signatures := 0
	for p, templates := range places {
		for _, name := range slices.Sorted(maps.Keys(templates)) {
			made, violation := template.Text(templates[name], holes)
			switch {
			case violation != "":
			case !printable(templates[name]):
				violation = onlyPrintable
			case place(p) == inMember:
				violation = h.member(name)
			}
			if violation != "" {
				violations = append(violations, Violation{Field: place(p).field(), Name: name, Text: violation})
				continue
			}
			at := carrier{place: place(p), index: len(h.at[p]), name: name, lower: strings.ToLower(name), text: templates[name], template: made, holes: made.Holes()}
			for _, hole := range at.holes {
				if hole == h.signature {
					signatures++
				} else {
					h.carries[hole] = true
				}
			}
			h.all, h.at[p] = append(h.all, at), append(h.at[p], name)
		}
	}
	if len(violations) == 0 && signatures != 1 {
		violations = append(violations, Violation{Field: "headers", Text: "must have ${" + signature.Name + "} exactly once in all headers, query parameters, form fields, and body members"})
	}
	return violations
}

// member adds the path of a member of the body: its name, or a path. It returns what is wrong with it.
func (h *carriers) member(name string) (violation string) {
	path, ok := MemberPath(name)
	if !ok || !path.Members() {
		return "must be the name of a member, or a path of at most 256 bytes: $ and then .name or ['name']"
	}
	if slices.ContainsFunc(h.members, path.Overlaps) {
		return "must not be, contain, or be inside another member"
	}
	h.members = append(h.members, path)
	return ""
}

// MemberPath returns the path of a member of the body that [Config.BodyMembers] names.
func MemberPath(name string) (jsonbytes.Path, bool) {
	if !strings.HasPrefix(name, "$") {
		name = "$['" + name + "']"
	}
	return jsonbytes.ParsePath(name)
}

// ErrText means that a string that the signature adds to a message cannot be sent: it is not UTF-8,
// or has a control character in a header.
var ErrText = errors.New("a string of the signature cannot be sent")

// write returns the strings at a place, with one signature, or with any number of signatures in a
// list. It fails with [ErrText].
func (h *carriers) write(p place, texts carried, signatures [][]byte) ([]Header, error) {
	fill := func(dst []byte, hole int) []byte {
		switch {
		case hole != h.signature:
			return append(dst, texts[hole]...)
		case h.item == nil:
			return h.codec.AppendEncoded(dst, signatures[0])
		default:
			return h.appendList(dst, signatures)
		}
	}
	if len(h.at[p]) == 0 {
		return nil, nil
	}
	made := make([]Header, 0, len(h.at[p]))
	for i := range h.all {
		if h.all[i].place != p {
			continue
		}
		text, _ := h.all[i].template.Append(nil, fill) // text templates need no escaping
		value := string(text)
		if !utf8.ValidString(value) || p == inHeader && !visible(value) {
			return nil, ErrText
		}
		made = append(made, Header{Name: h.all[i].name, Value: value})
	}
	return made, nil
}

// appendList appends the items of a list.
func (h *carriers) appendList(dst []byte, signatures [][]byte) []byte {
	for i, signature := range signatures {
		if i > 0 {
			dst = append(dst, h.separator...)
		}
		dst, _ = h.item.Append(dst, func(dst []byte, _ int) []byte { return h.codec.AppendEncoded(dst, signature) })
	}
	return dst
}

// read reads the strings of a message. A value that occurs twice must be the same in both places.
func (h *carriers) read(header func(name string) (string, bool), p placed, texts carried) (signatures [][]byte, err error) {
	found := make([][]byte, h.signature+1)
	for i := range h.all {
		at := &h.all[i]
		if len(at.holes) == 0 {
			continue // sent, but not checked
		}
		text, ok := "", true
		if at.place == inHeader {
			text, ok = header(at.lower)
		} else {
			text = p[at.place][at.index]
		}
		if !ok {
			return nil, invalid("The header %s is missing.", at.name)
		}
		if len(text) > maxValue || !at.template.Read([]byte(text), found, nil) {
			return nil, invalid("The %s %s does not have the form %s.", at.place, at.name, at.text)
		}
		for _, hole := range at.holes {
			if hole == h.signature {
				continue
			}
			if texts[hole] != nil && !bytes.Equal(texts[hole], found[hole]) {
				return nil, invalid("Two %ss have different values for ${%s}.", at.place, h.names[hole])
			}
			texts[hole] = present(found[hole])
		}
	}
	if h.carries[id] && !isID(texts[id], &h.idChars) {
		return nil, invalid("The ID in the message is empty or contains characters that are not allowed in an ID.")
	}
	return h.signatures(found[h.signature])
}

// present makes an empty text different from a missing one.
func present(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

// signatures returns the signatures in a string: one, or those of a list, which may have only a
// few.
func (h *carriers) signatures(text []byte) ([][]byte, error) {
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

// cutPairs removes the pairs with some names from a form body or a query. Each name must occur
// exactly once. It returns their values, in the order of the names.
func cutPairs(text string, names []string) (rest string, values []string, ok bool) {
	if len(names) == 0 {
		return text, nil, true
	}
	var kept []string
	values = make([]string, len(names))
	seen := make([]bool, len(names))
	for part := range strings.SplitSeq(text, "&") {
		name, value, _ := strings.Cut(part, "=")
		decoded, err := url.QueryUnescape(name)
		at := slices.Index(names, decoded)
		if err != nil || at < 0 {
			kept = append(kept, part)
			continue
		}
		if values[at], err = url.QueryUnescape(value); err != nil || seen[at] {
			return text, nil, false
		}
		seen[at] = true
	}
	return strings.Join(kept, "&"), values, !slices.Contains(seen, false)
}
