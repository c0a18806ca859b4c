package api

import (
	"context"

	"github.com/keyward/keyward/pkg/resource"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// GetCheckpoint returns the signed head of the change log.
func (s *Server) GetCheckpoint(ctx context.Context, _ *allowlistv1.GetCheckpointRequest) (*allowlistv1.GetCheckpointResponse, error) {
	own, err := s.heads.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &allowlistv1.GetCheckpointResponse{
		Checkpoint: own.Checkpoint, VerifierKey: own.Key, Successions: own.Successions,
	}, nil
}

// ProveConsistency returns a consistency proof between two sizes of the change log.
func (s *Server) ProveConsistency(ctx context.Context, req *allowlistv1.ProveConsistencyRequest) (*allowlistv1.ProveConsistencyResponse, error) {
	proof, err := s.heads.Prove(ctx, req.GetFromSize(), req.GetToSize())
	if err != nil {
		return nil, err
	}
	res := &allowlistv1.ProveConsistencyResponse{Hashes: make([][]byte, len(proof))}
	for i := range proof {
		res.Hashes[i] = proof[i][:]
	}
	return res, nil
}

// AcceptVaultCheckpoint accepts the head of a vault whose data file was restored.
func (s *Server) AcceptVaultCheckpoint(ctx context.Context, req *allowlistv1.AcceptVaultCheckpointRequest) (*allowlistv1.AcceptVaultCheckpointResponse, error) {
	call, err := newCall(ctx, resource.Any, req.GetReason())
	if err != nil {
		return nil, err
	}
	before, after, err := s.vault.AcceptHead(ctx, call.Author)
	if err != nil {
		return nil, err
	}
	return &allowlistv1.AcceptVaultCheckpointResponse{
		OldCheckpoint: before.Verified.Checkpoint, NewCheckpoint: after.Verified.Checkpoint,
	}, nil
}
