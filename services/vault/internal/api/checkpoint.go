package api

import (
	"context"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/server"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/witness"
)

// GetCheckpoint returns the signed head of the change log.
func (s *Server) GetCheckpoint(ctx context.Context, _ *vaultv1.GetCheckpointRequest) (*vaultv1.GetCheckpointResponse, error) {
	own, err := s.heads.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return &vaultv1.GetCheckpointResponse{
		Checkpoint: own.Checkpoint, VerifierKey: own.Key, Successions: own.Successions,
		Epoch: s.secrets.Epoch(), Run: s.secrets.Run(), RestorePending: s.secrets.Restores().Last().Pending(),
	}, nil
}

// ProveConsistency returns a consistency proof between two sizes of the change log.
func (s *Server) ProveConsistency(ctx context.Context, req *vaultv1.ProveConsistencyRequest) (*vaultv1.ProveConsistencyResponse, error) {
	proof, err := s.heads.Prove(ctx, req.GetFromSize(), req.GetToSize())
	if err != nil {
		return nil, err
	}
	return &vaultv1.ProveConsistencyResponse{Hashes: each(proof, func(h tlog.Hash) []byte { return h[:] })}, nil
}

// WitnessCheckpoint keeps the head of the calling resolver's change log. A lost head of the vault's own log
// counts even if the head of the resolver is refused.
func (s *Server) WitnessCheckpoint(ctx context.Context, req *vaultv1.WitnessCheckpointRequest) (*vaultv1.WitnessCheckpointResponse, error) {
	if lost := (restore.Head{Checkpoint: req.GetLostCheckpoint(), Successions: req.GetLostSuccessions()}); lost.Checkpoint != "" {
		if err := s.secrets.Restores().Lost(ctx, holder(ctx), lost, server.Author(ctx, req.GetParent(), "")); err != nil {
			return nil, err
		}
	}
	size, witnessed, err := s.heads.Report(ctx, holder(ctx), witness.Report{
		Claim: changelog.Claim{
			SignedHead:  changelog.SignedHead{Key: req.GetVerifierKey(), Checkpoint: req.GetCheckpoint()},
			Successions: req.GetSuccessions(),
		},
		OldSize: req.GetOldSize(),
		Proof:   each(req.GetHashes(), func(h []byte) tlog.Hash { return tlog.Hash(h) }),
	})
	if err != nil {
		return nil, err
	}
	return &vaultv1.WitnessCheckpointResponse{Size: size, Witnessed: witnessed}, nil
}

// AcceptResolverCheckpoint accepts the head of a resolver whose data file was restored.
func (s *Server) AcceptResolverCheckpoint(ctx context.Context, req *vaultv1.AcceptResolverCheckpointRequest) (*vaultv1.AcceptResolverCheckpointResponse, error) {
	before, after, err := s.heads.Accept(ctx, req.GetResolver(), server.Author(ctx, req.GetParent(), req.GetReason()))
	if err != nil {
		return nil, err
	}
	return &vaultv1.AcceptResolverCheckpointResponse{
		OldCheckpoint: before.Verified.Checkpoint, NewCheckpoint: after.Verified.Checkpoint,
	}, nil
}
