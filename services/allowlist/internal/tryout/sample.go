package tryout

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
	"github.com/keyward/keyward/services/allowlist/internal/payload/expression"
	"github.com/keyward/keyward/services/allowlist/internal/payload/jsonbytes"
	"github.com/keyward/keyward/services/allowlist/internal/payload/signature"
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
	selection, signed := p.Selection(), wanted(p)
	if selection.Part == describe.Form || signed.Form && selection.Part == describe.WholeBody {
		values := url.Values{"other": {"a b&c"}}
		for name, want := range signed.Fields {
			values.Set(name, textOf(want))
		}
		for _, name := range selection.Names {
			values.Set(name, formValue(p))
		}
		return inBlocks(p, []byte(values.Encode()))
	}
	var document any = map[string]any{"amount": "10.50", "note": `Jörg "J" \ & Co`, "number": 4711, "list": []any{1, "two", nil}}
	for _, path := range selection.Paths {
		if selection.Part == describe.Object {
			document = put(document, path, inner(p))
		} else {
			document = put(document, path, field(p, selection.ValueForm))
		}
	}
	document = with(document, signed.Paths)
	for path, value := range besides(p) {
		document = put(document, path, value)
	}
	for _, path := range nextToMembers(p) {
		document = along(document, path, "1")
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

// SampleContext returns the context of a made-up message of a profile: the query, and the strings
// and headers of the call that its signature takes.
func SampleContext(pb *allowlistv1.Profile) payload.Context {
	c := payload.Context{Query: "sample=1", Values: make(map[string]string), Headers: make(payload.Headers)}
	p := describe.Of("", pb)
	if p.Signing == nil {
		return c
	}
	for of, want := range p.Signing.Strings.Wants() {
		switch {
		case of.Kind == expression.Context:
			c.Values[of.Name] = textOf(want)
		case of.Kind == expression.Header:
			c.Headers[of.Name] = textOf(want)
		case of.Kind == expression.Plain && of.Name == "query" && want.Form:
			c.Query += "&" + textOf(want)
		}
	}
	return c
}

// wanted returns what the signature takes out of the body.
func wanted(p *describe.Profile) *expression.Want {
	all := expression.Want{Paths: make(map[string]*expression.Want), Fields: make(map[string]*expression.Want)}
	if p.Signing == nil {
		return &all
	}
	for of, want := range p.Signing.Strings.Wants() {
		if of.Kind == expression.Plain && (of.Name == "body" || of.Name == "plaintext") {
			all.Form = all.Form || want.Form
			maps.Copy(all.Paths, want.Paths)
			maps.Copy(all.Fields, want.Fields)
		}
	}
	return &all
}

// with returns a document with sample values at paths.
func with(document any, paths map[string]*expression.Want) any {
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		want := paths[path]
		var value any = textOf(want)
		if want.Object && want.Base64 == nil {
			value = with(map[string]any{"a": "signed"}, want.Paths)
		}
		document = put(document, path, value)
	}
	return document
}

// textOf returns a sample string.
func textOf(want *expression.Want) string {
	switch {
	case want.Base64 != nil:
		return base64.StdEncoding.EncodeToString([]byte(textOf(want.Base64)))
	case want.Hex != nil:
		return hex.EncodeToString([]byte(textOf(want.Hex)))
	case want.Form:
		values := make(url.Values)
		for name, want := range want.Fields {
			values.Set(name, textOf(want))
		}
		return values.Encode()
	case want.Object:
		text, _ := json.Marshal(with(map[string]any{"a": "signed"}, want.Paths)) // strings, lists, and maps
		return string(text)
	default:
		return "signed"
	}
}

// nextToMembers returns the steps to values next to the members that the signature adds inside the
// document, where it needs an object.
func nextToMembers(p *describe.Profile) (all [][]string) {
	if p.Signing == nil {
		return nil
	}
	for name := range p.Signing.BodyMembers {
		path, ok := signature.MemberPath(name)
		if steps := path.Steps(); ok && len(steps) > 1 {
			all = append(all, append(steps[:len(steps)-1:len(steps)-1], "version"))
		}
	}
	return all
}

// besides yields the paths of the values that an IV or associated data are taken from, with sample
// values.
func besides(p *describe.Profile) iter.Seq2[string, string] {
	return func(yield func(path, value string) bool) {
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
func field(p *describe.Profile, form allowlistv1.Fields_ValueForm) string {
	switch {
	case form == allowlistv1.Fields_VALUE_FORM_BASE64:
		return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfe}, whole))
	case form == allowlistv1.Fields_VALUE_FORM_HEX:
		return strings.Repeat("fe", whole)
	case !unpadded(p):
		return text
	case form == allowlistv1.Fields_VALUE_FORM_STRING:
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
