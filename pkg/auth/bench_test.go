package auth_test

import (
	"context"
	"fmt"
	"strings"
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
	few := auth.Principal{Grants: []auth.Grant{{Role: accessv1.Role_ROLE_OWNER, Workspace: "acme"}}}
	request := &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: "workspaces/acme/secrets/s"}}
	rule := guard.Rule(vaultv1.VaultService_UpdateSecret_FullMethodName)
	for name, p := range map[string]auth.Principal{"one grant": few, "many grants": manyGrants(b)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := rule.Admit(&p, rule.Resource(request)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// manyGrants returns the owner of 1,000 workspaces, of which acme is the last.
func manyGrants(b *testing.B) auth.Principal {
	b.Helper()
	w := newWorld(b)
	names := make([]string, 999)
	for i := range names {
		names[i] = fmt.Sprintf("w%d", i)
	}
	w.grant(b, "people: [{issuer: %[1]s, claim: sub, value: olivia, role: owner, workspaces: ["+strings.Join(names, ", ")+", acme]}]")
	p, err := w.authn.Authenticate(bearing(b.Context(), "authorization", "Bearer "+w.token(b, "olivia", nil)))
	if err != nil {
		b.Fatal(err)
	}
	return p
}
