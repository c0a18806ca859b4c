package compile

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/envelope"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// The limits of headers.
const (
	maxHeaders     = 8
	maxHeaderBytes = 256
)

// envelope checks and compiles the envelope around blobs.
func (c *profile) envelope(b *envelope.Blobs) {
	holes := make([]template.Hole, len(b.List))
	for i := range b.List {
		holes[i] = template.Hole{
			Name: b.List[i].Name, Chars: b.List[i].Codec.Chars(), Fixed: b.List[i].FixedLen(&b.Sizes) != describe.Unknown,
		}
	}
	e, wrong := c.templates(holes)
	if len(wrong) > 0 && b.Sizes[describe.SlotWrapped] == describe.Unknown && b.Has[describe.SlotWrapped] {
		// The strings may be distinguishable once the length of the wrapped key is known.
		n := b.Sizes
		n.SetWrapped(0)
		for i := range b.List {
			holes[i].Fixed = b.List[i].FixedLen(&n) != describe.Unknown
		}
		e, wrong = c.templates(holes)
		b.Cuts = true
	}
	c.found(wrong)
	if len(wrong) == 0 {
		c.once(e, holes)
	}
	c.surroundings(e)
}

// found adds violations that were collected before it was clear whether they apply.
func (c *profile) found(wrong [][2]string) {
	for _, violation := range wrong {
		c.Add(violation[0], violation[1])
	}
}

// templates compiles the templates of the envelope, and returns their violations by field.
func (c *profile) templates(holes []template.Hole) (*envelope.Envelope, [][2]string) {
	path, d := c.path+".envelope.text", c.Envelope
	e := &envelope.Envelope{Holes: len(holes)}
	var wrong [][2]string
	var violation string
	if d.JSON {
		path = c.path + ".envelope.json"
		e.Body, violation = template.JSON(d.Body, holes)
	} else {
		e.Body, violation = template.Text(d.Body, holes)
	}
	if violation != "" {
		wrong = append(wrong, [2]string{path, violation})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		value, violation := template.Text(d.Headers[name], holes)
		if text := d.Headers[name]; len(text) > maxHeaderBytes || !envelope.ValidHeaderText(text) {
			violation = "must have at most 256 visible characters and inner blanks"
		}
		if violation != "" {
			wrong = append(wrong, [2]string{headerPath(c.path+".envelope.headers", name), violation})
			continue
		}
		e.Headers = append(e.Headers, envelope.HeaderTemplate{Name: name, Value: value, Filled: len(value.Holes()) > 0})
	}
	return e, wrong
}

// heldBy returns the holes that occur in the body and in headers, sorted.
func heldBy(e *envelope.Envelope) []int {
	held := e.Body.Holes()
	for _, h := range e.Headers {
		held = append(held, h.Value.Holes()...)
	}
	slices.Sort(held)
	return held
}

// once checks that each hole occurs in the envelope exactly once.
func (c *profile) once(e *envelope.Envelope, holes []template.Hole) {
	if held := heldBy(e); len(held) != len(holes) || len(slices.Compact(held)) != len(holes) {
		c.Add(c.path+".envelope", "must hold each blob exactly once, in the body or in a header")
	}
}

// surroundings checks and compiles the rest of the envelope.
func (c *profile) surroundings(e *envelope.Envelope) {
	path, pb := c.path+".envelope", c.pb.GetEnvelope()
	c.headerNames(path+".headers", pb.GetHeaders())
	part := c.pb.GetSelection()
	if c.Envelope.JSON && (part.GetFields() != nil || part.GetForm() != nil) {
		c.Add(path+".json", "must be unset with selected fields and forms")
	}
	switch pb.GetEncoding() {
	case allowlistv1.Encoding_ENCODING_UNSPECIFIED, allowlistv1.Encoding_ENCODING_RAW:
	default:
		codec := template.NewCodec(c.Envelope.Outer).Lenient()
		e.Outer = &codec
		if part != nil && part.GetWholeBody() == nil {
			c.Add(path+".encoding", "must be unset except for whole bodies")
		}
	}
	c.inner(e)
	c.plan.Envelope = e
	c.plan.ContentType = c.contentType(path + ".content_type")
}

// inner checks and compiles the encoding of the plaintext.
func (c *profile) inner(e *envelope.Envelope) {
	field := c.path + ".plaintext_encoding"
	switch inner := c.Inner; {
	case inner == template.Raw:
	case c.Kind == describe.KindNone:
		c.Add(field, "must be unset without encryption")
	case inner == template.Base64MIME:
		c.Add(field, "must not be BASE64_MIME")
	default:
		codec := template.NewCodec(inner)
		e.Inner = &codec
	}
}

// contentType returns the content type of the sent message.
func (c *profile) contentType(field string) string {
	given, part := c.pb.GetEnvelope().GetContentType(), c.pb.GetSelection()
	switch {
	case given != "":
		if !regexp.MustCompile(`^[a-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}(; ?charset=[A-Za-z0-9-]{1,32})?$`).MatchString(given) {
			c.Add(field, "must be a media type")
		}
		return given
	case part.GetForm() != nil:
		return ""
	case part.GetFields() != nil || part.GetObject() != nil:
		return "application/json"
	case c.Envelope.JSON && c.plan.Envelope.Outer == nil:
		return "application/json"
	default:
		return "text/plain"
	}
}

// headerPath returns the path of an added header, with its name if the name is valid.
func headerPath(field, name string) string {
	if !validHeaderName(strings.ToLower(name)) {
		return field
	}
	return violation.Entry(field, name)
}

// headerNames checks the names of headers.
func (c *profile) headerNames(field string, headers map[string]string) {
	if len(headers) > maxHeaders {
		c.Add(field, "must hold at most 8 headers")
	}
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded := strings.ToLower(name)
		switch {
		case !validHeaderName(folded):
			c.Add(field, "must have names of 1-64 letters, digits, - and _, other than those of headers that HTTP needs")
		case seen[folded] || c.taken[folded]:
			c.Add(headerPath(field, name), "must name each header once, ignoring case, and none that the envelope has")
		}
		seen[folded] = true
	}
	c.taken = seen
}

// ReservedHeader reports whether a header frames the message or names its receiver. Case is
// ignored. A configuration must not add such a header to a message, because it could redirect a
// message that was approved for one host to another. Some servers read `_` as `-`.
func ReservedHeader(name string) bool {
	switch strings.ReplaceAll(strings.ToLower(name), "_", "-") {
	case "connection", "content-encoding", "content-length", "content-type", "expect", "host",
		"keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return false
}

// validHeaderName reports whether a header may be added. The name is in lower case.
func validHeaderName(name string) bool {
	if name == "" || len(name) > 64 || ReservedHeader(name) {
		return false
	}
	for i := range len(name) {
		if !resource.Alphanumeric(name[i]) && name[i] != '-' && name[i] != '_' {
			return false
		}
	}
	return true
}
