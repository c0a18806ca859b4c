package api

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/sealing"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// GetSealing returns the keys for sealing values, and the setting of the workspace.
func (s *Server) GetSealing(ctx context.Context, req *vaultv1.GetSealingRequest) (*vaultv1.GetSealingResponse, error) {
	workspace, err := secret.ParseSealing(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	got, err := s.secrets.Sealing(ctx, workspace)
	if err != nil {
		return nil, err
	}
	return &vaultv1.GetSealingResponse{Sealing: sealingToProto(got)}, nil
}

// UpdateSealing changes whether a workspace requires sealed values.
func (s *Server) UpdateSealing(ctx context.Context, req *vaultv1.UpdateSealingRequest) (*vaultv1.UpdateSealingResponse, error) {
	workspace, err := secret.ParseSealing(req.GetSealing().GetName())
	if err != nil {
		return nil, at("sealing.name", err)
	}
	call, err := s.call(ctx, vaultv1.VaultService_UpdateSealing_FullMethodName, workspace, req)
	if err != nil {
		return nil, err
	}
	set, err := s.secrets.SetSealing(ctx, call, workspace, secret.SealingChange{
		Required: req.GetSealing().GetRequired(), Etag: req.GetSealing().GetEtag(),
		Admin: auth.FromContext(ctx).SuperAdmin(),
	})
	if err != nil {
		return nil, err
	}
	return &vaultv1.UpdateSealingResponse{Sealing: sealingToProto(set)}, nil
}

// withoutSealed returns a request without the bytes of a sealed value, which do not identify a
// repeated request: package secret adds the value after opening it.
func withoutSealed(req proto.Message) proto.Message {
	if _, ok := req.(*vaultv1.CheckSecretValueRequest); ok {
		return new(vaultv1.CheckSecretValueRequest) // repeated requests are not recognized
	}
	if issued, ok := req.(*vaultv1.IssueSecretVersionRequest); ok {
		without := proto.CloneOf(issued)
		without.Value = &vaultv1.SealedValue{Text: issued.GetValue().GetText()}
		return without
	}
	of, ok := req.(interface{ GetSecret() *vaultv1.Secret })
	if !ok || of.GetSecret().GetValue().GetSealed() == nil {
		return req
	}
	without := proto.Clone(req)
	value := without.(interface{ GetSecret() *vaultv1.Secret }).GetSecret().GetValue()
	value.Source = &vaultv1.SecretValue_Sealed{Sealed: &vaultv1.SealedValue{Text: value.GetSealed().GetText()}}
	return without
}

func sealedFromProto(pb *vaultv1.SealedValue) (secret.Value, error) {
	if pb.GetSealTime().CheckValid() != nil || pb.GetSealTime().GetNanos() != 0 {
		return secret.Value{}, fault.Field(sealing.Field+".seal_time", "must be a time in whole seconds")
	}
	return secret.NewSealed(sealing.Sealed{
		KeyID: pb.GetKeyId(), Time: pb.GetSealTime().AsTime(), Ciphertext: pb.GetCiphertext(), Text: pb.GetText(),
	}), nil
}

func sealingToProto(s secret.Sealing) *vaultv1.Sealing {
	return &vaultv1.Sealing{
		Name: secret.SealingName(s.Workspace), Keys: each(s.Keys, sealingKeyToProto), Required: s.Required,
		Time: timestamppb.New(s.Now), Etag: s.Etag,
	}
}

func sealingKeyToProto(k sealing.Key) *vaultv1.SealingKey {
	pb := &vaultv1.SealingKey{KeyId: k.ID, PublicKey: k.Public, CreateTime: timestamppb.New(k.Created)}
	if !k.Expires.IsZero() {
		pb.ExpireTime = timestamppb.New(k.Expires)
	}
	return pb
}
