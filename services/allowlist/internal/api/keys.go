package api

import (
	"context"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
	"github.com/keyward/keyward/services/allowlist/internal/tryout"
)

// CheckKeys reports whether the keys of a configuration can work.
func (s *Server) CheckKeys(ctx context.Context, req *allowlistv1.CheckKeysRequest) (*allowlistv1.CheckKeysResponse, error) {
	name, err := endpoint.ParsePattern(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	if req.GetEndpoint() != nil {
		keys, err := s.draftKeys(ctx, name, req.GetEndpoint())
		return keysToProto(keys, false), err
	}
	if name.ID == resource.Any {
		return nil, fault.Field("endpoint", "is required if the name has no endpoint ID")
	}
	keys, err := s.tryouts.CheckKeys(ctx, name, req.GetSample())
	return keysToProto(keys, err == nil && tryout.Fit(keys)), err
}

// draftKeys reports about the keys of an unsaved endpoint, and fails with all other violations
// that would prevent saving it.
func (s *Server) draftKeys(ctx context.Context, name endpoint.Name, pb *allowlistv1.Endpoint) ([]payload.Fit, error) {
	call, err := newCall(ctx, name.Workspace, "")
	if err != nil {
		return nil, err
	}
	d := s.draftOf(pb, name.Workspace, []string{endpoint.FieldURL, endpoint.FieldEncryption})
	of, err := s.endpoints.Probe(ctx, name, d.Settings, d.complete(call))
	if err != nil || d.configuration == nil {
		return nil, err
	}
	keys := d.configuration.Fits(tryout.Known(of))
	if !tryout.Fit(keys) {
		return keys, nil
	}
	return keys, d.Encryption.Check(of)
}

func keysToProto(keys []payload.Fit, roundTrip bool) *allowlistv1.CheckKeysResponse {
	return &allowlistv1.CheckKeysResponse{Fits: tryout.Fit(keys), Keys: fitsToProto(keys), RoundTrip: roundTrip}
}

func fitsToProto(keys []payload.Fit) []*allowlistv1.KeyFit {
	pbs := make([]*allowlistv1.KeyFit, 0, len(keys))
	for _, key := range keys {
		pbs = append(pbs, &allowlistv1.KeyFit{
			Field: key.Field, Secret: key.Secret, Fits: key.Cause == "", Cause: key.Cause, Decoding: key.Decoding, Note: key.Note,
		})
	}
	return pbs
}
