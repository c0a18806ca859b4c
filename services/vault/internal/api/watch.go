package api

import (
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// WatchSecrets streams changes to the calling workload until it disconnects.
func (s *Server) WatchSecrets(req *vaultv1.WatchSecretsRequest, stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	workspace := resource.Any
	if req.GetParent() != resource.WorkspaceName(resource.Any) {
		var err error
		if workspace, err = resource.ParseWorkspace(req.GetParent()); err != nil {
			return at("parent", err)
		}
	}
	var from *secret.Position
	if p := req.GetPosition(); p != nil {
		from = &secret.Position{Epoch: p.GetEpoch(), Sequence: p.GetSequence()}
	}
	return s.secrets.Watch(stream.Context(), workspace, from, func(m secret.Message) error {
		return stream.Send(&vaultv1.WatchSecretsResponse{
			Events: each(m.Notices, noticeToProto), Position: positionToProto(m.Position), Checkpoint: m.Checkpoint,
		})
	})
}

func noticeToProto(n secret.Notice) *vaultv1.SecretEvent {
	return &vaultv1.SecretEvent{Secret: n.Secret, Uid: n.UID, Sequence: n.Sequence, Deleted: n.Deleted, DeleteReason: n.DeleteReason}
}

func positionToProto(p secret.Position) *vaultv1.Position {
	return &vaultv1.Position{Epoch: p.Epoch, Sequence: p.Sequence, Run: p.Run}
}
