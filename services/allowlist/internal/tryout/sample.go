package tryout

import (
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/symmetric"
)

// The generated values. A value that ends in a time is long enough for all suffixes.
const (
	text  = "4111 1111 \"1111\" 1111 é"
	stamp = "2026-11-23T12:00:00.000000000Z, 2026-11-23T12:00:00.000000000Z, 2026-11-23T12:00:00.000000000Z"
	// whole is a multiple of all block lengths.
	whole = 32
	// maxList is the maximum length of a list that is created for an index.
	maxList = 1000
)

// SampleBody returns a body for a profile. It contains nothing of an endpoint except the names
// in its configuration, so that live keys may encrypt it. No body fits some profiles, such as
// one with two contradictory paths; for these, SampleBody returns one that is refused.
func SampleBody(pb *allowlistv1.Profile) []byte {
	p := describe.Of("", pb)
	selection := p.Selection()
	if selection.Part == describe.Form {
		values := url.Values{"other": {"a b&c"}}
		for _, name := range selection.Names {
			values.Set(name, formValue(p))
		}
		return []byte(values.Encode())
	}
	var document any = map[string]any{"amount": "10.50", "note": `Jörg "J" \ & Co`, "number": 4711, "list": []any{1, "two", nil}}
	for _, path := range selection.Paths {
		if selection.Part == describe.Object {
			document = put(document, path, inner(p))
		} else {
			document = put(document, path, field(p, selection.Strings))
		}
	}
	for path, value := range besides(p) {
		document = put(document, path, value)
	}
	body, err := json.Marshal(document)
	if err != nil {
		return nil
	}
	if selection.Part == describe.WholeBody {
		return inBlocks(p, body)
	}
	return body
}

// besides yields the paths of the signed values, and of the values that an IV or associated data
// are taken from, with sample values.
func besides(p *describe.Profile) iter.Seq2[string, string] {
	return func(yield func(path, value string) bool) {
		if p.Signing != nil {
			for _, piece := range strings.Split(p.Signing.Input, "${json:")[1:] {
				path, _, _ := strings.Cut(piece, "}")
				path, _, _ = strings.Cut(path, "|")
				if !yield(path, "signed") {
					return
				}
			}
		}
		if p.Cipher == nil {
			return
		}
		for _, path := range []string{p.Cipher.IV.Suffix, p.Cipher.AAD.Suffix} {
			if path != "" && !yield(path, stamp) {
				return
			}
		}
	}
}

// unpadded reports whether the plaintext must consist of whole blocks.
func unpadded(p *describe.Profile) bool {
	return p.Cipher != nil && p.Cipher.Suite.Blocks() && p.Cipher.Suite.Padding == symmetric.NoPadding
}

// inBlocks returns a document, followed by spaces up to whole blocks if the profile needs them.
func inBlocks(p *describe.Profile, body []byte) []byte {
	for unpadded(p) && len(body)%whole != 0 {
		body = append(body, ' ')
	}
	return body
}

func formValue(p *describe.Profile) string {
	return string(inBlocks(p, []byte(`{"amount":"10.50","to":"Jörg & Co"}`)))
}

// field returns the value of a selected field, which is encrypted with or without its quotes.
func field(p *describe.Profile, unquoted bool) string {
	switch {
	case !unpadded(p):
		return text
	case unquoted:
		return strings.Repeat("4", whole)
	default:
		return strings.Repeat("4", whole-len(`""`))
	}
}

// inner returns the selected object.
func inner(p *describe.Profile) map[string]any {
	if unpadded(p) {
		return map[string]any{"pan": strings.Repeat("4", whole-len(`{"pan":""}`))}
	}
	return map[string]any{"pan": "4111111111111111", "cvv": 123}
}

// put returns a document with a value at a path, and creates the objects and lists on the way.
// It replaces conflicting values.
func put(document any, at string, value any) any {
	path, ok := jsonbytes.ParsePath(at)
	if !ok {
		return document
	}
	return along(document, path.Steps(), value)
}

// along returns node with a value at the end of the steps.
func along(node any, steps []string, value any) any {
	if len(steps) == 0 {
		return value
	}
	step, rest := steps[0], steps[1:]
	index, err := strconv.Atoi(step)
	if step != "*" && err != nil {
		object, ok := node.(map[string]any)
		if !ok {
			object = make(map[string]any)
		}
		object[step] = along(object[step], rest, value)
		return object
	}
	list, _ := node.([]any)
	if step == "*" && len(list) == 0 {
		list = make([]any, 2)
	}
	for index >= len(list) && len(list) < maxList {
		list = append(list, nil)
	}
	for i := range list {
		if step == "*" || i == index {
			list[i] = along(list[i], rest, value)
		}
	}
	return list
}
