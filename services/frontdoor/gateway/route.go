package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
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

// A route is one HTTP binding of a method and the fields that its requests may have.
type route struct {
	conn grpc.ClientConnInterface
	// rpc is the method in the form of gRPC, `/service/Method`.
	rpc string
	// method, segments, and verb are those that requests to the route have.
	method   string
	segments []string
	verb     string
	// input and output are the types of the method's messages.
	input, output protoreflect.MessageType
	// variables are the fields that the path sets.
	variables []variable
	// params are the fields that the query may set, by both of their names.
	params map[string]protoreflect.FieldDescriptor
	// takesBody reports whether requests have a body. The body is the field body or, if that is nil,
	// the whole request.
	takesBody bool
	body      protoreflect.FieldDescriptor
	// mask is the field that a PATCH without a mask gets; nil for other routes.
	mask protoreflect.FieldDescriptor
	// result is the field of the response that is the answer; nil: the whole response.
	result protoreflect.FieldDescriptor
}

// A variable is a field of the request that the path sets.
type variable struct {
	name string
	// in are the fields of the messages around field, the outermost first.
	in    []protoreflect.FieldDescriptor
	field protoreflect.FieldDescriptor
	// from and to are the numbers of the first segment of the value and of the segment after it.
	from, to int
}

// routesOf reads the bindings of a service from its google.api.http options.
func routesOf(b Backend) ([]*route, error) {
	var routes []*route
	for i := range b.Service.Methods().Len() {
		method := b.Service.Methods().Get(i)
		rule, ok := proto.GetExtension(method.Options(), annotations.E_Http).(*annotations.HttpRule)
		if !ok || rule == nil {
			continue // gRPC only
		}
		for _, rule := range append([]*annotations.HttpRule{rule}, rule.GetAdditionalBindings()...) {
			rt, err := newRoute(method, rule)
			if err != nil {
				return nil, fmt.Errorf("bind %s: %w", method.FullName(), err)
			}
			rt.conn = b.Conn
			routes = append(routes, rt)
		}
	}
	return routes, nil
}

func newRoute(method protoreflect.MethodDescriptor, rule *annotations.HttpRule) (*route, error) {
	if method.IsStreamingClient() || method.IsStreamingServer() {
		return nil, fmt.Errorf("streams have no binding")
	}
	rt := &route{
		rpc:       fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()),
		takesBody: rule.GetBody() != "",
		params:    make(map[string]protoreflect.FieldDescriptor),
	}
	var err error
	if rt.input, err = protoregistry.GlobalTypes.FindMessageByName(method.Input().FullName()); err != nil {
		return nil, fmt.Errorf("find request message: %w", err)
	}
	if rt.output, err = protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName()); err != nil {
		return nil, fmt.Errorf("find response message: %w", err)
	}
	if rt.takesBody && rule.GetBody() != wholeBody {
		if rt.body, err = messageField(method.Input(), rule.GetBody()); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if rule.GetResponseBody() != "" {
		if rt.result, err = messageField(method.Output(), rule.GetResponseBody()); err != nil {
			return nil, fmt.Errorf("response body: %w", err)
		}
	}
	if err := rt.bindPath(rule); err != nil {
		return nil, err
	}
	rt.bindQuery()
	return rt, nil
}

// messageField returns a field that contains one message.
func messageField(md protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	fd := md.Fields().ByName(protoreflect.Name(name))
	if fd == nil || fd.Message() == nil || fd.Cardinality() == protoreflect.Repeated {
		return nil, fmt.Errorf("%s is not a message field", name)
	}
	return fd, nil
}

// shortVariable finds the variables of a template that match one segment.
var shortVariable = regexp.MustCompile(`\{([^=}]+)\}`)

// bindPath reads the method and the template of a binding.
func (rt *route) bindPath(rule *annotations.HttpRule) error {
	var template string
	if rt.method, template = pattern(rule); rt.method == "" {
		return fmt.Errorf("the HTTP method must be GET, PUT, POST, DELETE, or PATCH")
	}
	if strings.Contains(template, "**") {
		return fmt.Errorf("the path must not contain **")
	}
	template, rt.verb, _ = strings.Cut(shortVariable.ReplaceAllString(template, "{$1=*}"), ":")
	for segment := range strings.SplitSeq(strings.TrimPrefix(template, "/"), "/") {
		if rest, opens := strings.CutPrefix(segment, "{"); opens {
			name, first, _ := strings.Cut(rest, "=")
			rt.variables, segment = append(rt.variables, variable{name: name, from: len(rt.segments)}), first
		}
		last, closes := strings.CutSuffix(segment, "}")
		rt.segments = append(rt.segments, last)
		if closes {
			rt.variables[len(rt.variables)-1].to = len(rt.segments)
		}
	}
	for i := range rt.variables {
		if err := rt.variables[i].bind(rt.input.Descriptor()); err != nil {
			return err
		}
	}
	return nil
}

func pattern(rule *annotations.HttpRule) (method, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return http.MethodGet, p.Get
	case *annotations.HttpRule_Post:
		return http.MethodPost, p.Post
	case *annotations.HttpRule_Put:
		return http.MethodPut, p.Put
	case *annotations.HttpRule_Patch:
		return http.MethodPatch, p.Patch
	case *annotations.HttpRule_Delete:
		return http.MethodDelete, p.Delete
	default:
		return "", ""
	}
}

// bind finds the field of a variable in the request.
func (v *variable) bind(md protoreflect.MessageDescriptor) error {
	names := strings.Split(v.name, ".")
	for _, name := range names[:len(names)-1] {
		fd, err := messageField(md, name)
		if err != nil {
			return fmt.Errorf("path: %w", err)
		}
		v.in, md = append(v.in, fd), fd.Message()
	}
	v.field = md.Fields().ByName(protoreflect.Name(names[len(names)-1]))
	if v.field == nil || v.field.Kind() != protoreflect.StringKind || v.field.IsList() {
		return fmt.Errorf("path: %s is not a string", v.name)
	}
	return nil
}

// bindQuery determines the fields that remain for the query.
func (rt *route) bindQuery() {
	if rt.takesBody && rt.body == nil {
		return // all other fields are in the body
	}
	taken := make(map[protoreflect.Name]bool)
	for _, v := range rt.variables {
		first, _, _ := strings.Cut(v.name, ".")
		taken[protoreflect.Name(first)] = true
	}
	fields := rt.input.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd == rt.body || taken[fd.Name()] || !queryable(fd) {
			continue
		}
		rt.params[string(fd.Name())] = fd
		rt.params[fd.JSONName()] = fd
		if rt.method == http.MethodPatch && rt.body != nil && isMask(fd) {
			rt.mask = fd
		}
	}
}

// queryable reports whether a query parameter can set a field. No binding needs other kinds: maps,
// floats, choices, and fields of fields.
func queryable(fd protoreflect.FieldDescriptor) bool {
	if choice := fd.ContainingOneof(); choice != nil && !choice.IsSynthetic() {
		return false
	}
	switch fd.Kind() {
	case protoreflect.BoolKind, protoreflect.EnumKind, protoreflect.StringKind,
		protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return true
	case protoreflect.MessageKind:
		return (isMask(fd) || isTime(fd)) && fd.Cardinality() != protoreflect.Repeated
	default:
		return false
	}
}

func isMask(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == fieldMask
}

func isTime(fd protoreflect.FieldDescriptor) bool {
	return fd.Message() != nil && fd.Message().FullName() == timestamp
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

// bodyOf returns the part of a request that the body sets.
func (rt *route) bodyOf(request protoreflect.Message) protoreflect.Message {
	if rt.body == nil {
		return request
	}
	return request.Mutable(rt.body).Message()
}

// readPath sets the fields of the path, or returns a refusal. A name in the body must be the same.
func (rt *route) readPath(path string, request protoreflect.Message) *refusal {
	path, _, _ = strings.Cut(path, ":")
	for _, v := range rt.variables {
		value, err := url.PathUnescape(between(path, v.from, v.to))
		if err != nil {
			return routeNotFound()
		}
		msg := request
		for _, fd := range v.in {
			msg = msg.Mutable(fd).Message()
		}
		if given := msg.Get(v.field).String(); given != "" && given != value {
			return invalid(v.name, "must be absent or equal the name in the path")
		}
		msg.Set(v.field, protoreflect.ValueOfString(value))
	}
	return nil
}

// between returns the segments of a path from one number up to another.
func between(path string, from, to int) string {
	start, slashes := 0, 0 // a slash has the number of the segment after it
	for i := range len(path) {
		if path[i] != '/' {
			continue
		}
		switch slashes {
		case from:
			start = i + 1
		case to:
			return path[start:i]
		}
		slashes++
	}
	return path[start:]
}
