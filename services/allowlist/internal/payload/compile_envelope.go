package payload

import (
	"maps"
	"slices"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// The limits of an envelope and its parts.
const (
	maxBlobs = 8
	maxParts = 8
	maxIV    = 16
	maxTag   = 16
)

// defaultBlob is the name of the blob that is there when none is given.
const defaultBlob = "data"

// A form is what an envelope is written into.
type form int

const (
	formText  form = iota // a body that is a text
	formJSON              // a body that is a JSON document
	formValue             // a string in the place of a JSON value
)

// envelope checks and compiles an envelope.
func (f *findings) envelope(path string, pb *allowlistv1.Envelope, s suite, form form) *envelope {
	before := len(f.violations)
	blobs := f.blobs(path+".blobs", pb.GetBlobs(), s)
	template, field := "${"+defaultBlob+"}", path+".text"
	switch body := pb.GetBody().(type) {
	case *allowlistv1.Envelope_Text:
		template = body.Text
	case *allowlistv1.Envelope_Json:
		template, field = body.Json, path+".json"
		if form == formValue {
			f.add(field, "must be unset with selected fields")
			return nil
		}
	}
	literals, names, wrong := checkTemplate(template, form, blobs)
	if wrong != "" {
		f.add(field, wrong)
	}
	if len(f.violations) > before {
		return nil
	}
	e := &envelope{suite: s, blobs: inOrder(blobs, names)}
	if e.reader, wrong = newReader(template, literals, names, e.blobs, form); wrong != "" {
		f.add(field, wrong)
		return nil
	}
	e.literals = written(literals, form)
	return e
}

// blobs checks the blobs and the parts in them. Names are input, so that
// findings name the map only.
func (f *findings) blobs(path string, pb map[string]*allowlistv1.Blob, s suite) []blob {
	if len(pb) == 0 {
		slots := []allowlistv1.Part_Slot{allowlistv1.Part_SLOT_IV, allowlistv1.Part_SLOT_CIPHERTEXT}
		if s.tag > 0 {
			slots = append(slots, allowlistv1.Part_SLOT_TAG)
		}
		return []blob{{name: defaultBlob, slots: slots, codec: newCodec(allowlistv1.Encoding_ENCODING_BASE64)}}
	}
	if len(pb) > maxBlobs {
		f.add(path, "must hold at most 8 blobs")
	}
	var blobs []blob
	count := make(map[allowlistv1.Part_Slot]int)
	for _, name := range slices.Sorted(maps.Keys(pb)) {
		if !validBlobName(name) {
			f.add(path, "must have names of 1-32 of a-z, 0-9 and _, starting with a letter")
		}
		parts := pb[name].GetParts()
		if len(parts) == 0 || len(parts) > maxParts {
			f.add(path+".parts", "must hold 1-8 parts")
		}
		b := blob{name: name, codec: newCodec(pb[name].GetEncoding())}
		for _, part := range parts {
			b.slots = append(b.slots, part.GetSlot())
			count[part.GetSlot()]++
		}
		blobs = append(blobs, b)
	}
	f.slots(path, count, s)
	return blobs
}

// slots checks that each part of the result stands in exactly one place.
func (f *findings) slots(path string, count map[allowlistv1.Part_Slot]int, s suite) {
	if count[allowlistv1.Part_SLOT_UNSPECIFIED] > 0 {
		f.add(path+".parts.slot", "is required")
	}
	if count[allowlistv1.Part_SLOT_IV] != 1 || count[allowlistv1.Part_SLOT_CIPHERTEXT] != 1 {
		f.add(path, "must hold IV and CIPHERTEXT exactly once each")
	}
	switch tags := count[allowlistv1.Part_SLOT_TAG]; {
	case s.mode == modeGCM && tags != 1:
		f.add(path, "must hold TAG exactly once for GCM")
	case s.mode == modeCBC && tags != 0:
		f.add(path, "must not hold TAG for CBC, which has none")
	}
}

// checkTemplate splits a template and compares its placeholders with the blobs.
func checkTemplate(template string, form form, blobs []blob) (literals, names []string, wrong string) {
	if len(template) > maxTemplateBytes {
		return nil, nil, "must have at most 4,096 bytes"
	}
	if form == formJSON && !validJSON([]byte(template)) {
		return nil, nil, "must be JSON"
	}
	literals, names, ok := splitTemplate(template)
	if !ok {
		return nil, nil, "must have the form ${name} wherever ${ stands"
	}
	wanted := make([]string, len(blobs))
	for i := range blobs {
		wanted[i] = blobs[i].name
	}
	given := slices.Sorted(slices.Values(names))
	if !slices.Equal(given, wanted) { // which are sorted
		return nil, nil, "must hold each blob exactly once, as ${name}, and nothing that is no blob"
	}
	return literals, names, ""
}

// inOrder returns the blobs in the order of the names.
func inOrder(blobs []blob, names []string) []blob {
	ordered := make([]blob, len(names))
	for i, name := range names {
		ordered[i] = blobs[blobAt(blobs, name)]
	}
	return ordered
}

// newReader returns the reader of a checked template, or what is wrong with it.
func newReader(template string, literals, names []string, blobs []blob, form form) (reader, string) {
	if form == formJSON {
		r, wrong := newJSONReader(template, blobs)
		return r, wrong
	}
	p, wrong := newPattern(literals, names, blobs)
	switch {
	case wrong != "":
		return nil, wrong
	case form == formValue:
		return &valueReader{*p}, ""
	default:
		return newTextReader(p), ""
	}
}

// written returns the literals as they are written. Blobs need no escaping in
// JSON, whatever their encoding.
func written(literals []string, form form) [][]byte {
	out := make([][]byte, len(literals))
	for i, literal := range literals {
		out[i] = []byte(literal)
		if form == formValue {
			out[i] = appendEscaped(nil, out[i])
		}
	}
	if form == formValue {
		last := len(out) - 1
		out[0] = append([]byte{'"'}, out[0]...)
		out[last] = append(out[last], '"')
	}
	return out
}
