package literal

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// A rule says how the strings of a field are examined, if not with [Text].
type rule int

const (
	asText rule = iota
	asProse
	asItIs // checked elsewhere
	// asExpression examines the strings and names in an expression, not the expression.
	asExpression
)

// rules holds the rules of fields that are not examined with [Text], by their full name. All other
// fields are, including those that later versions add.
var rules = map[protoreflect.FullName]rule{
	// References and IDs, which must name existing resources.
	"keyward.allowlist.v1.SecretRef.name": asItIs,
	"keyward.allowlist.v1.PresetUse.id":   asItIs,
	"keyward.allowlist.v1.Endpoint.name":  asItIs,
	"keyward.allowlist.v1.Endpoint.etag":  asItIs,
	// Paths of other fields, which must be paths of violations.
	"keyward.allowlist.v1.LegacyAcknowledgement.fields": asItIs,
	// Expressions.
	"keyward.allowlist.v1.Signing.input_expression": asExpression,
	"keyward.allowlist.v1.Signing.values":           asExpression,
	"keyward.allowlist.v1.Signing.claims":           asExpression,
	// Prose.
	"keyward.allowlist.v1.Endpoint.display_name":        asProse,
	"keyward.allowlist.v1.Endpoint.description":         asProse,
	"keyward.allowlist.v1.Endpoint.labels":              asProse,
	"keyward.allowlist.v1.Endpoint.url_public_reason":   asProse,
	"keyward.allowlist.v1.Parameter.public_reason":      asProse,
	"keyward.allowlist.v1.LegacyAcknowledgement.reason": asProse,
	"keyward.allowlist.v1.PresetUse.legacy_reason":      asProse,
}

// parameter is the message with a name that describes its value.
const parameter protoreflect.FullName = "keyward.allowlist.v1.Parameter"

// Message examines every string of a message and of the messages in it, in the order of the proto.
// Path is the path of the message.
func Message(path string, m proto.Message) []Match {
	var w walker
	w.message(path, m.ProtoReflect())
	return w.found
}

// Fields is [Message] for the named fields of a message only.
func Fields(path string, m proto.Message, names []string) []Match {
	var w walker
	r := m.ProtoReflect()
	for _, name := range names {
		if field := r.Descriptor().Fields().ByName(protoreflect.Name(name)); field != nil && r.Has(field) {
			w.field(path+"."+name, field, r.Get(field))
		}
	}
	return w.found
}

type walker struct{ found []Match }

func (w *walker) add(path string, kind Kind) {
	if kind != None && !slices.Contains(w.found, Match{path, kind}) {
		w.found = append(w.found, Match{path, kind})
	}
}

func (w *walker) message(path string, m protoreflect.Message) {
	if m.Descriptor().FullName() == parameter {
		w.parameter(path, m)
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if field := fields.Get(i); m.Has(field) {
			w.field(path+"."+string(field.Name()), field, m.Get(field))
		}
	}
}

func (w *walker) field(path string, field protoreflect.FieldDescriptor, value protoreflect.Value) {
	switch {
	case field.IsMap():
		w.entries(path, field, value.Map())
	case field.IsList():
		for i := range value.List().Len() {
			w.value(fmt.Sprintf("%s[%d]", path, i), field, value.List().Get(i))
		}
	default:
		w.value(path, field, value)
	}
}

func (w *walker) value(path string, field protoreflect.FieldDescriptor, value protoreflect.Value) {
	switch field.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		w.message(path, value.Message())
	case protoreflect.StringKind:
		w.add(path, rules[field.FullName()].classify(value.String()))
	case protoreflect.BytesKind:
		w.add(path, rules[field.FullName()].classify(string(value.Bytes())))
	}
}

func (r rule) classify(text string) Kind {
	switch r {
	case asItIs:
		return None
	case asProse:
		return Prose(text)
	case asExpression:
		return Expression(text)
	default:
		return Text(text)
	}
}

// entries examines a map. A string in it has its key as its name, like a parameter, unless it is
// prose.
func (w *walker) entries(path string, field protoreflect.FieldDescriptor, entries protoreflect.Map) {
	texts := make(map[string]protoreflect.Value, entries.Len())
	entries.Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
		texts[key.String()] = value
		return true
	})
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		at := violation.Entry(path, key)
		switch {
		case field.MapValue().Kind() != protoreflect.StringKind:
			w.add(at, Text(key))
			w.value(at, field.MapValue(), texts[key])
		case rules[field.FullName()] == asProse:
			w.add(at, worst(Prose(key), Prose(texts[key].String())))
		case rules[field.FullName()] == asExpression:
			w.add(at, worst(Text(key), Expression(texts[key].String())))
		default:
			w.add(at, Parameter(key, texts[key].String()))
		}
	}
}

// parameter examines a header or query parameter. A parameter that refers to a secret has no
// value.
func (w *walker) parameter(path string, m protoreflect.Message) {
	text := func(field protoreflect.Name) string { return m.Get(m.Descriptor().Fields().ByName(field)).String() }
	w.add(path+".public_reason", Prose(text("public_reason")))
	kind := Parameter(text("name"), text("value"))
	if text("public_reason") != "" && kind.Public() {
		return
	}
	w.add(path+".value", kind)
}
