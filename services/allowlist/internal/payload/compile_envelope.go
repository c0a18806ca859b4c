package payload

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// The limits of headers.
const (
	maxHeaders     = 8
	maxHeaderBytes = 256
)

// A bodyForm is what an envelope is written into.
type bodyForm int

const (
	formText bodyForm = iota
	formJSON
)

// form returns what the envelope is written into.
func (c choices) form() bodyForm {
	if _, ok := c.GetEnvelope().GetBody().(*allowlistv1.Envelope_Json); ok {
		return formJSON
	}
	return formText
}

// envelope checks and compiles the envelope around blobs.
func (c *profile) envelope(b *blobs) {
	holes := make([]template.Hole, len(b.list))
	for i := range b.list {
		holes[i] = template.Hole{
			Name: b.list[i].name, Chars: b.list[i].codec.Chars(), Fixed: b.list[i].fixedLen(&b.sizes) != unknown,
		}
	}
	e, wrong := c.templates(holes, "${"+defaultBlob+"}")
	if len(wrong) > 0 && b.sizes[slotWrapped] == unknown && b.has[slotWrapped] {
		// The texts may be told apart once the length of the wrapped key is known.
		n := b.sizes
		n[slotWrapped] = 0
		for i := range b.list {
			holes[i].Fixed = b.list[i].fixedLen(&n) != unknown
		}
		e, wrong = c.templates(holes, "${"+defaultBlob+"}")
		b.cuts = true
	}
	c.found(wrong)
	if len(wrong) == 0 {
		c.once(e, holes)
	}
	c.surroundings(e)
}

// found adds findings that were made before it was clear that they count.
func (c *profile) found(wrong [][2]string) {
	for _, finding := range wrong {
		c.add(finding[0], finding[1])
	}
}

// templates compiles the templates of the envelope, and returns what is wrong with them
// by field.
func (c *profile) templates(holes []template.Hole, unset string) (*envelope, [][2]string) {
	path, pb := c.path+".envelope", c.GetEnvelope()
	e := &envelope{holes: len(holes)}
	var wrong [][2]string
	var finding string
	switch body := pb.GetBody().(type) {
	case *allowlistv1.Envelope_Json:
		path += ".json"
		e.body, finding = template.JSON(body.Json, holes)
	case *allowlistv1.Envelope_Text:
		path += ".text"
		e.body, finding = template.Text(body.Text, holes)
	default:
		path += ".text"
		e.body, finding = template.Text(unset, holes)
	}
	if finding != "" {
		wrong = append(wrong, [2]string{path, finding})
	}
	for _, name := range slices.Sorted(maps.Keys(pb.GetHeaders())) {
		value, finding := template.Text(pb.GetHeaders()[name], holes)
		if text := pb.GetHeaders()[name]; len(text) > maxHeaderBytes || !validHeaderText(text) {
			finding = "must have at most 256 visible characters and inner blanks"
		}
		if finding != "" {
			wrong = append(wrong, [2]string{headerPath(c.path+".envelope.headers", name), finding})
			continue
		}
		e.headers = append(e.headers, headerTemplate{name: name, value: value, filled: len(value.Holes()) > 0})
	}
	return e, wrong
}

// held returns the holes that stand in the body and in headers, sorted.
func (e *envelope) held() []int {
	held := e.body.Holes()
	for _, h := range e.headers {
		held = append(held, h.value.Holes()...)
	}
	slices.Sort(held)
	return held
}

// once checks that each hole stands in the envelope once.
func (c *profile) once(e *envelope, holes []template.Hole) {
	if held := e.held(); len(held) != len(holes) || len(slices.Compact(held)) != len(holes) {
		c.add(c.path+".envelope", "must hold each blob exactly once, in the body or in a header")
	}
}

// surroundings checks and compiles the rest of the envelope.
func (c *profile) surroundings(e *envelope) {
	path, pb := c.path+".envelope", c.GetEnvelope()
	c.headerNames(path+".headers", pb.GetHeaders())
	part := c.GetSelection()
	if c.form() == formJSON && (part.GetFields() != nil || part.GetForm() != nil) {
		c.add(path+".json", "must be unset with selected fields and forms")
	}
	switch pb.GetEncoding() {
	case allowlistv1.Encoding_ENCODING_UNSPECIFIED, allowlistv1.Encoding_ENCODING_RAW:
	default:
		codec := codecOf(pb.GetEncoding(), template.Raw)
		e.outer = &codec
		if part != nil && part.GetWholeBody() == nil {
			c.add(path+".encoding", "must be unset but for whole bodies")
		}
	}
	c.pipeline.envelope = e
	c.pipeline.contentType = c.contentType(path + ".content_type")
}

// contentType returns the content type of what is sent.
func (c *profile) contentType(field string) string {
	given, part := c.GetEnvelope().GetContentType(), c.GetSelection()
	switch {
	case given != "":
		if !regexp.MustCompile(`^[a-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}(; ?charset=[A-Za-z0-9-]{1,32})?$`).MatchString(given) {
			c.add(field, "must be a media type")
		}
		return given
	case part.GetForm() != nil:
		return ""
	case part.GetFields() != nil || part.GetObject() != nil:
		return "application/json"
	case c.form() == formJSON && c.pipeline.envelope.outer == nil:
		return "application/json"
	default:
		return "text/plain"
	}
}

// headerPath returns the path of a header that is added, with its name if that can be one.
func headerPath(field, name string) string {
	if !validHeaderName(strings.ToLower(name)) {
		return field
	}
	return violation.Entry(field, name)
}

// headerNames checks the names of headers.
func (c *profile) headerNames(field string, headers map[string]string) {
	if len(headers) > maxHeaders {
		c.add(field, "must hold at most 8 headers")
	}
	seen := make(map[string]bool, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		folded := strings.ToLower(name)
		switch {
		case !validHeaderName(folded):
			c.add(field, "must have names of 1-64 letters, digits, - and _, and not of a header that HTTP itself needs")
		case seen[folded] || c.taken[folded]:
			c.add(headerPath(field, name), "must name each header once, whatever the case, and none that the envelope has")
		}
		seen[folded] = true
	}
	c.taken = seen
}

// ReservedHeader reports whether a header, in whatever case, frames the message or
// names its receiver. What a configuration adds to a message may not be one: it could
// send what was approved for one host to another. Some servers read `_` as `-`.
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
