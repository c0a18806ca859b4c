package describe

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// Root is the first element of the paths of a configuration's fields.
const Root = "encryption"

// Walk visits a message and all messages inside it, in the order of the proto. References are
// found by their type, so that a reference that a later version of the configuration adds cannot
// be forgotten.
func Walk(path string, m protoreflect.Message, visit func(path string, m protoreflect.Message)) {
	visit(path, m)
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if !m.Has(field) {
			continue
		}
		at, value := path+"."+string(field.Name()), m.Get(field)
		switch {
		case field.IsMap():
			if field.MapValue().Message() == nil {
				continue
			}
			for _, key := range sortedKeys(value.Map()) {
				Walk(violation.Entry(at, key.String()), value.Map().Get(key).Message(), visit)
			}
		case field.Message() == nil:
		case field.IsList():
			for j := range value.List().Len() {
				Walk(fmt.Sprintf("%s[%d]", at, j), value.List().Get(j).Message(), visit)
			}
		default:
			Walk(at, value.Message(), visit)
		}
	}
}

func sortedKeys(m protoreflect.Map) []protoreflect.MapKey {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(key protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, key)
		return true
	})
	slices.SortFunc(keys, func(a, b protoreflect.MapKey) int { return cmp.Compare(a.String(), b.String()) })
	return keys
}

// EachReference visits all references of a configuration, each with the path of its field, which
// starts at `encryption`.
func EachReference(pb *allowlistv1.Encryption, visit func(path string, ref *allowlistv1.SecretRef)) {
	Walk(Root, pb.ProtoReflect(), func(path string, m protoreflect.Message) {
		if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
			visit(path, ref)
		}
	})
}
