package api

import (
	"context"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// TestEncryption applies a configuration to a sample and returns the result.
func (s *Server) TestEncryption(ctx context.Context, req *allowlistv1.TestEncryptionRequest) (*allowlistv1.TestEncryptionResponse, error) {
	name, err := endpoint.ParsePattern(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := newCall(ctx, name.Workspace, req.GetReason())
	if err != nil {
		return nil, err
	}
	known, err := contextFromProto(req.GetContext())
	if err != nil {
		return nil, err
	}
	tested, err := s.tryouts.Test(ctx, tryout.Test{
		Endpoint: name, Draft: req.GetEncryption(), Direction: directionFromProto(req.GetKind(), payload.Request),
		Body: req.GetBody(), Context: known, Live: req.GetLiveKeys(), Author: call.Author,
	})
	if err != nil {
		return nil, err
	}
	return testedToProto(tested), nil
}

// DiagnoseSample finds the wrong setting of a configuration.
func (s *Server) DiagnoseSample(ctx context.Context, req *allowlistv1.DiagnoseSampleRequest) (*allowlistv1.DiagnoseSampleResponse, error) {
	name, err := endpoint.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := newCall(ctx, name.Workspace, req.GetReason())
	if err != nil {
		return nil, err
	}
	headers, err := headersFromProto(req.GetHeaders())
	if err != nil {
		return nil, err
	}
	known, err := contextFromProto(req.GetContext())
	if err != nil {
		return nil, err
	}
	otherwise := payload.Response
	if req.GetSignature() {
		otherwise = payload.Request
	}
	if err := checkPlaintext(req); err != nil {
		return nil, err
	}
	answer, err := s.tryouts.Diagnose(ctx, tryout.Complaint{
		Endpoint: name, Direction: directionFromProto(req.GetKind(), otherwise), Body: req.GetBody(), Headers: headers,
		Plaintext: req.GetPlaintext(), Signature: req.GetSignature(), Context: known, Author: call.Author,
	})
	if err != nil {
		return nil, err
	}
	pb := &allowlistv1.DiagnoseSampleResponse{
		Found: answer.Found, Tried: uint32(answer.Tried), UnusableKeys: fitsToProto(answer.Unusable),
	}
	for _, d := range answer.Differences {
		pb.Differences = append(pb.Differences, &allowlistv1.Difference{Field: d.Field, Configured: d.Configured, Works: d.Works})
	}
	return pb, nil
}

// leastPlaintext is the minimum length of a plaintext that no variant produces by chance.
const leastPlaintext = 8

func checkPlaintext(req *allowlistv1.DiagnoseSampleRequest) error {
	switch n := len(req.GetPlaintext()); {
	case req.GetSignature() && n > 0:
		return fault.Field("plaintext", "must be empty if signature is set")
	case !req.GetSignature() && n < leastPlaintext:
		return fault.Field("plaintext", "must have at least 8 bytes, because a variant could produce fewer by chance")
	}
	return nil
}

func testedToProto(t tryout.Tested) *allowlistv1.TestEncryptionResponse {
	pb := &allowlistv1.TestEncryptionResponse{
		Body: t.Body, Headers: headersToProto(t.Headers), QueryParameters: headersToProto(t.Query),
		ContentType: t.ContentType, Opened: t.Opened, KeyPurposes: purposesToProto(t.Config),
	}
	for _, step := range t.Steps {
		pb.Steps = append(pb.Steps, &allowlistv1.TestStep{
			Stage: step.Stage, Detail: step.Detail, Bytes: uint32(step.Bytes), Value: step.Value,
			SignedText: step.Signed,
		})
	}
	for _, key := range t.Keys {
		pb.Keys = append(pb.Keys, &allowlistv1.ThrowawayKey{Field: key.Field, Secret: key.Secret, Value: string(key.Stored)})
	}
	for _, program := range t.Programs {
		pb.Snippets = append(pb.Snippets, &allowlistv1.Snippet{Language: program.Language, Code: program.Code})
	}
	return pb
}
