package auth_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// wire is the far end of a stream: it delivers one request, and counts responses.
type wire struct {
	grpc.ServerStream
	ctx    context.Context
	parent string
	sent   int
}

func (w *wire) Context() context.Context { return w.ctx }

func (w *wire) RecvMsg(into any) error {
	into.(*vaultv1.WatchSecretsRequest).Parent = w.parent
	return nil
}

func (w *wire) SendMsg(any) error {
	w.sent++
	return nil
}

func TestStreamEndsWhenTheTokenExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grant(t, `
workloads:
- {issuer: %[1]s, subject: watcher, role: resolver, workspaces: [acme]}
`)
	server := grpc.NewServer()
	vaultv1.RegisterVaultServiceServer(server, vaultv1.UnimplementedVaultServiceServer{})
	guard, err := auth.NewGuard(server.GetServiceInfo())
	if err != nil {
		t.Fatal(err)
	}
	token := metadata.Pairs("authorization", "Bearer "+w.token(t, "watcher", nil))
	far := &wire{ctx: metadata.NewIncomingContext(t.Context(), token), parent: "workspaces/acme"}
	p, err := w.authn.Authenticate(far.ctx)
	if err != nil {
		t.Fatal(err)
	}
	stream := w.authn.Stream(far, guard.Rule(vaultv1.VaultService_WatchSecrets_FullMethodName), p)
	if err := stream.SendMsg(&vaultv1.WatchSecretsResponse{}); !fault.Is(err, fault.Denied) {
		t.Errorf("SendMsg before there is a request = %v, want PERMISSION_DENIED", err)
	}
	if err := stream.RecvMsg(&vaultv1.WatchSecretsRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := stream.SendMsg(&vaultv1.WatchSecretsResponse{}); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(2 * time.Hour)
	err = stream.SendMsg(&vaultv1.WatchSecretsResponse{})
	if !fault.Is(err, fault.CredentialsInvalid) || far.sent != 1 {
		t.Errorf("a stream that outlasts its token = %v after %d responses, want CREDENTIALS_INVALID after 1", err, far.sent)
	}
}
