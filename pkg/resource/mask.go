package resource

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/fault"
)

// MaskedFields returns the fields that an update changes, each once: the fields of its mask or,
// for an empty mask, the fields that are set. All of them must be changeable.
//
// A path below a field with subfields, such as `labels.env`, means the whole field, because masks
// that are derived from a JSON body name leaves. The path must exist, except that a map may have
// any key; [MaskedKeys] returns the keys. `name` and `etag`, which identify the resource, are allowed and change nothing.
func MaskedFields(res proto.Message, mask *fieldmaskpb.FieldMask, changeable ...string) ([]string, error) {
	m := res.ProtoReflect()
	field := func(name string) protoreflect.FieldDescriptor {
		return m.Descriptor().Fields().ByName(protoreflect.Name(name))
	}
	if len(mask.GetPaths()) == 0 {
		return slices.DeleteFunc(slices.Clone(changeable), func(name string) bool { return !m.Has(field(name)) }), nil
	}
	var fields []string
	for _, path := range mask.GetPaths() {
		name, _, below := strings.Cut(path, ".")
		if !below && (name == "name" || name == "etag") {
			continue
		}
		if !slices.Contains(changeable, name) || !exists(m.Descriptor(), path) {
			return nil, fault.Field("update_mask", "must name only "+strings.Join(changeable, ", "))
		}
		if !slices.Contains(fields, name) {
			fields = append(fields, name)
		}
	}
	return fields, nil
}

// MaskedKeys returns the keys of a map field that a mask names, each once: `team` for `labels.team`. The
// rest of a path is the key, which may contain dots. It returns nil if the mask is empty or names the
// whole field.
func MaskedKeys(mask *fieldmaskpb.FieldMask, field string) (keys []string) {
	for _, path := range mask.GetPaths() {
		name, key, below := strings.Cut(path, ".")
		switch {
		case name != field:
		case !below:
			return nil
		case !slices.Contains(keys, key):
			keys = append(keys, key)
		}
	}
	return keys
}

// MergeKeys returns a map with the given keys changed to those of another one, and removed if that does
// not contain them. Without keys, it returns the other map.
func MergeKeys(before, changed map[string]string, keys []string) map[string]string {
	if len(keys) == 0 {
		return changed
	}
	merged := make(map[string]string, len(before)+len(keys))
	maps.Copy(merged, before)
	for _, key := range keys {
		delete(merged, key)
		if value, present := changed[key]; present {
			merged[key] = value
		}
	}
	return merged
}

// exists reports whether a message has a field at the path.
func exists(message protoreflect.MessageDescriptor, path string) bool {
	for {
		name, rest, below := strings.Cut(path, ".")
		field := message.Fields().ByName(protoreflect.Name(name))
		switch {
		case field == nil:
			return false
		case !below:
			return true
		case field.IsMap():
			return rest != ""
		case field.Message() == nil, field.IsList():
			return false
		}
		message, path = field.Message(), rest
	}
}
