package api

import (
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// ReserveNonces reserves values that the calling workload may encrypt with a version.
func (s *Server) ReserveNonces(ctx context.Context, req *vaultv1.ReserveNoncesRequest) (*vaultv1.ReserveNoncesResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	holder, err := s.admitted(ctx)
	if err != nil {
		return nil, err
	}
	granted, err := s.secrets.ReserveNonces(ctx, name, holder, secret.Reservation{
		UID: req.GetUid(), Version: req.GetVersion(), Bits: int(req.GetRandomBits()), Count: req.GetCount(),
	})
	if err != nil {
		return nil, err
	}
	return &vaultv1.ReserveNoncesResponse{
		Reserved: granted.Reserved, Used: granted.Used, Budget: granted.Budget, Position: positionToProto(granted.Position),
	}, nil
}

// noncesToProto returns nil for a version without reservations.
func noncesToProto(v secret.Version) *vaultv1.NonceBudget {
	n := v.Nonces
	if !n.Reserved() {
		return nil
	}
	pb := &vaultv1.NonceBudget{
		Used: n.Used, Budget: n.Budget(), RandomBits: uint32(n.Bits), StartTime: timestamppb.New(n.First),
		State: vaultv1.NonceBudget_STATE_OK,
	}
	switch {
	case n.Exhausted():
		pb.State = vaultv1.NonceBudget_STATE_EXHAUSTED
	case n.Warned():
		pb.State = vaultv1.NonceBudget_STATE_WARNING
	}
	if !v.NoncesEnd.IsZero() {
		pb.ProjectedEndTime = timestamppb.New(v.NoncesEnd)
	}
	return pb
}
