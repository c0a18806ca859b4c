package server

import (
	"errors"
	"math"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestMessagesWithRules(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		message proto.Message
		want    bool
	}{
		{"no rule", &vaultv1.GetSecretRequest{}, false},
		{"a rule for a field", &vaultv1.ResolveSecretRequest{}, true},
		{"a rule in a message below", &vaultv1.UpdateSecretRequest{}, true},
		{"a rule for the items of a list", &allowlistv1.CreateEndpointRequest{}, true},
	} {
		if got := hasRules(tt.message.ProtoReflect().Descriptor(), make(map[protoreflect.FullName]bool)); got != tt.want {
			t.Errorf("%s: hasRules(%T) = %v, want %v", tt.name, tt.message, got, tt.want)
		}
	}
}

// A message whose validation is skipped would always be valid. Rules that the walk overlooks would
// show in messages full of input that no rule of the contract allows.
func TestSkippedMessagesAreAlwaysValid(t *testing.T) {
	t.Parallel()
	var skipped int
	for _, file := range []protoreflect.FileDescriptor{vaultv1.File_keyward_vault_v1_service_proto, allowlistv1.File_keyward_allowlist_v1_service_proto} {
		for i := range file.Messages().Len() {
			message := file.Messages().Get(i)
			if hasRules(message, make(map[protoreflect.FullName]bool)) {
				continue
			}
			skipped++
			for _, filled := range []proto.Message{empty(message), full(message, 4)} {
				err := protovalidate.Validate(filled)
				if wrong := new(protovalidate.ValidationError); errors.As(err, &wrong) {
					t.Errorf("%s has rules: %v", message.FullName(), err)
				}
			}
		}
	}
	if skipped == 0 {
		t.Error("no message is skipped")
	}
}

func empty(d protoreflect.MessageDescriptor) proto.Message { return dynamicpb.NewMessage(d) }

// full returns a message with extreme values in all fields, down to a depth.
func full(d protoreflect.MessageDescriptor, depth int) proto.Message {
	m := dynamicpb.NewMessage(d)
	for i := range d.Fields().Len() {
		switch f := d.Fields().Get(i); {
		case f.IsMap():
			if f.MapKey().Kind() == protoreflect.StringKind && f.MapValue().Kind() == protoreflect.StringKind {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(extreme).MapKey(), protoreflect.ValueOfString(extreme))
			}
		case f.Message() != nil && depth == 0:
		case f.IsList() && f.Message() != nil:
			m.Mutable(f).List().Append(protoreflect.ValueOfMessage(full(f.Message(), depth-1).ProtoReflect()))
		case f.IsList():
			m.Mutable(f).List().Append(value(f))
		case f.Message() != nil:
			m.Set(f, protoreflect.ValueOfMessage(full(f.Message(), depth-1).ProtoReflect()))
		default:
			m.Set(f, value(f))
		}
	}
	return m
}

var extreme = strings.Repeat("\n", 1<<17)

func value(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(extreme)
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(extreme))
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(-1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(math.MinInt32)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(math.MinInt64)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(math.MaxUint32)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(math.MaxUint64)
	default:
		return f.Default()
	}
}
