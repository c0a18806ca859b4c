package auth

import (
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

// A Guard admits a request only if its principal may call the method on the named resource. It
// knows the methods from the access options in the contract.
type Guard struct{ rules map[string]*Rule }

// A Rule is the access option of one method. Nil refuses all callers.
type Rule struct {
	// anyCaller admits every authenticated caller. All other fields are then empty.
	anyCaller bool
	roles     []accessv1.Role
	// path leads to the request field with the resource name.
	path []protoreflect.FieldDescriptor
}

// Open reports whether a method, in the form /service/method, is open to everyone, even without
// credentials: health checks for load balancers, and reflection, because the contract is public.
// These services are not part of the contract and have no access option.
func Open(fullMethod string) bool {
	service, _, _ := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	switch service {
	case "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection":
		return true
	}
	return false
}

// NewGuard reads the access options of all methods of the registered services, as returned by
// grpc.Server.GetServiceInfo. It fails if a method has no valid option, and lists all of them.
func NewGuard(services map[string]grpc.ServiceInfo) (*Guard, error) {
	g := &Guard{rules: make(map[string]*Rule)}
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

func readRule(service string, info grpc.MethodInfo) (*Rule, error) {
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, fmt.Errorf("find service: %w", err)
	}
	sd, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, errors.New("it is not a method of a service")
	}
	method := sd.Methods().ByName(protoreflect.Name(info.Name))
	if method == nil {
		return nil, errors.New("the method is not in the contract")
	}
	if info.IsClientStream || method.IsStreamingClient() {
		return nil, errors.New("request streams are not supported")
	}
	if info.IsServerStream != method.IsStreamingServer() {
		return nil, errors.New("the contract and the server disagree about streaming")
	}
	access, _ := proto.GetExtension(method.Options(), accessv1.E_Access).(*accessv1.Access)
	return newRule(access, method.Input())
}

// newRule parses the access option of a method with this request message.
func newRule(access *accessv1.Access, input protoreflect.MessageDescriptor) (*Rule, error) {
	if access.GetAnyCaller() {
		if len(access.GetRoles()) > 0 || access.GetWorkspaceField() != "" {
			return nil, errors.New("the access option combines any_caller with roles or a field")
		}
		return &Rule{anyCaller: true}, nil
	}
	if len(access.GetRoles()) == 0 {
		return nil, errors.New("the access option is missing or names no role")
	}
	for _, role := range access.GetRoles() {
		if _, known := accessv1.Role_name[int32(role)]; !known || role == accessv1.Role_ROLE_UNSPECIFIED {
			return nil, errors.New("the access option names an unknown role")
		}
	}
	path, err := fieldPath(input, access.GetWorkspaceField())
	if err != nil {
		return nil, fmt.Errorf("follow workspace_field: %w", err)
	}
	return &Rule{roles: access.GetRoles(), path: path}, nil
}

// fieldPath resolves a path such as `secret.name`, which must lead to a string.
func fieldPath(message protoreflect.MessageDescriptor, path string) ([]protoreflect.FieldDescriptor, error) {
	var fields []protoreflect.FieldDescriptor
	for step := range strings.SplitSeq(path, ".") {
		if message == nil {
			return nil, errors.New("the path continues below a field that is not a message")
		}
		field := message.Fields().ByName(protoreflect.Name(step))
		if field == nil || field.Cardinality() == protoreflect.Repeated {
			return nil, errors.New("the path does not name a single field of the request")
		}
		fields = append(fields, field)
		message = field.Message()
	}
	if fields[len(fields)-1].Kind() != protoreflect.StringKind {
		return nil, errors.New("the path does not end at a string")
	}
	return fields, nil
}

// Asks reports whether any method admits callers with the role.
func (g *Guard) Asks(role accessv1.Role) bool {
	for _, r := range g.rules {
		if slices.Contains(r.roles, role) {
			return true
		}
	}
	return false
}

// Rule returns the rule of a method in the form /service/method, or nil for an unknown or open one.
func (g *Guard) Rule(fullMethod string) *Rule { return g.rules[fullMethod] }

// A Resource is the resource that a request names.
type Resource struct {
	// Name is empty if the request names no resource.
	Name string
	target
}

// Workspace returns the ID of the workspace of the resource, or an empty string.
func (r Resource) Workspace() string { return r.workspace }

// WorkspaceName returns the name of the workspace of the resource, or an empty string.
func (r Resource) WorkspaceName() string {
	if r.Name == "" {
		return ""
	}
	return r.Name[:len(workspaces)+len(r.workspace)]
}

// Resource returns the resource that a request to the method names, if its name is well-formed.
func (r *Rule) Resource(request any) Resource {
	message, ok := request.(proto.Message)
	if r == nil || !ok {
		return Resource{}
	}
	name := r.name(message)
	t, ok := parseTarget(name)
	if !ok {
		return Resource{}
	}
	return Resource{name, t}
}

// Admit refuses a principal that may not call the method on the resource.
func (r *Rule) Admit(p *Principal, on Resource) error {
	if r == nil || !r.admits(p, on) {
		return p.denied()
	}
	return nil
}

// admits reports whether the principal may call the method on a resource. The policy remembers the
// decisions for callers with many grants.
func (r *Rule) admits(p *Principal, on Resource) bool {
	switch {
	case r.anyCaller:
		return p.Subject != ""
	case p.policy == nil || len(p.Grants) <= fewGrants:
		return r.decide(p.Grants, on)
	}
	return p.policy.admits(r, p.standing, on)
}

// decide decides whether one of the grants admits to the method on a resource.
func (r *Rule) decide(grants []Grant, on Resource) bool {
	return slices.ContainsFunc(grants, func(g Grant) bool {
		if !slices.Contains(r.roles, g.Role) {
			return false
		}
		// A super admin owns all workspaces, so the name in the request does not matter, even if it
		// is invalid: the handler reports the error.
		if g.Role == accessv1.Role_ROLE_SUPER_ADMIN && g.Workspace == Everywhere {
			return true
		}
		return on.Name != "" && g.covers(on.target)
	})
}

// name returns the resource name in the request, or an empty string.
func (r *Rule) name(message proto.Message) string {
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

// covers reports whether the grant covers the named resource. A grant for certain endpoints also
// covers resources that are not endpoints: a method that names only the workspace limits its
// response itself.
func (g Grant) covers(t target) bool {
	if g.Workspace != t.workspace && g.Workspace != Everywhere {
		return false
	}
	return len(g.Endpoints) == 0 || t.endpoint == "" || slices.Contains(g.Endpoints, t.endpoint)
}

// denied returns the error for an unauthorized request of the principal.
func (p *Principal) denied() *fault.Error {
	if p.Overage {
		return deniedByOverage()
	}
	return denied()
}

// denied is the uniform error for unauthorized requests. It does not distinguish an insufficient
// role from a workspace that does not exist.
func denied() *fault.Error {
	return fault.New(fault.PermissionDenied, fault.Denied, "permission denied")
}
