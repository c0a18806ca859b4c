package literal_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/literal"
)

// unlooked holds the fields in which this package does not look for private keys.
var unlooked = []protoreflect.FullName{
	"keyward.allowlist.v1.SecretRef.name",               // refused as a reference
	"keyward.allowlist.v1.PresetUse.id",                 // must be the ID of a preset
	"keyward.allowlist.v1.LegacyAcknowledgement.fields", // must be the field of a violation
	"keyward.allowlist.v1.Endpoint.name",                // comes from the path of the request
	"keyward.allowlist.v1.Endpoint.etag",                // is not stored
}

// Every current and future string of an endpoint is examined: the test fills the strings of each
// message, one at a time, with a private key.
func TestEveryStringOfAnEndpointIsLookedAt(t *testing.T) {
	t.Parallel()
	seen := make(map[protoreflect.FullName]bool)
	var visit func(protoreflect.MessageDescriptor)
	strings := 0
	visit = func(m protoreflect.MessageDescriptor) {
		if seen[m.FullName()] || m.ParentFile().Package() != "keyward.allowlist.v1" {
			return
		}
		seen[m.FullName()] = true
		fields := m.Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			inner := field.Message()
			if field.IsMap() {
				inner = field.MapValue().Message()
			}
			if inner != nil {
				visit(inner)
			}
			if filled := fill(m, field); filled != nil {
				strings++
				if found := literal.Message("m", filled); (len(found) == 0) != slices.Contains(unlooked, field.FullName()) {
					t.Errorf("a private key in %s: %v", field.FullName(), found)
				}
			}
		}
	}
	visit((&allowlistv1.Endpoint{}).ProtoReflect().Descriptor())
	if strings < 40 {
		t.Errorf("only %d strings were tried", strings)
	}
}

// fill returns a message with a private key in one field, or nil if it takes no string.
func fill(m protoreflect.MessageDescriptor, field protoreflect.FieldDescriptor) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.FullName())
	if err != nil {
		return nil
	}
	filled := kind.New()
	text := protoreflect.ValueOfString(armor)
	switch {
	case field.IsMap() && field.MapValue().Kind() == protoreflect.StringKind:
		filled.Mutable(field).Map().Set(protoreflect.ValueOfString("a").MapKey(), text)
	case field.IsMap() || field.Kind() != protoreflect.StringKind:
		return nil
	case field.IsList():
		filled.Mutable(field).List().Append(text)
	default:
		filled.Set(field, text)
	}
	return filled.Interface()
}

func TestMatchesNameFieldsAndRepeatNothing(t *testing.T) {
	t.Parallel()
	encryption := &allowlistv1.Encryption{Request: &allowlistv1.Profile{
		Envelope: &allowlistv1.Envelope{
			Body:    &allowlistv1.Envelope_Json{Json: `{"apiKey":"` + hex64 + `"}`},
			Headers: map[string]string{"X-Password": "x", hex64: "y"},
		},
		AllowLegacy: []*allowlistv1.LegacyAcknowledgement{{Reason: "the key is " + hex64}},
	}}
	want := []literal.Match{
		{Field: "encryption.request.envelope.json", Kind: literal.Material},
		{Field: "encryption.request.envelope.headers", Kind: literal.Material},
		{Field: `encryption.request.envelope.headers["X-Password"]`, Kind: literal.Password},
		{Field: "encryption.request.allow_legacy[0].reason", Kind: literal.Material},
	}
	if got := literal.Message("encryption", encryption); !slices.Equal(got, want) {
		t.Errorf("Message = %v, want %v", got, want)
	}
	endpoint := &allowlistv1.Endpoint{
		Description: hex64, DisplayName: hex64, Labels: map[string]string{"token": "hint", "a": hex64[:40]},
		Headers: []*allowlistv1.Parameter{
			{Name: "X-Merchant", Source: &allowlistv1.Parameter_Value{Value: hex64}, PublicReason: proto.String("its thumbprint")},
			{Name: "X-Password", Source: &allowlistv1.Parameter_Value{Value: "x"}, PublicReason: proto.String("is not")},
		},
	}
	want = []literal.Match{
		{Field: "endpoint.description", Kind: literal.Material},
		{Field: `endpoint.labels["a"]`, Kind: literal.Material},
		{Field: "endpoint.headers[1].value", Kind: literal.Password},
	}
	if got := literal.Fields("endpoint", endpoint, []string{"description", "labels", "headers", "url"}); !slices.Equal(got, want) {
		t.Errorf("Fields = %v, want %v", got, want)
	}
}
