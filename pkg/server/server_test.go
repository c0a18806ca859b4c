package server_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// fake is a vault whose methods are functions of the test.
type fake struct {
	vaultv1.UnimplementedVaultServiceServer
	get    func(context.Context, *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error)
	create func(context.Context, *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error)
	sizes  map[string]int
}

func (f *fake) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, f) }

func (f *fake) Close() error { return nil }

func (f *fake) MaxReceiveBytes() map[string]int { return f.sizes }

func (f *fake) GetSecret(ctx context.Context, req *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	if f.get == nil {
		return &vaultv1.GetSecretResponse{}, nil
	}
	return f.get(ctx, req)
}

func (f *fake) CreateSecret(ctx context.Context, req *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	if f.create == nil {
		return &vaultv1.CreateSecretResponse{}, nil
	}
	return f.create(ctx, req)
}

func TestRequestPassesTheChain(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	owner := env.Owner(t, "acme")
	var seen auth.Principal
	addr := env.Serve(t, &fake{get: func(ctx context.Context, _ *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
		seen = auth.FromContext(ctx)
		return &vaultv1.GetSecretResponse{}, nil
	}})
	_, err := vaultv1.NewVaultServiceClient(env.Dial(t, addr, owner)).
		GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: "workspaces/acme/secrets/x"})
	if status.Code(err) != codes.OK {
		t.Fatalf("GetSecret() = %v, want OK\n%s", err, env.Log)
	}
	if seen.Subject != owner.Subject {
		t.Errorf("principal = %q, want %q", seen.Subject, owner.Subject)
	}
	t.Log(env.Log)
}
