package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/keyward/keyward/pkg/fault"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// A Guard lets a request pass to a method only if its principal may call the
// method there. It knows the methods by the access options of the contract.
type Guard struct{ rules map[string]rule }

// rule is the access option of one method.
type rule struct {
	// anyCaller admits whoever is authenticated. Then there is nothing else.
	anyCaller bool
	roles     []accessv1.Role
	// path leads to the field of the request that carries the resource name.
	path []protoreflect.FieldDescriptor
}

// Open reports whether a method, given as /service/method, is open to everyone,
// with credentials or without: load balancers ask for health, and what the
// contract says is no secret. These services are not ours and carry no option.
func Open(fullMethod string) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	switch service {
	case "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}

// NewGuard reads the access options of all methods of the services that are
// registered, as grpc.Server.GetServiceInfo returns them. It fails, naming all
// that it finds, when a method has no usable option.
func NewGuard(services map[string]grpc.ServiceInfo) (*Guard, error) {
	g := &Guard{rules: make(map[string]rule)}
	var errs []error
	for service, info := range services {
		for _, method := range info.Methods {
			full := "/" + service + "/" + method.Name
			if Open(full) {
				continue
			}
			r, err := readRule(service, method)
			if err != nil {
				errs = append(errs, fmt.Errorf("read access of %s: %w", full, err))
				continue
			}
			g.rules[full] = r
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return g, nil
}

func readRule(service string, info grpc.MethodInfo) (rule, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return rule{}, fmt.Errorf("find service: %w", err)
	}
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return rule{}, errors.New("it is not a method of a service")
	}
	method := sd.Methods().ByName(protoreflect.Name(info.Name))
	if method == nil {
		return rule{}, errors.New("the contract does not know the method")
	}
	if info.IsClientStream || method.IsStreamingClient() {
		return rule{}, errors.New("access of streams of requests cannot be checked")
	}
	if info.IsServerStream != method.IsStreamingServer() {
		return rule{}, errors.New("the contract does not say that it streams, or says that it does")
	}
	access, _ := proto.GetExtension(method.Options(), accessv1.E_Access).(*accessv1.Access)
	return newRule(access, method.Input())
}

// newRule reads an access option of a method that takes the message.
func newRule(access *accessv1.Access, input protoreflect.MessageDescriptor) (rule, error) {
	if access.GetAnyCaller() {
		if len(access.GetRoles()) > 0 || access.GetWorkspaceField() != "" {
			return rule{}, errors.New("the access option admits any caller and yet names roles or a field")
		}
		return rule{anyCaller: true}, nil
	}
	if len(access.GetRoles()) == 0 {
		return rule{}, errors.New("there is no access option, or it names no role")
	}
	for _, role := range access.GetRoles() {
		if _, known := accessv1.Role_name[int32(role)]; !known || role == accessv1.Role_ROLE_UNSPECIFIED {
			return rule{}, errors.New("the access option names an unknown role")
		}
	}
	path, err := fieldPath(input, access.GetWorkspaceField())
	if err != nil {
		return rule{}, fmt.Errorf("follow workspace_field: %w", err)
	}
	return rule{roles: access.GetRoles(), path: path}, nil
}

// fieldPath finds the fields of a path such as `secret.name`, which must end at a string.
func fieldPath(message protoreflect.MessageDescriptor, path string) ([]protoreflect.FieldDescriptor, error) {
	var fields []protoreflect.FieldDescriptor
	for step := range strings.SplitSeq(path, ".") {
		if message == nil {
			return nil, errors.New("it goes on below a field that is no message")
		}
		field := message.Fields().ByName(protoreflect.Name(step))
		if field == nil || field.Cardinality() == protoreflect.Repeated {
			return nil, errors.New("it names no single field of the request")
		}
		fields = append(fields, field)
		message = field.Message()
	}
	if fields[len(fields)-1].Kind() != protoreflect.StringKind {
		return nil, errors.New("it does not end at a string")
	}
	return fields, nil
}

// Asks reports whether any method admits callers of the role.
func (g *Guard) Asks(role accessv1.Role) bool {
	for _, r := range g.rules {
		if slices.Contains(r.roles, role) {
			return true
		}
	}
	return false
}

// Unary is the interceptor that refuses what the principal of the request may
// not do. It comes after [Authenticator.Unary].
func (g *Guard) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if p := FromContext(ctx); !g.admits(p, info.FullMethod, req) {
		return nil, p.denied()
	}
	return handler(ctx, req)
}

// admits reports whether the principal may send the request to the method. What
// it does not know, it does not admit.
func (g *Guard) admits(p Principal, method string, req any) bool {
	if Open(method) {
		return true
	}
	r, known := g.rules[method]
	message, ok := req.(proto.Message)
	return known && ok && r.admits(p, r.name(message))
}

// admits reports whether the principal may call the method on what a name says.
func (r rule) admits(p Principal, name string) bool {
	if r.anyCaller {
		return p.Subject != ""
	}
	// All workspaces are a super admin's, so that it does not matter which the
	// request means, or whether it means one: the handler says what is wrong with it.
	if p.SuperAdmin() && slices.Contains(r.roles, accessv1.Role_ROLE_SUPER_ADMIN) {
		return true
	}
	t, ok := parseTarget(name)
	return ok && slices.ContainsFunc(p.Grants, func(g Grant) bool {
		return slices.Contains(r.roles, g.Role) && g.covers(t)
	})
}

// Workspace returns the workspace that a request to the method is for, or nothing.
func (g *Guard) Workspace(method string, req any) string {
	message, ok := req.(proto.Message)
	if !ok {
		return ""
	}
	t, ok := parseTarget(g.rules[method].name(message))
	if !ok {
		return ""
	}
	return t.workspace
}

// name returns the resource name that the request carries, or nothing.
func (r rule) name(message proto.Message) string {
	if len(r.path) == 0 {
		return ""
	}
	m := message.ProtoReflect()
	last := len(r.path) - 1
	for _, field := range r.path[:last] {
		m = m.Get(field).Message()
	}
	return m.Get(r.path[last]).String()
}

// covers reports whether the grant reaches to what the request names. One that is
// narrowed to endpoints also reaches to what is no endpoint: a method that names the
// workspace alone narrows its answer itself.
func (g Grant) covers(t target) bool {
	if g.Workspace != t.workspace && g.Workspace != Everywhere {
		return false
	}
	return len(g.Endpoints) == 0 || t.endpoint == "" || slices.Contains(g.Endpoints, t.endpoint)
}

// denied is the answer to what the principal may not do.
func (p Principal) denied() *fault.Error {
	if p.Overage {
		return deniedByOverage()
	}
	return denied()
}

// denied is the one answer to all that may not be done: it does not tell a role
// that is too low from a workspace that does not exist.
func denied() *fault.Error {
	return fault.New(fault.PermissionDenied, fault.Denied, "the caller may not do this")
}
