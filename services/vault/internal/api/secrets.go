package api

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/resource"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// CreateSecret stores a secret.
func (s *Server) CreateSecret(ctx context.Context, req *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	name, err := secret.NewName(workspace, req.GetSecretId())
	if err != nil {
		return nil, at("secret_id", err)
	}
	call, err := s.call(ctx, vaultv1.VaultService_CreateSecret_FullMethodName, workspace, req)
	if err != nil {
		return nil, err
	}
	draft, err := draftFromProto(workspace, req.GetSecret())
	if err != nil {
		return nil, err
	}
	if err := mayExpose(ctx, draft.Usage, req.GetReason()); err != nil {
		draft.Value.Zero()
		return nil, err
	}
	created, err := s.secrets.Create(ctx, call, name, draft)
	if err != nil {
		return nil, err
	}
	return &vaultv1.CreateSecretResponse{Secret: secretToProto(created)}, nil
}

// mayExpose fails unless the caller may store a key that sent messages reveal: the promise that a
// value cannot be read does not hold for it.
func mayExpose(ctx context.Context, usage secret.Usage, reason string) error {
	switch {
	case usage != secret.ExposedKey:
		return nil
	case !auth.FromContext(ctx).SuperAdmin():
		return fault.New(fault.PermissionDenied, fault.Denied,
			"only a super admin may store an EXPOSED_KEY: senders can compute it, so the promise that a value cannot be read does not hold for it")
	case strings.TrimSpace(reason) == "":
		return fault.Field("reason", "must say why the key may be exposed: senders can compute it")
	}
	return nil
}

// GetSecret returns a secret with its encrypted representation and its public key.
func (s *Server) GetSecret(ctx context.Context, req *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	got, stored, err := s.secrets.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	pb := secretToProto(got)
	pb.Purpose = purposeToProto(stored.PurposeState, stored.Purpose)
	pb.EncryptedValue = sealedToProto(stored.Sealed)
	if pb.PublicKey, err = publicToProto(stored.Public); err != nil {
		return nil, err
	}
	return &vaultv1.GetSecretResponse{Secret: pb}, nil
}

// ListSecrets returns a page of a workspace's secrets.
func (s *Server) ListSecrets(ctx context.Context, req *vaultv1.ListSecretsRequest) (*vaultv1.ListSecretsResponse, error) {
	workspace, err := resource.ParseWorkspace(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	p, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	query, err := queryFromProto(workspace, req, p)
	if err != nil {
		return nil, err
	}
	scans := s.secrets.Scans(query)
	shown := shownPage{left: p.Limit}
	secrets, next, err := secret.List(ctx, s.secrets, query, shown.of)
	if err != nil {
		return nil, err
	}
	return &vaultv1.ListSecretsResponse{
		Secrets: secrets, NextPageToken: seal(next), IndexIncomplete: scans,
	}, nil
}

// UpdateSecret changes the fields that the mask names. A value adds a version.
func (s *Server) UpdateSecret(ctx context.Context, req *vaultv1.UpdateSecretRequest) (*vaultv1.UpdateSecretResponse, error) {
	name, err := secret.ParseName(req.GetSecret().GetName())
	if err != nil {
		return nil, at("secret.name", err)
	}
	call, err := s.call(ctx, vaultv1.VaultService_UpdateSecret_FullMethodName, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	change, err := changeFromProto(req)
	if err != nil {
		return nil, err
	}
	if change.Shared != nil && *change.Shared && !auth.FromContext(ctx).SuperAdmin() {
		change.Value.Zero()
		return nil, fault.New(fault.PermissionDenied, fault.Denied, "only a super admin may share an existing key; an owner may share a key when creating it")
	}
	change.Admin = auth.FromContext(ctx).SuperAdmin()
	updated, err := s.secrets.Update(ctx, call, name, change)
	if err != nil {
		return nil, err
	}
	return &vaultv1.UpdateSecretResponse{Secret: secretToProto(updated)}, nil
}

// DeleteSecret deletes a secret, for good unless the vault has a grace. Only super admins may force a deletion, which the access
// option of the method cannot express.
func (s *Server) DeleteSecret(ctx context.Context, req *vaultv1.DeleteSecretRequest) (*vaultv1.DeleteSecretResponse, error) {
	if req.GetForce() && !auth.FromContext(ctx).SuperAdmin() {
		return nil, fault.New(fault.PermissionDenied, fault.Denied, "only a super admin may force a deletion")
	}
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	if req.GetForce() && strings.TrimSpace(req.GetReason()) == "" {
		return nil, fault.Field("reason", "must say why the deletion is forced")
	}
	call, err := s.call(ctx, vaultv1.VaultService_DeleteSecret_FullMethodName, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	purge, err := s.secrets.Delete(ctx, call, name, secret.Deletion{Etag: req.GetEtag(), Force: req.GetForce()})
	if err != nil {
		return nil, err
	}
	return &vaultv1.DeleteSecretResponse{PurgeTime: timeToProto(purge)}, nil
}

// UndeleteSecret brings a deleted secret back.
func (s *Server) UndeleteSecret(ctx context.Context, req *vaultv1.UndeleteSecretRequest) (*vaultv1.UndeleteSecretResponse, error) {
	name, err := secret.ParseName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := s.call(ctx, vaultv1.VaultService_UndeleteSecret_FullMethodName, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	back, err := s.secrets.Undelete(ctx, call, name)
	if err != nil {
		return nil, err
	}
	return &vaultv1.UndeleteSecretResponse{Secret: secretToProto(back)}, nil
}

// ListSecretHistory returns a page of the change log.
func (s *Server) ListSecretHistory(ctx context.Context, req *vaultv1.ListSecretHistoryRequest) (*vaultv1.ListSecretHistoryResponse, error) {
	name, err := secret.ParseNameOrAny(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	p, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	events, next, err := s.secrets.History(ctx, name, p)
	if err != nil {
		return nil, err
	}
	return &vaultv1.ListSecretHistoryResponse{Changes: each(events, eventToProto), NextPageToken: seal(next)}, nil
}
