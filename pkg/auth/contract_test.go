package auth_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/keyward/keyward/pkg/auth"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// register adds a service to the contract, of one method that takes a message with
// a name, some tags, a number and an inner message that has a name.
func register(t *testing.T, service string, change func(*descriptorpb.MethodDescriptorProto)) {
	t.Helper()
	field := func(name string, number int32, kind descriptorpb.FieldDescriptorProto_Type, label descriptorpb.FieldDescriptorProto_Label, message string) *descriptorpb.FieldDescriptorProto {
		f := &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: &label}
		if message != "" {
			f.TypeName = &message
		}
		return f
	}
	const (
		text     = descriptorpb.FieldDescriptorProto_TYPE_STRING
		number   = descriptorpb.FieldDescriptorProto_TYPE_INT32
		message  = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
		one      = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL
		repeated = descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	)
	pkg := "keyward.test." + strings.ToLower(service)
	request := "." + pkg + ".Request"
	method := &descriptorpb.MethodDescriptorProto{Name: proto.String("Do"), InputType: &request, OutputType: &request, Options: &descriptorpb.MethodOptions{}}
	change(method)
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name:    proto.String(pkg + ".proto"),
		Package: &pkg,
		Syntax:  proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Request"), Field: []*descriptorpb.FieldDescriptorProto{
			field("name", 1, text, one, ""),
			field("tags", 2, text, repeated, ""),
			field("number", 3, number, one, ""),
			field("inner", 4, message, one, request),
		}}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: &service, Method: []*descriptorpb.MethodDescriptorProto{method}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
}

func access(field string, roles ...accessv1.Role) func(*descriptorpb.MethodDescriptorProto) {
	return func(m *descriptorpb.MethodDescriptorProto) {
		proto.SetExtension(m.GetOptions(), accessv1.E_Access, &accessv1.Access{Roles: roles, WorkspaceField: field})
	}
}

func TestMethodsWithoutUsableAccessOptionStopTheStart(t *testing.T) {
	t.Parallel()
	const owner = accessv1.Role_ROLE_OWNER
	for _, tt := range []struct {
		service string
		change  func(*descriptorpb.MethodDescriptorProto)
		why     string
	}{
		{"HasNoOption", func(*descriptorpb.MethodDescriptorProto) {}, "no access option"},
		{"HasNoRole", access("name"), "names no role"},
		{"HasUnspecifiedRole", access("name", owner, accessv1.Role_ROLE_UNSPECIFIED), "unknown role"},
		{"HasInventedRole", access("name", owner, 99), "unknown role"},
		{"HasNoField", access("", owner), "no single field"},
		{"HasUnknownField", access("nome", owner), "no single field"},
		{"HasUnknownInnerField", access("inner.nome", owner), "no single field"},
		{"HasListField", access("tags", owner), "no single field"},
		{"HasNumberField", access("number", owner), "end at a string"},
		{"HasMessageField", access("inner", owner), "end at a string"},
		{"HasFieldBelowString", access("name.name", owner), "no message"},
		{"HasTrailingDot", access("name.", owner), "no message"},
		{"StreamsUp", func(m *descriptorpb.MethodDescriptorProto) {
			access("name", owner)(m)
			m.ClientStreaming = proto.Bool(true)
		}, "streams"},
		{"StreamsDown", func(m *descriptorpb.MethodDescriptorProto) {
			access("name", owner)(m)
			m.ServerStreaming = proto.Bool(true)
		}, "streams"},
	} {
		t.Run(tt.service, func(t *testing.T) {
			t.Parallel()
			register(t, tt.service, tt.change)
			full := "keyward.test." + strings.ToLower(tt.service) + "." + tt.service
			_, err := auth.NewGuard(map[string]grpc.ServiceInfo{full: {Methods: []grpc.MethodInfo{{Name: "Do"}}}})
			if err == nil || !strings.Contains(err.Error(), "/"+full+"/Do") || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("NewGuard = %v, want it to name the method and say %q", err, tt.why)
			}
		})
	}
}

func TestMethodsWithUsableAccessOption(t *testing.T) {
	t.Parallel()
	register(t, "IsFine", access("inner.inner.name", accessv1.Role_ROLE_OWNER))
	services := map[string]grpc.ServiceInfo{"keyward.test.isfine.IsFine": {Methods: []grpc.MethodInfo{{Name: "Do"}}}}
	if _, err := auth.NewGuard(services); err != nil {
		t.Errorf("NewGuard = %v", err)
	}
	for name, info := range map[string]grpc.MethodInfo{
		"a method the contract does not know": {Name: "Undo"},
		"a method that streams unlike it":     {Name: "Do", IsServerStream: true},
	} {
		services["keyward.test.isfine.IsFine"] = grpc.ServiceInfo{Methods: []grpc.MethodInfo{info}}
		if _, err := auth.NewGuard(services); err == nil {
			t.Errorf("NewGuard takes %s", name)
		}
	}
	if _, err := auth.NewGuard(map[string]grpc.ServiceInfo{"keyward.test.Nowhere": {Methods: []grpc.MethodInfo{{Name: "Do"}}}}); err == nil {
		t.Error("NewGuard takes a service the contract does not know")
	}
}
