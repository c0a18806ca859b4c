package api

import (
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// placesOf returns for each secret that an endpoint refers to the path in the request
// where it does so first: as a key in its encryption, as a credential elsewhere.
func placesOf(pb *allowlistv1.Endpoint) endpoint.Places {
	places := endpoint.Places{Keys: make(map[string]string), Credentials: make(map[string]string)}
	collect(places.Keys, "endpoint.encryption", pb.GetEncryption().ProtoReflect())
	others := proto.CloneOf(pb)
	others.Encryption = nil
	collect(places.Credentials, "endpoint", others.ProtoReflect())
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
