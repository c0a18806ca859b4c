package api

import (
	"context"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/page"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/violation"
)

// CreateEndpoint creates an endpoint.
func (s *Server) CreateEndpoint(ctx context.Context, req *allowlistv1.CreateEndpointRequest) (*allowlistv1.CreateEndpointResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	d := s.draftOf(req.GetEndpoint(), workspace, changeable())
	name, err := endpoint.NewName(workspace, req.GetEndpointId())
	if err != nil {
		return nil, violation.Merge(at("endpoint_id", err), d.wrong)
	}
	d.wrong = violation.Merge(prose("endpoint_id", req.GetEndpointId()), d.wrong)
	call, err := s.once(ctx, allowlistv1.AllowlistService_CreateEndpoint_FullMethodName, workspace, req.GetReason(), req.GetRequestId(), req)
	if err != nil {
		return nil, err
	}
	created, err := s.endpoints.Create(ctx, name, d.Settings, d.complete(call))
	if err != nil {
		return nil, err
	}
	pb, err := view(ctx, workspace).endpointToProto(created)
	return &allowlistv1.CreateEndpointResponse{Endpoint: pb}, err
}

// GetEndpoint returns an endpoint.
func (s *Server) GetEndpoint(ctx context.Context, req *allowlistv1.GetEndpointRequest) (*allowlistv1.GetEndpointResponse, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	got, err := s.endpoints.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	v := view(ctx, name.Workspace)
	pb, err := v.endpointToProto(got)
	if err != nil {
		return nil, err
	}
	if !v.secrets {
		return &allowlistv1.GetEndpointResponse{Endpoint: pb}, nil
	}
	if challenge, any := s.endpoints.Challenge(got); any {
		pb.Challenge = challengeToProto(challenge)
	}
	if got.Encryption.Configured() {
		config, err := payload.Load(got.Encryption.Stored)
		if err != nil {
			return nil, err
		}
		pb.KeyPurposes = purposesToProto(config)
	}
	uses, err := s.uses.Totals(ctx, got.UID)
	pb.KeyUses, pb.RecentFailures = usesToProto(uses), failuresToProto(s.failures.Of(got.UID))
	return &allowlistv1.GetEndpointResponse{Endpoint: pb}, err
}

// ListEndpoints returns a page of a workspace's endpoints.
func (s *Server) ListEndpoints(ctx context.Context, req *allowlistv1.ListEndpointsRequest) (*allowlistv1.ListEndpointsResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	cursor, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	if before := req.GetLegacyExpiresBefore(); before != nil && !before.IsValid() {
		return nil, fault.Field("legacy_expires_before", "must be a time from the year 1 to 9999")
	}
	found, err := s.endpoints.List(ctx, queryFromProto(workspace, req, cursor))
	if err != nil {
		return nil, err
	}
	endpoints, err := view(ctx, workspace).endpointsToProto(found.Endpoints)
	return &allowlistv1.ListEndpointsResponse{Endpoints: endpoints, NextPageToken: seal(found.Cursor)}, err
}

// UpdateEndpoint changes the fields in the mask.
func (s *Server) UpdateEndpoint(ctx context.Context, req *allowlistv1.UpdateEndpointRequest) (*allowlistv1.UpdateEndpointResponse, error) {
	name, err := endpoint.ParseName(req.GetEndpoint().GetName())
	if err != nil {
		return nil, at("endpoint.name", err)
	}
	fields, err := resource.MaskedFields(req.GetEndpoint(), req.GetUpdateMask(), changeable()...)
	if err != nil {
		return nil, err
	}
	call, err := s.once(ctx, allowlistv1.AllowlistService_UpdateEndpoint_FullMethodName, name.Workspace, req.GetReason(), req.GetRequestId(), req)
	if err != nil {
		return nil, err
	}
	d := s.draftOf(req.GetEndpoint(), name.Workspace, fields)
	change := endpoint.Change{
		Fields: fields, Settings: d.Settings, LabelKeys: resource.MaskedKeys(req.GetUpdateMask(), endpoint.FieldLabels),
		Etag: req.GetEndpoint().GetEtag(),
	}
	updated, err := s.endpoints.Update(ctx, name, change, d.complete(call))
	if err != nil {
		return nil, err
	}
	pb, err := view(ctx, name.Workspace).endpointToProto(updated)
	return &allowlistv1.UpdateEndpointResponse{Endpoint: pb}, err
}

// DeleteEndpoint deletes an endpoint and releases its bindings.
func (s *Server) DeleteEndpoint(ctx context.Context, req *allowlistv1.DeleteEndpointRequest) (*allowlistv1.DeleteEndpointResponse, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := s.once(ctx, allowlistv1.AllowlistService_DeleteEndpoint_FullMethodName, name.Workspace, req.GetReason(), req.GetRequestId(), req)
	if err != nil {
		return nil, err
	}
	if err := s.endpoints.Delete(ctx, name, req.GetEtag(), call); err != nil {
		return nil, err
	}
	return &allowlistv1.DeleteEndpointResponse{}, nil
}

// ListEndpointHistory returns a page of the change log.
func (s *Server) ListEndpointHistory(ctx context.Context, req *allowlistv1.ListEndpointHistoryRequest) (*allowlistv1.ListEndpointHistoryResponse, error) {
	name, err := endpoint.ParsePattern(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	cursor, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	history, more, err := s.endpoints.History(ctx, name, sequenceOf(cursor), page.Size(req.GetPageSize()))
	if err != nil {
		return nil, err
	}
	return &allowlistv1.ListEndpointHistoryResponse{
		Changes: historyToProto(history), NextPageToken: seal(cursorBehind(history, more)),
	}, nil
}
