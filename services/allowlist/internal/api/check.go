package api

import (
	"context"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/resource"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// CheckUrl reports whether a method and URL may be called.
//
//nolint:revive // the contract names the method
func (s *Server) CheckUrl(ctx context.Context, req *allowlistv1.CheckUrlRequest) (*allowlistv1.CheckUrlResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	answer, err := s.endpoints.Check(ctx, endpoint.Question{
		Workspace: workspace, Method: req.GetMethod(), URL: req.GetUrl(),
		Serves: servedBy(auth.FromContext(ctx), workspace), Resolve: req.GetResolve(),
	})
	if err != nil {
		return nil, err
	}
	return answerToProto(answer), nil
}

// servedBy returns the IDs of the endpoints of a workspace that a caller may use, or nil if it may
// use all.
func servedBy(p auth.Principal, workspace string) []string {
	if p.SuperAdmin() || p.Holds(roleOwner, workspace) {
		return nil
	}
	served := []string{} // not nil: a caller without a grant may use no endpoint
	for _, grant := range p.Grants {
		if grant.Role != accessv1.Role_ROLE_SENDER || (grant.Workspace != workspace && grant.Workspace != auth.Everywhere) {
			continue
		}
		if len(grant.Endpoints) == 0 {
			return nil
		}
		served = append(served, grant.Endpoints...)
	}
	return served
}

func answerToProto(a endpoint.Answer) *allowlistv1.CheckUrlResponse {
	pb := &allowlistv1.CheckUrlResponse{
		Allowed: a.Verdict == endpoint.Allowed, NormalizedUrl: a.URL.String(),
		Verdict: allowlistv1.CheckUrlResponse_Verdict(allowlistv1.CheckUrlResponse_Verdict_value["VERDICT_"+string(a.Verdict)]),
	}
	if a.Endpoint.ID != "" {
		pb.Endpoint = a.Endpoint.String()
	}
	for _, address := range a.Addresses {
		pb.Addresses = append(pb.Addresses, address.String())
	}
	return pb
}
