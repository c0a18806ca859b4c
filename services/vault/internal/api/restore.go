package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/restore"
)

// ReportReconciliation records that the calling resolver has bound again what it needs. A resolver whose
// own data was rolled back does not know what that is.
func (s *Server) ReportReconciliation(ctx context.Context, req *vaultv1.ReportReconciliationRequest) (*vaultv1.ReportReconciliationResponse, error) {
	resolver, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	err = s.secrets.Restores().Reconciled(ctx, resolver, req.GetEpoch(), server.Author(ctx, req.GetParent(), ""))
	if err != nil {
		return nil, err
	}
	return &vaultv1.ReportReconciliationResponse{}, nil
}

// Restores implements the methods of MaintenanceService that concern restores. Embed it.
type Restores struct{ events *restore.Events }

// NewRestores returns the methods over the restores of a vault.
func NewRestores(events *restore.Events) *Restores { return &Restores{events} }

// GetRestore returns the last restore.
func (r *Restores) GetRestore(context.Context, *vaultv1.GetRestoreRequest) (*vaultv1.GetRestoreResponse, error) {
	return &vaultv1.GetRestoreResponse{Restore: restoreToProto(r.events.Last())}, nil
}

// ReleaseRestore ends the time in which changes are held.
func (r *Restores) ReleaseRestore(ctx context.Context, req *vaultv1.ReleaseRestoreRequest) (*vaultv1.ReleaseRestoreResponse, error) {
	last, err := r.events.Release(ctx, server.Author(ctx, req.GetParent(), req.GetReason()))
	if err != nil {
		return nil, err
	}
	return &vaultv1.ReleaseRestoreResponse{Restore: restoreToProto(last)}, nil
}

// restoreToProto returns nil if there was no restore.
func restoreToProto(r restore.Restore) *vaultv1.Restore {
	if r.Count == 0 {
		return nil
	}
	return &vaultv1.Restore{
		RestoreTime: timestamppb.New(r.Time), Epoch: r.Epoch, Reason: r.Reason, Checkpoint: r.Checkpoint,
		LostCheckpoints: r.Lost, Pending: r.Pending(), ReleaseTime: timeToProto(r.Released),
		Resolvers: each(r.Resolvers, func(one restore.Resolver) *vaultv1.ResolverReconciliation {
			return &vaultv1.ResolverReconciliation{Resolver: one.Name, ReconcileTime: timeToProto(one.Reconciled)}
		}),
	}
}
