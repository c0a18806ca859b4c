package api

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// maxRebound is the maximum number of results of RebindEndpoints, as in the contract.
const maxRebound = 1000

// RebindEndpoints binds the references of endpoints again that lost a secret.
func (s *Server) RebindEndpoints(ctx context.Context, req *allowlistv1.RebindEndpointsRequest) (*allowlistv1.RebindEndpointsResponse, error) {
	workspace, err := parentOf(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	if _, _, ok := resource.Cut(req.GetSecret(), "secrets"); req.GetSecret() != "" && !ok {
		return nil, fault.Field("secret", "must be workspaces/{workspace}/secrets/{secret}")
	}
	call, err := newCall(ctx, workspace, req.GetReason())
	if err != nil {
		return nil, err
	}
	results, more, err := s.endpoints.Recover(ctx, endpoint.Recovery{
		Workspace: workspace, Secret: req.GetSecret(), ValidateOnly: req.GetValidateOnly(), Limit: maxRebound,
		Draft: func(e endpoint.Endpoint) (endpoint.Change, endpoint.Call, error) { return s.unchanged(e, call) },
		Prove: func(ctx context.Context, e endpoint.Endpoint) error { return s.tryouts.RoundTrip(ctx, e, nil) },
	})
	if err != nil {
		return nil, err
	}
	res := &allowlistv1.RebindEndpointsResponse{More: more}
	for _, r := range results {
		res.Results = append(res.Results, recoveredToProto(r))
	}
	return res, nil
}

// parentOf parses a parent that may stand for all workspaces.
func parentOf(parent string) (workspace string, err error) {
	if parent == resource.WorkspaceName(resource.Any) {
		return resource.Any, nil
	}
	return resource.ParseWorkspace(parent)
}

// unchanged returns the update that saves the references of an endpoint as they are. It is checked
// like the request of a caller who read the endpoint and sends it back.
func (s *Server) unchanged(e endpoint.Endpoint, call endpoint.Call) (endpoint.Change, endpoint.Call, error) {
	pb, _, err := viewer{secrets: true}.configured(e)
	if err != nil {
		return endpoint.Change{}, call, err
	}
	fields := e.Referring()
	d := s.draftOf(pb, e.Name.Workspace, fields)
	if e.Encryption.Configured() {
		d.Encryption.Stored = e.Encryption.Stored
	}
	return endpoint.Change{Fields: fields, Settings: d.Settings}, d.complete(call), nil
}

func recoveredToProto(r endpoint.Recovered) *allowlistv1.RebindResult {
	pb := &allowlistv1.RebindResult{Endpoint: r.Name.String()}
	switch {
	case r.Err == nil && r.State == endpoint.Active:
		pb.Outcome = allowlistv1.RebindResult_OUTCOME_ACTIVE
		return pb
	case r.Err == nil:
		pb.Outcome = allowlistv1.RebindResult_OUTCOME_BOUND
		return pb
	case endpoint.Gone(r.Err):
		pb.Outcome = allowlistv1.RebindResult_OUTCOME_LOST
	default:
		pb.Outcome = allowlistv1.RebindResult_OUTCOME_REFUSED
	}
	pb.Reason, pb.Detail = explained(r.Err)
	return pb
}

// explained returns the reason of an error and its cause as a sentence.
func explained(err error) (reason, detail string) {
	f, told := fault.From(err)
	if !told {
		return string(fault.Internal), "Internal error; see the log of the server."
	}
	parts := []string{f.Message}
	for _, v := range f.Violations {
		parts = append(parts, v.Field+": "+strings.TrimSuffix(v.Description, "."))
	}
	if cause := f.Metadata["cause"]; cause != "" && len(f.Violations) == 0 {
		parts = append(parts, strings.TrimSuffix(cause, "."))
	}
	detail = strings.Join(parts, "; ")
	return string(f.Reason), strings.ToUpper(detail[:1]) + detail[1:] + "."
}
