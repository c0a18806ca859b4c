package api

import (
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// placesOf returns for each secret that an encryption refers to the path in the
// request where it does so first.
func placesOf(pb *allowlistv1.Encryption) map[string]string {
	places := make(map[string]string)
	collect(places, "endpoint.encryption", pb.ProtoReflect())
	return places
}

func collect(places map[string]string, path string, m protoreflect.Message) {
	if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
		if _, known := places[ref.GetName()]; !known {
			places[ref.GetName()] = path + ".name"
		}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		below := path + "." + string(field.Name())
		switch {
		case field.Message() == nil || field.IsMap() || !m.Has(field):
		case field.IsList():
			list := m.Get(field).List()
			for n := range list.Len() {
				collect(places, below+"["+strconv.Itoa(n)+"]", list.Get(n).Message())
			}
		default:
			collect(places, below, m.Get(field).Message())
		}
	}
}
