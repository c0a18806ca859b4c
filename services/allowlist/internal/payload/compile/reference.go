package compile

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload/describe"
)

// root is the first element of the paths of a configuration's fields.
const root = describe.Root

// references checks all references.
func (f *Violations) references(pb *allowlistv1.Encryption) {
	describe.EachReference(pb, func(path string, ref *allowlistv1.SecretRef) {
		field := path + ".name"
		if ref.GetName() == "" {
			f.Add(field, "is required")
			return
		}
		workspace, _, ok := resource.Cut(ref.GetName(), "secrets")
		switch {
		case !ok:
			f.addDirectKey(field)
		case !f.Stored && workspace != f.Workspace:
			f.Add(field, "must be a secret of the endpoint's own workspace")
		}
	})
}

// known refuses fields and values that this version does not know. An ignored field could be the
// one that protects the message.
func (f *Violations) known(pb *allowlistv1.Encryption) {
	describe.Walk(root, pb.ProtoReflect(), func(path string, m protoreflect.Message) {
		if len(m.GetUnknown()) > 0 {
			f.Add(path, "must hold known fields only")
		}
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			if field.Enum() == nil || field.IsList() || field.IsMap() {
				continue
			}
			if field.Enum().Values().ByNumber(m.Get(field).Enum()) == nil {
				f.Add(path+"."+string(field.Name()), "must be a known value")
			}
		}
	})
}
