package payload

import (
	"cmp"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// root is what the fields of a configuration are named from.
const root = "encryption"

// walk visits a message and all messages inside it, in the order of the proto.
// References are found by their type, so that one which a later version of the
// configuration adds cannot be forgotten.
func walk(path string, m protoreflect.Message, visit func(path string, m protoreflect.Message)) {
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
				walk(violation.Entry(at, key.String()), value.Map().Get(key).Message(), visit)
			}
		case field.Message() == nil:
		case field.IsList():
			for j := range value.List().Len() {
				walk(fmt.Sprintf("%s[%d]", at, j), value.List().Get(j).Message(), visit)
			}
		default:
			walk(at, value.Message(), visit)
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

// EachReference visits all references of a configuration, each with the path of its field from
// `encryption` on.
func EachReference(pb *allowlistv1.Encryption, visit func(path string, ref *allowlistv1.SecretRef)) {
	walk(root, pb.ProtoReflect(), func(path string, m protoreflect.Message) {
		if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
			visit(path, ref)
		}
	})
}

// references checks all references.
func (f *findings) references(pb *allowlistv1.Encryption) {
	EachReference(pb, func(path string, ref *allowlistv1.SecretRef) {
		field := path + ".name"
		if ref.GetName() == "" {
			f.add(field, "is required")
			return
		}
		workspace, _, ok := resource.Cut(ref.GetName(), "secrets")
		switch {
		case !ok:
			f.addDirectKey(field)
		case !f.stored && workspace != f.workspace:
			f.add(field, "must be a secret of the endpoint's own workspace")
		}
	})
}

// known refuses what this version does not know. A field that is ignored could
// be the one that was to protect the message.
func (f *findings) known(pb *allowlistv1.Encryption) {
	walk(root, pb.ProtoReflect(), func(path string, m protoreflect.Message) {
		if len(m.GetUnknown()) > 0 {
			f.add(path, "must hold known fields only")
		}
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			if field.Enum() == nil || field.IsList() || field.IsMap() {
				continue
			}
			if field.Enum().Values().ByNumber(m.Get(field).Enum()) == nil {
				f.add(path+"."+string(field.Name()), "must be a known value")
			}
		}
	})
}
