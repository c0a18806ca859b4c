package api

import (
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// placesOf returns for each version of a secret that an endpoint refers to the path in
// the request where it does so first: in its encryption, and as a credential elsewhere.
func placesOf(pb *allowlistv1.Endpoint) endpoint.Places {
	places := endpoint.Places{Keys: make(map[endpoint.Credential]string), Credentials: make(map[endpoint.Credential]string)}
	collect(places.Keys, "endpoint.encryption", pb.GetEncryption().ProtoReflect())
	others := proto.CloneOf(pb)
	others.Encryption = nil
	collect(places.Credentials, "endpoint", others.ProtoReflect())
	return places
}

func collect(places map[endpoint.Credential]string, path string, m protoreflect.Message) {
	if ref, ok := m.Interface().(*allowlistv1.SecretRef); ok {
		referred := endpoint.Credential{Secret: ref.GetName(), Version: ref.GetVersion()}
		if _, known := places[referred]; !known {
			places[referred] = path + ".name"
		}
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		below := path + "." + string(field.Name())
		switch {
		case field.Message() == nil || !m.Has(field):
		case field.IsMap():
			if field.MapValue().Message() == nil {
				continue
			}
			m.Get(field).Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool {
				collect(places, below, value.Message()) // the key is input: it stays out of the path
				return true
			})
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
