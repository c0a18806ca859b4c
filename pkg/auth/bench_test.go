package auth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/auth"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func BenchmarkAuthenticate(b *testing.B) {
	w := newWorld(b)
	known := bearing(b.Context(), "authorization", "Bearer "+w.token(b, "olivia", nil))
	tokens := make([]context.Context, 20_000)
	for i := range tokens {
		tokens[i] = bearing(b.Context(), "authorization", "Bearer "+w.token(b, "olivia", map[string]any{"n": i}))
	}
	next := 0
	for name, request := range map[string]func() context.Context{
		"remembered": func() context.Context { return known },
		// More tokens than are remembered, so that each is forgotten by its next turn.
		"new": func() context.Context { next++; return tokens[next%len(tokens)] },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.authn.Authenticate(request()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGuard(b *testing.B) {
	server := grpc.NewServer()
	vaultv1.RegisterVaultServiceServer(server, vaultv1.UnimplementedVaultServiceServer{})
	guard, err := auth.NewGuard(server.GetServiceInfo())
	if err != nil {
		b.Fatal(err)
	}
	ctx := auth.NewContext(b.Context(), auth.Principal{Grants: []auth.Grant{{Role: accessv1.Role_ROLE_OWNER, Workspace: "acme"}}})
	request := &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: "workspaces/acme/secrets/s"}}
	info := &grpc.UnaryServerInfo{FullMethod: vaultv1.VaultService_UpdateSecret_FullMethodName}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := guard.Unary(ctx, request, info, func(context.Context, any) (any, error) { return nil, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
