package api

import (
	"context"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// ListSecretVersions returns a page of a secret's versions.
func (s *Server) ListSecretVersions(ctx context.Context, req *vaultv1.ListSecretVersionsRequest) (*vaultv1.ListSecretVersionsResponse, error) {
	name, err := secret.ParseName(req.GetParent())
	if err != nil {
		return nil, at("parent", err)
	}
	p, seal, err := s.page(ctx, req)
	if err != nil {
		return nil, err
	}
	versions, next, err := s.secrets.Versions(ctx, name, p)
	if err != nil {
		return nil, err
	}
	toProto := func(v secret.Version) *vaultv1.SecretVersion { return versionToProto(name, v) }
	return &vaultv1.ListSecretVersionsResponse{Versions: each(versions, toProto), NextPageToken: seal(next)}, nil
}

// RestoreSecretVersion makes a version current again.
func (s *Server) RestoreSecretVersion(ctx context.Context, req *vaultv1.RestoreSecretVersionRequest) (*vaultv1.RestoreSecretVersionResponse, error) {
	v, err := s.changeVersion(ctx, vaultv1.VaultService_RestoreSecretVersion_FullMethodName, req, s.secrets.Restore)
	if err != nil {
		return nil, err
	}
	return &vaultv1.RestoreSecretVersionResponse{Version: v}, nil
}

// EnableSecretVersion allows a disabled version to be resolved again.
func (s *Server) EnableSecretVersion(ctx context.Context, req *vaultv1.EnableSecretVersionRequest) (*vaultv1.EnableSecretVersionResponse, error) {
	v, err := s.changeVersion(ctx, vaultv1.VaultService_EnableSecretVersion_FullMethodName, req, s.secrets.Enable)
	if err != nil {
		return nil, err
	}
	return &vaultv1.EnableSecretVersionResponse{Version: v}, nil
}

// DisableSecretVersion prevents a version from being resolved.
func (s *Server) DisableSecretVersion(ctx context.Context, req *vaultv1.DisableSecretVersionRequest) (*vaultv1.DisableSecretVersionResponse, error) {
	v, err := s.changeVersion(ctx, vaultv1.VaultService_DisableSecretVersion_FullMethodName, req, s.secrets.Disable)
	if err != nil {
		return nil, err
	}
	return &vaultv1.DisableSecretVersionResponse{Version: v}, nil
}

// DestroySecretVersion removes the value of a version for good.
func (s *Server) DestroySecretVersion(ctx context.Context, req *vaultv1.DestroySecretVersionRequest) (*vaultv1.DestroySecretVersionResponse, error) {
	destroy := func(ctx context.Context, call secret.Call, name secret.VersionName, etag string) (secret.Version, error) {
		if req.GetForce() && strings.TrimSpace(req.GetReason()) == "" {
			return secret.Version{}, fault.Field("reason", "must say why the destruction is forced")
		}
		return s.secrets.Destroy(ctx, call, name, secret.Deletion{Etag: etag, Force: req.GetForce()})
	}
	v, err := s.changeVersion(ctx, vaultv1.VaultService_DestroySecretVersion_FullMethodName, req, destroy)
	if err != nil {
		return nil, err
	}
	return &vaultv1.DestroySecretVersionResponse{Version: v}, nil
}

// A versionChange is a request that changes a version.
type versionChange interface {
	change
	GetName() string
	GetEtag() string
}

// changeVersion implements the common part of the changes of a version.
func (s *Server) changeVersion(ctx context.Context, method string, req versionChange,
	do func(context.Context, secret.Call, secret.VersionName, string) (secret.Version, error),
) (*vaultv1.SecretVersion, error) {
	name, err := secret.ParseVersionName(req.GetName())
	if err != nil {
		return nil, at("name", err)
	}
	call, err := s.call(ctx, method, name.Workspace, req)
	if err != nil {
		return nil, err
	}
	changed, err := do(ctx, call, name, req.GetEtag())
	if err != nil {
		return nil, err
	}
	return versionToProto(name.Name, changed), nil
}
