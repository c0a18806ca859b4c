package server

import (
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/telemetry"
)

// A method is a method of the server, with all that the chain needs to know about it, so that no
// step looks anything up.
type method struct {
	// service and name are the two parts of its full name.
	service, name string
	// rpc is the name in the log, such as keyward.vault.v1.VaultService/GetSecret.
	rpc     string
	streams bool
	// contract is false for health, reflection, and unknown methods.
	contract bool
	// open methods need no credentials.
	open bool
	// rule is nil for open and unknown methods.
	rule *auth.Rule
	// ruled means that the contract states rules for the request.
	ruled bool
	// limit is the maximum size of a request.
	limit    int
	requests *telemetry.MethodRequests
}

func fullName(service, method string) string { return "/" + service + "/" + method }

// newMethods returns all methods by their full names.
func (s *Server) newMethods(c *catalog, services []Service) (map[string]*method, error) {
	methods := make(map[string]*method)
	for service, info := range c.GetServiceInfo() {
		for _, i := range info.Methods {
			full, m := fullName(service, i.Name), s.newMethod(service, i.Name)
			m.streams, m.contract, m.open = i.IsClientStream || i.IsServerStream, c.contract[service], auth.Open(full)
			m.rule, m.limit = s.steps.guard.Rule(full), maxOpenBytes
			if m.contract {
				m.ruled, m.limit = s.steps.validator.ruled[full], s.limits.MaxReceiveBytes
			}
			methods[full] = m
		}
	}
	for _, svc := range services {
		r, ok := svc.(Receiver)
		if !ok {
			continue
		}
		for full, size := range r.MaxReceiveBytes() {
			m := methods[full]
			if m == nil {
				return nil, fmt.Errorf("set limit of %s: unknown method", full)
			}
			m.limit = max(size, s.limits.MaxReceiveBytes)
			if err := s.limits.CheckFor(m.limit); err != nil {
				return nil, fmt.Errorf("check server configuration: %w", err)
			}
		}
	}
	return methods, nil
}

func (s *Server) newMethod(service, name string) *method {
	return &method{service: service, name: name, rpc: service + "/" + name, requests: s.steps.requests.Method(service, name)}
}

// register registers the services with the library, with the chain around each method.
func (s *Server) register(c *catalog) {
	for _, e := range c.entries {
		wrapped := *e.desc
		wrapped.Methods = make([]grpc.MethodDesc, len(e.desc.Methods))
		for i, m := range e.desc.Methods {
			of := s.methods[fullName(e.desc.ServiceName, m.MethodName)]
			wrapped.Methods[i] = grpc.MethodDesc{MethodName: m.MethodName, Handler: s.unary(of, m.Handler)}
		}
		wrapped.Streams = slices.Clone(e.desc.Streams)
		for i, m := range wrapped.Streams {
			of := s.methods[fullName(e.desc.ServiceName, m.StreamName)]
			wrapped.Streams[i].Handler = s.stream(of, m.Handler)
		}
		s.grpc.RegisterService(&wrapped, e.impl)
	}
}

// methodOf returns the method with the full name. All unknown methods are one, because method names
// are input too.
func (s *Server) methodOf(full string) *method {
	if m, ok := s.methods[full]; ok {
		return m
	}
	return s.unknown
}
