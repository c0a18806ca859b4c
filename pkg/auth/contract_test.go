package auth_test

import (
	"crypto/rand"
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
// a name, some tags, a number and an inner message that has a name. It returns
// the full name of the service, which no other has.
func register(t *testing.T, change func(*descriptorpb.MethodDescriptorProto)) string {
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
	pkg := "keyward.test" + strings.ToLower(rand.Text())
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
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Service"), Method: []*descriptorpb.MethodDescriptorProto{method}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
	return pkg + ".Service"
}

func access(field string, roles ...accessv1.Role) func(*descriptorpb.MethodDescriptorProto) {
	return func(m *descriptorpb.MethodDescriptorProto) {
		proto.SetExtension(m.GetOptions(), accessv1.E_Access, &accessv1.Access{Roles: roles, WorkspaceField: field})
	}
}

// anyCaller admits any caller, and then says more.
func anyCaller(field string, roles ...accessv1.Role) func(*descriptorpb.MethodDescriptorProto) {
	return func(m *descriptorpb.MethodDescriptorProto) {
		proto.SetExtension(m.GetOptions(), accessv1.E_Access, &accessv1.Access{AnyCaller: true, Roles: roles, WorkspaceField: field})
	}
}

func TestMethodsWithoutUsableAccessOptionStopTheStart(t *testing.T) {
	t.Parallel()
	const owner = accessv1.Role_ROLE_OWNER
	for _, tt := range []struct {
		name   string
		change func(*descriptorpb.MethodDescriptorProto)
		why    string
	}{
		{"no option", func(*descriptorpb.MethodDescriptorProto) {}, "access option is missing"},
		{"no role", access("name"), "names no role"},
		{"an unspecified role", access("name", owner, accessv1.Role_ROLE_UNSPECIFIED), "unknown role"},
		{"an invented role", access("name", owner, 99), "unknown role"},
		{"any caller and a role", anyCaller("", owner), "any_caller"},
		{"any caller and a field", anyCaller("name"), "any_caller"},
		{"no field", access("", owner), "single field"},
		{"an unknown field", access("nome", owner), "single field"},
		{"an unknown inner field", access("inner.nome", owner), "single field"},
		{"a list for a field", access("tags", owner), "single field"},
		{"a number for a field", access("number", owner), "end at a string"},
		{"a message for a field", access("inner", owner), "end at a string"},
		{"a field below a string", access("name.name", owner), "not a message"},
		{"a dot at the end of the path", access("name.", owner), "not a message"},
		{"a stream of requests", func(m *descriptorpb.MethodDescriptorProto) {
			access("name", owner)(m)
			m.ClientStreaming = proto.Bool(true)
		}, "request streams"},
		{"a stream of responses that the server does not know for one", func(m *descriptorpb.MethodDescriptorProto) {
			access("name", owner)(m)
			m.ServerStreaming = proto.Bool(true)
		}, "streaming"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			full := register(t, tt.change)
			_, err := auth.NewGuard(map[string]grpc.ServiceInfo{full: {Methods: []grpc.MethodInfo{{Name: "Do"}}}})
			if err == nil || !strings.Contains(err.Error(), "/"+full+"/Do") || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("NewGuard = %v, want it to name the method and say %q", err, tt.why)
			}
		})
	}
}

func TestMethodsWithUsableAccessOption(t *testing.T) {
	t.Parallel()
	full := register(t, access("inner.inner.name", accessv1.Role_ROLE_OWNER))
	services := map[string]grpc.ServiceInfo{full: {Methods: []grpc.MethodInfo{{Name: "Do"}}}}
	if _, err := auth.NewGuard(services); err != nil {
		t.Errorf("NewGuard = %v", err)
	}
	for name, info := range map[string]grpc.MethodInfo{
		"a method the contract does not know": {Name: "Undo"},
		"a method that streams unlike it":     {Name: "Do", IsServerStream: true},
	} {
		services[full] = grpc.ServiceInfo{Methods: []grpc.MethodInfo{info}}
		if _, err := auth.NewGuard(services); err == nil {
			t.Errorf("NewGuard takes %s", name)
		}
	}
	if _, err := auth.NewGuard(map[string]grpc.ServiceInfo{"keyward.test.Nowhere": {Methods: []grpc.MethodInfo{{Name: "Do"}}}}); err == nil {
		t.Error("NewGuard takes a service the contract does not know")
	}
}
