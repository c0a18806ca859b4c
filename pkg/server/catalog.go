package server

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A catalog lists the services of a server. It is complete before the server is created, because
// the chain depends on the methods.
type catalog struct {
	entries []entry
	// names are the full names of the gRPC services of each service.
	names [][]string
	// contract are the services other than health and reflection.
	contract map[string]bool
}

type entry struct {
	desc *grpc.ServiceDesc
	impl any
}

// newCatalog lists the methods of the services, of the access service, of health, and, unless it
// is off, of reflection.
func newCatalog(services []Service, h *health.Server, reflects string) *catalog {
	c := &catalog{contract: make(map[string]bool)}
	for _, svc := range services {
		before := len(c.entries)
		svc.Register(c)
		var names []string
		for _, e := range c.entries[before:] {
			names = append(names, e.desc.ServiceName)
		}
		c.names = append(c.names, names)
	}
	access{}.Register(c)
	for _, e := range c.entries {
		c.contract[e.desc.ServiceName] = true
		h.SetServingStatus(e.desc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	}
	healthv1.RegisterHealthServer(c, h)
	if reflects == reflectionOff {
		return c
	}
	options := reflection.ServerOptions{Services: c}
	reflectionv1.RegisterServerReflectionServer(c, reflection.NewServerV1(options))
	reflectionv1alpha.RegisterServerReflectionServer(c, reflection.NewServer(options))
	return c
}

// RegisterService adds a service.
func (c *catalog) RegisterService(desc *grpc.ServiceDesc, impl any) {
	c.entries = append(c.entries, entry{desc, impl})
}

// GetServiceInfo returns the same as [grpc.Server.GetServiceInfo] will.
func (c *catalog) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := make(map[string]grpc.ServiceInfo, len(c.entries))
	for _, e := range c.entries {
		info := grpc.ServiceInfo{Metadata: e.desc.Metadata}
		for _, m := range e.desc.Methods {
			info.Methods = append(info.Methods, grpc.MethodInfo{Name: m.MethodName})
		}
		for _, m := range e.desc.Streams {
			info.Methods = append(info.Methods,
				grpc.MethodInfo{Name: m.StreamName, IsClientStream: m.ClientStreams, IsServerStream: m.ServerStreams})
		}
		all[e.desc.ServiceName] = info
	}
	return all
}

// requests returns the descriptors of the requests of the contract by the full names of methods.
func (c *catalog) requests() (map[string]protoreflect.MessageDescriptor, error) {
	all := make(map[string]protoreflect.MessageDescriptor)
	for service := range c.contract {
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
		if err != nil {
			return nil, fmt.Errorf("find descriptor of %s: %w", service, err)
		}
		methods := found.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			all[fullName(service, string(methods.Get(i).Name()))] = methods.Get(i).Input()
		}
	}
	return all, nil
}
