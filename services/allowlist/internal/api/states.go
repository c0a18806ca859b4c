package api

import (
	"context"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// ApproveEndpoint verifies an endpoint by hand.
func (s *Server) ApproveEndpoint(ctx context.Context, req *allowlistv1.ApproveEndpointRequest) (*allowlistv1.ApproveEndpointResponse, error) {
	pb, err := switched(ctx, req, s.endpoints.Approve)
	return &allowlistv1.ApproveEndpointResponse{Endpoint: pb}, err
}

// ActivateEndpoint activates a verified endpoint, if a round trip with its keys succeeds.
func (s *Server) ActivateEndpoint(ctx context.Context, req *allowlistv1.ActivateEndpointRequest) (*allowlistv1.ActivateEndpointResponse, error) {
	prove := func(ctx context.Context, e endpoint.Endpoint) error {
		return s.tryouts.RoundTrip(ctx, e, req.GetSample())
	}
	activate := func(ctx context.Context, name endpoint.Name, etag string, call endpoint.Call) (endpoint.Endpoint, error) {
		return s.endpoints.Activate(ctx, name, etag, call, prove)
	}
	pb, err := switched(ctx, req, activate)
	return &allowlistv1.ActivateEndpointResponse{Endpoint: pb}, err
}

// DeactivateEndpoint deactivates an endpoint.
func (s *Server) DeactivateEndpoint(ctx context.Context, req *allowlistv1.DeactivateEndpointRequest) (*allowlistv1.DeactivateEndpointResponse, error) {
	pb, err := switched(ctx, req, s.endpoints.Deactivate)
	return &allowlistv1.DeactivateEndpointResponse{Endpoint: pb}, err
}

// A transition is a request that changes the state of an endpoint.
type transition interface {
	GetName() string
	GetEtag() string
	GetReason() string
}

// switched is the common part of the handlers that change the state.
func switched(ctx context.Context, req transition, do func(context.Context, endpoint.Name, string, endpoint.Call) (endpoint.Endpoint, error)) (*allowlistv1.Endpoint, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := newCall(ctx, name.Workspace, req.GetReason())
	if err != nil {
		return nil, err
	}
	e, err := do(ctx, name, req.GetEtag(), call)
	if err != nil {
		return nil, err
	}
	return view(ctx, name.Workspace).endpointToProto(e)
}
