package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/verify"
)

// VerifyEndpoint looks for proof that the endpoint belongs to the partner.
func (s *Server) VerifyEndpoint(ctx context.Context, req *allowlistv1.VerifyEndpointRequest) (*allowlistv1.VerifyEndpointResponse, error) {
	pb, err := switched(ctx, req, func(ctx context.Context, name endpoint.Name, etag string, call endpoint.Call) (endpoint.Endpoint, error) {
		return s.endpoints.Verify(ctx, name, methodFromProto(req.GetMethod()), etag, call)
	})
	return &allowlistv1.VerifyEndpointResponse{Endpoint: pb}, err
}

// methodFromProto converts the methods that a request may contain.
func methodFromProto(m allowlistv1.Verification_Method) verify.Method {
	switch m {
	case allowlistv1.Verification_METHOD_DNS:
		return verify.DNS
	case allowlistv1.Verification_METHOD_FILE:
		return verify.File
	default:
		return verify.WebToken
	}
}

func methodToProto(method string) allowlistv1.Verification_Method {
	switch method {
	case endpoint.ByApproval:
		return allowlistv1.Verification_METHOD_MANUAL
	case string(verify.DNS):
		return allowlistv1.Verification_METHOD_DNS
	case string(verify.File):
		return allowlistv1.Verification_METHOD_FILE
	case string(verify.WebToken):
		return allowlistv1.Verification_METHOD_WEB_TOKEN
	default:
		return allowlistv1.Verification_METHOD_UNSPECIFIED
	}
}

func verificationToProto(e endpoint.Endpoint) *allowlistv1.Verification {
	v := e.Verification
	if !v.Done() {
		return nil
	}
	pb := &allowlistv1.Verification{Method: methodToProto(v.Method), Actor: v.Actor, Time: timestamppb.New(v.Time)}
	if !v.Proven() {
		return pb
	}
	pb.Health, pb.CheckTime = allowlistv1.Verification_HEALTH_OK, timestamppb.New(e.Checked)
	if v.Degraded() {
		pb.Health, pb.GraceTime = allowlistv1.Verification_HEALTH_DEGRADED, timestamppb.New(v.Grace)
	}
	return pb
}

// challengeToProto is the only place where a web token is read: the owners need it.
func challengeToProto(c verify.Challenge) *allowlistv1.Challenge {
	return &allowlistv1.Challenge{
		DnsName: c.DNSName, DnsValue: c.DNSValue, FileUrl: c.FileURL, FileContent: c.FileContent,
		WebToken: string(c.WebToken.Reveal()), ExpireTime: timestamppb.New(c.Expires),
	}
}
