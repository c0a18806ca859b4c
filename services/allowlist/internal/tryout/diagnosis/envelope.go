package diagnosis

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/template"
)

// writeOut sets the default envelope explicitly if a profile omits it, so that it can be
// changed.
func writeOut(p *allowlistv1.Profile) {
	if p.GetJose() != nil || len(p.GetEnvelope().GetBlobs()) > 0 {
		return
	}
	if p.GetEnvelope() == nil {
		p.Envelope = new(allowlistv1.Envelope)
	}
	described := describe.Of("", p).Envelope
	p.GetEnvelope().Blobs = make(map[string]*allowlistv1.Blob, len(described.Blobs))
	for _, b := range described.Blobs {
		blob := new(allowlistv1.Blob)
		if b.Encoding == template.Raw {
			blob.Encoding = allowlistv1.Encoding_ENCODING_RAW
		}
		for _, piece := range b.Parts {
			blob.Parts = append(blob.Parts, part(piece.Slot))
		}
		p.GetEnvelope().Blobs[b.Name] = blob
	}
	if p.GetEnvelope().GetBody() == nil {
		p.GetEnvelope().Body = &allowlistv1.Envelope_Text{Text: described.Body}
	}
}

func part(slot describe.Slot) *allowlistv1.Part {
	return &allowlistv1.Part{Piece: &allowlistv1.Part_Slot_{Slot: slot}}
}

// blobNames returns the names of the blobs, in order.
func blobNames(p *allowlistv1.Profile) []string {
	return slices.Sorted(maps.Keys(p.GetEnvelope().GetBlobs()))
}

func encodingName(e allowlistv1.Encoding) string {
	return name(e, "ENCODING_", "BASE64")
}

// reads reports whether the configured encoding also reads everything that e writes: hexadecimal is
// read in either case.
func reads(configured, e allowlistv1.Encoding) bool {
	return e == configured || configured == allowlistv1.Encoding_ENCODING_HEX_UPPER && e == allowlistv1.Encoding_ENCODING_HEX
}

// readsBlob is reads for blobs, whose base64 is read in each of its forms.
func readsBlob(configured, e allowlistv1.Encoding) bool {
	switch configured {
	case allowlistv1.Encoding_ENCODING_BASE64URL, allowlistv1.Encoding_ENCODING_BASE64_MIME:
		configured = allowlistv1.Encoding_ENCODING_BASE64
	}
	return reads(configured, e)
}

// encodings adds other encodings of the blobs, for all blobs at once and for each one, and of
// the finished body.
func (c *collector) encodings() {
	const group = "encoding"
	names := blobNames(c.profile)
	all := []allowlistv1.Encoding{
		allowlistv1.Encoding_ENCODING_HEX, allowlistv1.Encoding_ENCODING_BASE64, allowlistv1.Encoding_ENCODING_RAW,
	}
	if len(names) > 1 {
		for _, e := range all[:2] {
			c.add(group, "envelope.blobs.encoding", c.common(names), encodingName(e), func(p *allowlistv1.Profile) {
				for _, name := range names {
					p.GetEnvelope().GetBlobs()[name].Encoding = e
				}
			})
		}
	}
	for _, name := range names {
		field, own := "envelope.blobs.encoding", group
		if len(names) > 1 {
			field, own = "envelope.blobs["+name+"].encoding", group+" of "+name
		}
		configured := cmp.Or(c.profile.GetEnvelope().GetBlobs()[name].GetEncoding(), allowlistv1.Encoding_ENCODING_BASE64)
		for _, e := range all {
			if !readsBlob(configured, e) {
				c.add(own, field, encodingName(configured), encodingName(e), func(p *allowlistv1.Profile) { encode(p, name, e) })
			}
		}
	}
	if c.profile.GetSelection().GetFields() == nil && c.profile.GetSelection().GetObject() == nil && c.profile.GetSelection().GetForm() == nil {
		configured := cmp.Or(c.profile.GetEnvelope().GetEncoding(), allowlistv1.Encoding_ENCODING_RAW)
		for _, e := range all {
			if !readsBlob(configured, e) && c.profile.GetJose() == nil {
				c.add("outer encoding", "envelope.encoding", encodingName(configured), encodingName(e), func(p *allowlistv1.Profile) { p.GetEnvelope().Encoding = e })
			}
		}
	}
}

// encode sets the encoding of a blob. An unencoded IV must be text.
func encode(p *allowlistv1.Profile, name string, e allowlistv1.Encoding) {
	blob := p.GetEnvelope().GetBlobs()[name]
	if blob == nil {
		return // another change has moved it into a blob with other parts
	}
	blob.Encoding = e
	if e == allowlistv1.Encoding_ENCODING_RAW && len(blob.GetParts()) == 1 && blob.GetParts()[0].GetSlot() == describe.SlotIV {
		iv(p).Source = allowlistv1.Iv_SOURCE_RANDOM_TEXT
	}
}

// iv returns the IV of a profile's cipher, to change it.
func iv(p *allowlistv1.Profile) *allowlistv1.Iv {
	if p.GetCipher().GetIv() == nil {
		p.GetCipher().Iv = new(allowlistv1.Iv)
	}
	return p.GetCipher().GetIv()
}

// common returns the encodings of the blobs as one string.
func (c *collector) common(names []string) string {
	var texts []string
	for _, name := range names {
		texts = append(texts, encodingName(c.profile.GetEnvelope().GetBlobs()[name].GetEncoding()))
	}
	return strings.Join(slices.Compact(texts), ", ")
}

// layouts adds other orders of the parts, and other ways to separate them.
func (c *collector) layouts(body []byte) {
	for _, name := range blobNames(c.profile) {
		c.orders(name)
	}
	if text, ok := c.profile.GetEnvelope().GetBody().(*allowlistv1.Envelope_Text); ok && c.profile.GetCipher() != nil {
		c.separations(text.Text, body)
	}
}

// layoutGroup is the group of all changes to the places of the parts.
const layoutGroup = "layout"

// orders adds the other orders of the parts of one blob. Literals keep their places.
func (c *collector) orders(name string) {
	parts := c.profile.GetEnvelope().GetBlobs()[name].GetParts()
	var places []int
	for i, part := range parts {
		if part.GetLiteral() == "" {
			places = append(places, i)
		}
	}
	if len(places) < 2 || len(places) > 4 {
		return
	}
	for order := range permutations(len(places)) {
		changed := slices.Clone(parts)
		for i, from := range order {
			changed[places[i]] = parts[places[from]]
		}
		c.add(layoutGroup, "envelope.blobs["+name+"].parts", partNames(parts), partNames(changed), func(p *allowlistv1.Profile) {
			p.GetEnvelope().GetBlobs()[name].Parts = changed
		})
	}
}

// partNames lists the parts of a blob.
func partNames(parts []*allowlistv1.Part) string {
	words := make([]string, len(parts))
	for i, part := range parts {
		words[i] = `"` + part.GetLiteral() + `"`
		if part.GetLiteral() == "" {
			words[i] = strings.TrimPrefix(part.GetSlot().String(), "SLOT_")
		}
	}
	return strings.Join(words, " ")
}

// permutations yields all orders of n places except the original one.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		for next(order) && yield(slices.Clone(order)) {
		}
	}
}

// next advances to the next order, or reports that it was the last.
func next(order []int) bool {
	i := len(order) - 2
	for i >= 0 && order[i] > order[i+1] {
		i--
	}
	if i < 0 {
		return false
	}
	j := len(order) - 1
	for order[j] < order[i] {
		j--
	}
	order[i], order[j] = order[j], order[i]
	slices.Reverse(order[i+1:])
	return true
}

// separations adds the layouts of IV, ciphertext, and tag in a text: together in one blob, and
// separated by the characters at which the message could be split.
func (c *collector) separations(text string, body []byte) {
	set := ivCiphertextTag(c.profile)
	if set == nil {
		return
	}
	encoding := c.profile.GetEnvelope().GetBlobs()[blobNames(c.profile)[0]].GetEncoding()
	was := layoutName(text, c.profile.GetEnvelope().GetBlobs())
	try := func(groups [][]describe.Slot, separator string) {
		blobs := make(map[string]*allowlistv1.Blob)
		var texts []string
		for i, group := range groups {
			blob := &allowlistv1.Blob{Encoding: encoding}
			for _, slot := range group {
				blob.Parts = append(blob.Parts, part(slot))
			}
			name := string(rune('a' + i))
			blobs[name] = blob
			texts = append(texts, "${"+name+"}")
		}
		template := strings.Join(texts, separator)
		c.add(layoutGroup, "envelope", was, layoutName(template, blobs), func(p *allowlistv1.Profile) {
			p.GetEnvelope().Blobs, p.GetEnvelope().Body = blobs, &allowlistv1.Envelope_Text{Text: template}
		})
	}
	for _, separator := range separators(body) {
		try(apart(set), separator)
		for order := range permutations(len(set)) {
			try(apart(arranged(set, order)), separator)
		}
		if len(set) == 3 {
			try([][]describe.Slot{{describe.SlotIV}, {describe.SlotCiphertext, describe.SlotTag}}, separator)
			try([][]describe.Slot{{describe.SlotCiphertext, describe.SlotTag}, {describe.SlotIV}}, separator)
			try([][]describe.Slot{{describe.SlotIV}, {describe.SlotTag, describe.SlotCiphertext}}, separator)
		}
	}
	if len(c.profile.GetEnvelope().GetBlobs()) > 1 {
		try([][]describe.Slot{set}, "")
		for order := range permutations(len(set)) {
			try([][]describe.Slot{arranged(set, order)}, "")
		}
	}
}

// ivCiphertextTag returns the parts of a message if they are an IV, a ciphertext, and possibly a
// tag, all in the body.
func ivCiphertextTag(p *allowlistv1.Profile) []describe.Slot {
	var found []describe.Slot
	for _, blob := range p.GetEnvelope().GetBlobs() {
		for _, part := range blob.GetParts() {
			found = append(found, part.GetSlot())
		}
	}
	slices.Sort(found)
	set := []describe.Slot{describe.SlotIV, describe.SlotCiphertext, describe.SlotTag}
	if len(p.GetEnvelope().GetHeaders()) > 0 || len(found) < 2 || len(found) > 3 || !slices.Equal(found, set[:len(found)]) {
		return nil
	}
	return found
}

func arranged(set []describe.Slot, order []int) []describe.Slot {
	arranged := make([]describe.Slot, len(order))
	for i, from := range order {
		arranged[i] = set[from]
	}
	return arranged
}

func apart(set []describe.Slot) [][]describe.Slot {
	var groups [][]describe.Slot
	for _, slot := range set {
		groups = append(groups, []describe.Slot{slot})
	}
	return groups
}

// separators returns the commonly used separators that occur in a message.
func separators(body []byte) []string {
	var found []string
	for _, separator := range []string{":", ".", ",", "|", ";", "$", "-"} {
		if bytes.Contains(body, []byte(separator)) {
			found = append(found, separator)
		}
	}
	return found
}

// layoutName returns a plain template with the parts in place of the blobs.
func layoutName(text string, blobs map[string]*allowlistv1.Blob) string {
	for name, blob := range blobs {
		text = strings.ReplaceAll(text, "${"+name+"}", "["+partNames(blob.GetParts())+"]")
	}
	return text
}

// drop removes a part, and its blob if the part is alone in it.
func drop(p *allowlistv1.Profile, slot describe.Slot) {
	e := p.GetEnvelope()
	for name, blob := range e.GetBlobs() {
		if !slices.ContainsFunc(blob.GetParts(), func(part *allowlistv1.Part) bool { return part.GetSlot() == slot }) {
			continue
		}
		blob.Parts = slices.DeleteFunc(slices.Clone(blob.GetParts()), func(part *allowlistv1.Part) bool { return part.GetSlot() == slot })
		if len(blob.GetParts()) > 0 {
			return
		}
		delete(e.GetBlobs(), name)
		hole := "${" + name + "}"
		for header, value := range e.GetHeaders() {
			if strings.Contains(value, hole) {
				delete(e.GetHeaders(), header)
			}
		}
		switch body := e.GetBody().(type) {
		case *allowlistv1.Envelope_Json:
			e.Body = &allowlistv1.Envelope_Json{Json: strings.ReplaceAll(body.Json, hole, "${*}")}
		case *allowlistv1.Envelope_Text:
			e.Body = &allowlistv1.Envelope_Text{Text: without(body.Text, hole)}
		}
		return
	}
}

// without removes a hole from a template, with the separator before it, or the separator after
// it if the hole is the first.
func without(text, hole string) string {
	before, behind, _ := strings.Cut(text, hole)
	if i := strings.LastIndexByte(before, '}'); i >= 0 {
		return before[:i+1] + behind
	}
	if i := strings.Index(behind, "${"); i >= 0 {
		return before + behind[i:]
	}
	return before + behind
}

// insert puts a part before or after the ciphertext.
func insert(p *allowlistv1.Profile, slot describe.Slot, behind bool) {
	for _, blob := range p.GetEnvelope().GetBlobs() {
		for i, at := range blob.GetParts() {
			if at.GetSlot() != describe.SlotCiphertext {
				continue
			}
			if behind {
				i++
			}
			blob.Parts = slices.Insert(slices.Clone(blob.GetParts()), i, part(slot))
			return
		}
	}
}

// sends reports whether a blob contains a part.
func sends(p *allowlistv1.Profile, slot describe.Slot) bool {
	return describe.Of("", p).Envelope.Sends(slot)
}
