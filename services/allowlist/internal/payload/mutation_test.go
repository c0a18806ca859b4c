package payload_test

import (
	"crypto/rand"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// If any single field of a valid configuration is changed, Parse reports what is wrong, or the
// accepted configuration works: it encrypts and decrypts, or refuses with a reason.
func TestEveryFieldMayBeChanged(t *testing.T) {
	t.Parallel()
	s := newSafe(t).with("key3", keyA[:48])
	accepted, tried := 0, 0
	for _, profile := range append(exposures(), mac, sharedEVP+salted, gcm+twoFields+mac) {
		pb := message(t, "request { "+profile+" }")
		eachMutation(pb, func(field string) {
			tried++
			mutated := proto.CloneOf(pb)
			mutated.GetRequest().AllowLegacy = nil
			payload.Acknowledge(mutated.GetRequest(), "x", timestamppb.New(now.AddDate(1, 0, 0)))
			c, err := payload.Parse(mutated, "acme", now)
			if err != nil {
				if _, ok := fault.From(err); !ok {
					t.Errorf("%s: Parse: %v, which is not a fault", field, err)
				}
				return
			}
			accepted++
			works(t, s, c.Pipeline(payload.Request), field)
		})
	}
	if accepted < 300 || tried < 2*accepted {
		t.Errorf("of %d configurations %d were accepted", tried, accepted)
	}
}

// works fails unless a body decrypts again, or is refused with a reason.
func works(t *testing.T, s safe, p *payload.Pipeline, field string) {
	t.Helper()
	body := `{"a":"0123456789","b":"x"}`
	in := payload.Input{Nonces: payload.Uncounted, Now: now.AddDate(0, 0, 1), Random: rand.Reader, Keys: s.keys(t, p.EncryptReferences()), Body: []byte(body)}
	sent, err := p.Encrypt(in)
	if err == nil {
		in.Keys, in.Body, in.Headers = s.keys(t, p.DecryptReferences()), sent.Body, came(sent.Headers)
		var opened payload.Output
		if opened, err = p.Decrypt(in); err == nil && len(opened.Body) < len(body) {
			t.Errorf("%s: Decrypt(Encrypt) = %s", field, opened.Body)
		}
	}
	if err == nil {
		return
	}
	if f, ok := fault.From(err); !ok || f.Reason == payload.DecryptionFailed || f.Reason == payload.SignatureInvalid {
		t.Errorf("%s: %v at stage %q", field, err, payload.Stage(err))
	}
}

// eachMutation changes one scalar after another below a message, calls visit, and restores it.
func eachMutation(pb *allowlistv1.Encryption, visit func(field string)) {
	var below func(path string, m protoreflect.Message)
	below = func(path string, m protoreflect.Message) {
		fields := m.Descriptor().Fields()
		for i := range fields.Len() {
			field := fields.Get(i)
			at := path + "." + string(field.Name())
			switch {
			case field.IsMap():
				if field.MapValue().Message() != nil {
					m.Get(field).Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { below(at, v.Message()); return true })
				}
			case field.IsList():
				for j := range m.Get(field).List().Len() {
					if field.Message() == nil {
						break
					}
					below(at, m.Get(field).List().Get(j).Message())
				}
				mutate(at, m, field, []protoreflect.Value{m.NewField(field)}, visit)
			case field.Message() != nil:
				if m.Has(field) {
					below(at, m.Get(field).Message())
					mutate(at, m, field, []protoreflect.Value{m.NewField(field)}, visit)
				}
			default:
				mutate(at, m, field, others(field), visit)
			}
		}
	}
	below("request", pb.GetRequest().ProtoReflect())
}

func mutate(at string, m protoreflect.Message, field protoreflect.FieldDescriptor, values []protoreflect.Value, visit func(string)) {
	had, before := m.Has(field), m.Get(field)
	if one := field.ContainingOneof(); !had && one != nil && m.WhichOneof(one) != nil {
		return // it would replace the other one, which is a separate mutation
	}
	for _, value := range values {
		m.Set(field, value)
		visit(fmt.Sprintf("%s = %v", at, value))
	}
	if had {
		m.Set(field, before)
	} else {
		m.Clear(field)
	}
}

// others returns other values for a scalar field.
func others(field protoreflect.FieldDescriptor) []protoreflect.Value {
	var values []protoreflect.Value
	switch field.Kind() {
	case protoreflect.EnumKind:
		for i := range field.Enum().Values().Len() {
			values = append(values, protoreflect.ValueOfEnum(field.Enum().Values().Get(i).Number()))
		}
		values = append(values, protoreflect.ValueOfEnum(99), protoreflect.ValueOfEnum(-1))
	case protoreflect.Uint32Kind:
		for _, n := range []uint32{0, 1, 8, 12, 16, 32, 64, 1 << 31} {
			values = append(values, protoreflect.ValueOfUint32(n))
		}
	case protoreflect.BoolKind:
		values = append(values, protoreflect.ValueOfBool(true), protoreflect.ValueOfBool(false))
	case protoreflect.StringKind:
		for _, text := range []string{"", "x", "${", "$.a", "${data}", "workspaces/acme/secrets/a"} {
			values = append(values, protoreflect.ValueOfString(text))
		}
	}
	return values
}
