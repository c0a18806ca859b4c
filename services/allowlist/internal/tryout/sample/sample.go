// Package sample makes up bodies in which a profile finds what it selects and signs.
//
// A body holds nothing of an endpoint but the names that its configuration has, so that it
// can be encrypted with live keys.
package sample

import (
	"encoding/json"
	"net/url"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
)

// The values that are made up. What ends in a time is long enough for all suffixes.
const (
	text  = "4111 1111 \"1111\" 1111 é"
	stamp = "2026-11-23T12:00:00.000000000Z, 2026-11-23T12:00:00.000000000Z, 2026-11-23T12:00:00.000000000Z"
	// whole is a multiple of all block lengths.
	whole = 32
)

// Body returns a body for a profile. For some profiles there is none that fits, such as two
// paths that contradict each other; then it is one that is refused.
func Body(p *allowlistv1.Profile) []byte {
	if form := p.GetSelection().GetForm(); form != nil {
		values := url.Values{"other": {"a b&c"}}
		for _, name := range form.GetNames() {
			values.Set(name, formValue(p))
		}
		return []byte(values.Encode())
	}
	document := map[string]any{"amount": "10.50", "note": `Jörg "J" \ & Co`, "number": 4711, "list": []any{1, "two", nil}}
	for _, path := range p.GetSelection().GetFields().GetPaths() {
		put(document, path, field(p))
	}
	if object := p.GetSelection().GetObject(); object != nil {
		put(document, object.GetPath(), inner(p))
	}
	for _, piece := range strings.Split(p.GetSigning().GetInput(), "${json:")[1:] {
		path, _, _ := strings.Cut(piece, "}")
		path, _, _ = strings.Cut(path, "|")
		put(document, path, "signed")
	}
	for _, path := range []string{
		p.GetCipher().GetIv().GetFieldSuffix(), p.GetCipher().GetAad().GetFieldSuffix().GetPath(),
	} {
		if path != "" {
			put(document, path, stamp)
		}
	}
	body, err := json.Marshal(document)
	if err != nil {
		return nil
	}
	if p.GetSelection().GetPart() == nil || p.GetSelection().GetWholeBody() != nil {
		return filled(p, body)
	}
	return body
}

// unpadded reports whether what is encrypted has to be whole blocks.
func unpadded(p *allowlistv1.Profile) bool {
	return p.GetCipher().GetPadding() == allowlistv1.Cipher_PADDING_NONE
}

// filled returns a document with spaces behind it, up to whole blocks if it needs them.
func filled(p *allowlistv1.Profile, body []byte) []byte {
	for unpadded(p) && len(body)%whole != 0 {
		body = append(body, ' ')
	}
	return body
}

func formValue(p *allowlistv1.Profile) string {
	return string(filled(p, []byte(`{"amount":"10.50","to":"Jörg & Co"}`)))
}

// field returns the value of a selected field, which is encrypted with its quotes or without.
func field(p *allowlistv1.Profile) string {
	switch {
	case !unpadded(p):
		return text
	case p.GetSelection().GetFields().GetValueForm() == allowlistv1.Fields_VALUE_FORM_STRING:
		return strings.Repeat("4", whole)
	default:
		return strings.Repeat("4", whole-len(`""`))
	}
}

// inner returns the object that is selected.
func inner(p *allowlistv1.Profile) map[string]any {
	if unpadded(p) {
		return map[string]any{"pan": strings.Repeat("4", whole-len(`{"pan":""}`))}
	}
	return map[string]any{"pan": "4111111111111111", "cvv": 123}
}

// put puts a value at a path of a document, and objects and lists on the way to it.
func put(document map[string]any, at string, value any) {
	path, ok := jsonbytes.ParsePath(at)
	if !ok || len(path.Steps()) == 0 {
		return
	}
	steps := path.Steps()
	for i, step := range steps[:len(steps)-1] {
		if next := steps[i+1]; next == "*" || next == "0" {
			if i+2 == len(steps) {
				document[step] = []any{value, value}
				return
			}
			list := map[string]any{}
			put(list, "$"+joined(steps[i+2:]), value)
			document[step] = []any{list}
			return
		}
		inside, known := document[step].(map[string]any)
		if !known {
			inside = map[string]any{}
			document[step] = inside
		}
		document = inside
	}
	document[steps[len(steps)-1]] = value
}

func joined(steps []string) string {
	text := ""
	for _, step := range steps {
		text += "['" + step + "']"
	}
	return text
}
