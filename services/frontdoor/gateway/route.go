package gateway

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// wholeBody in a binding means that the body is the whole request.
const wholeBody = "*"

// The message types that a query parameter can have.
const (
	fieldMask = "google.protobuf.FieldMask"
	timestamp = "google.protobuf.Timestamp"
)

// A routeKey identifies a binding: an HTTP method and a pattern in the mux's spelling.
type routeKey struct{ method, pattern string }

// A route is one HTTP binding of a method and the fields that its requests may have.
type route struct {
	key routeKey
	// rpc is the full name of the method.
	rpc string
	// input is the type of the method's request message.
	input protoreflect.MessageType
	// takesBody reports whether requests have a body. The body is the field body or, if that is nil,
	// the whole request.
	takesBody bool
	body      protoreflect.FieldDescriptor
	// params are the fields that the query may set, by both of their names.
	params map[string]protoreflect.FieldDescriptor
	// inBody are the fields of the body that the path sets, by path variable.
	inBody map[string]protoreflect.FieldDescriptor
}

// routesOf reads the bindings of a service from its google.api.http options.
func routesOf(service protoreflect.ServiceDescriptor) ([]*route, error) {
	var routes []*route
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok || rule == nil {
			continue // gRPC only
		}
		for _, rule := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			rt, err := newRoute(method, rule)
			if err != nil {
				return nil, fmt.Errorf("bind %s: %w", method.FullName(), err)
			}
			routes = append(routes, rt)
		}
	}
	return routes, nil
}

func newRoute(method protoreflect.MethodDescriptor, rule *annotations.HttpRule) (*route, error) {
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, fmt.Errorf("streams have no binding")
	}
	key, err := keyOf(rule)
	if err != nil {
		return nil, err
	}
	input, err := protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName())
	if err != nil {
		return nil, fmt.Errorf("find request message: %w", err)
	}
	rt := &route{
		key: key, rpc: string(method.FullName()), input: input,
		takesBody: rule.GetBody() != "",
		params:    make(map[string]protoreflect.FieldDescriptor),
		inBody:    make(map[string]protoreflect.FieldDescriptor),
	}
	if rt.takesBody && rule.GetBody() != wholeBody {
		rt.body = method.Input().Fields().ByName(protoreflect.Name(rule.GetBody()))
		if rt.body == nil || rt.body.Message() == nil || rt.body.Cardinality() == protoreflect.Repeated {
			return nil, fmt.Errorf("the body is not a message field")
		}
	}
	rt.bindFields(method.Input())
	return rt, nil
}

// bindFields determines the fields that the path sets and those that remain for the query.
func (rt *route) bindFields(input protoreflect.MessageDescriptor) {
	taken := make(map[protoreflect.Name]bool)
	for _, variable := range variables.FindAllStringSubmatch(rt.key.pattern, -1) {
		first, rest, nested := strings.Cut(variable[1], ".")
		taken[protoreflect.Name(first)] = true
		in, name := input, first
		if rt.body != nil {
			if !nested || protoreflect.Name(first) != rt.body.Name() {
				continue
			}
			in, name = rt.body.Message(), rest
		}
		if fd := in.Fields().ByName(protoreflect.Name(name)); fd != nil && rt.takesBody {
			rt.inBody[variable[1]] = fd
		}
	}
	if rt.takesBody && rt.body == nil {
		return // all other fields are in the body
	}
	for i := range input.Fields().Len() {
		fd := input.Fields().Get(i)
		if fd == rt.body || taken[fd.Name()] || !queryable(fd) {
			continue
		}
		rt.params[string(fd.Name())] = fd
		rt.params[fd.JSONName()] = fd
	}
}

// queryable reports whether a query parameter can be checked before the generated code sees it. No
// binding needs other kinds: maps, floats, and fields of fields.
func queryable(fd protoreflect.FieldDescriptor) bool {
	switch fd.Kind() {
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.StringKind,
		protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return true
	case protoreflect.MessageKind:
		return (fd.Message().FullName() == fieldMask || isTime(fd)) && fd.Cardinality() != protoreflect.Repeated
	default:
		return false
	}
}

// paramNames lists the query parameters in their JSON spelling, in order.
func (rt *route) paramNames() []string {
	var names []string
	for _, fd := range rt.params {
		names = append(names, fd.JSONName())
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// newBody returns an empty message of the type of the body.
func (rt *route) newBody() proto.Message {
	m := rt.input.New()
	if rt.body == nil {
		return m.Interface()
	}
	return m.Mutable(rt.body).Message().Interface()
}

var (
	// variables finds the variables of a pattern in the mux's spelling.
	variables = regexp.MustCompile(`\{([^=}]+)=([^}]*)\}`)
	// shortVariables finds those in the short spelling of a template.
	shortVariables = regexp.MustCompile(`\{([^=}]+)\}`)
)

// keyOf returns the key of a binding, with its template in the mux's spelling of patterns.
func keyOf(rule *annotations.HttpRule) (routeKey, error) {
	var key routeKey
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		key = routeKey{http.MethodGet, p.Get}
	case *annotations.HttpRule_Post:
		key = routeKey{http.MethodPost, p.Post}
	case *annotations.HttpRule_Put:
		key = routeKey{http.MethodPut, p.Put}
	case *annotations.HttpRule_Patch:
		key = routeKey{http.MethodPatch, p.Patch}
	case *annotations.HttpRule_Delete:
		key = routeKey{http.MethodDelete, p.Delete}
	default:
		return key, fmt.Errorf("the HTTP method must be GET, PUT, POST, DELETE, or PATCH")
	}
	key.pattern = shortVariables.ReplaceAllString(key.pattern, "{$1=*}")
	if strings.Contains(key.pattern, "**") {
		return key, fmt.Errorf("the path must not contain **")
	}
	return key, nil
}

// example returns a path that the route's pattern matches.
func (rt *route) example() string {
	return strings.ReplaceAll(variables.ReplaceAllString(rt.key.pattern, "$2"), "*", "x")
}
