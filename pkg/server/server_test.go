package server_test

import (
	"cmp"
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// canary must not appear in any output of the server about a request.
const canary = "canary-6f1d0c2ab7e94358"

const name = "workspaces/acme/secrets/x"

// handler is what a test has the server do with GetSecret.
type handler func(context.Context) error

// fake is a vault at the far edge: GetSecret and WatchSecrets are the test's,
// CreateSecret does nothing.
type fake struct {
	vaultv1.UnimplementedVaultServiceServer
	get   handler
	watch func(grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error
	sizes map[string]int
	// response is what GetSecret returns, if not nil.
	response *vaultv1.GetSecretResponse
}

func (f *fake) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, f) }

func (f *fake) Close() error { return nil }

func (f *fake) MaxReceiveBytes() map[string]int { return f.sizes }

func (f *fake) GetSecret(ctx context.Context, _ *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	if f.get != nil {
		if err := f.get(ctx); err != nil {
			return nil, err
		}
	}
	return cmp.Or(f.response, &vaultv1.GetSecretResponse{}), nil
}

func (f *fake) CreateSecret(context.Context, *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	return &vaultv1.CreateSecretResponse{}, nil
}

func (f *fake) WatchSecrets(_ *vaultv1.WatchSecretsRequest, stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	if f.watch == nil {
		return nil
	}
	return f.watch(stream)
}

// serve starts a server with the handler and returns a client of the caller's.
func serve(t *testing.T, env *servertest.Env, as servertest.Caller, get handler) vaultv1.VaultServiceClient {
	t.Helper()
	return vaultv1.NewVaultServiceClient(env.Dial(t, env.Serve(t, &fake{get: get}), as))
}

func getSecret(t *testing.T, client vaultv1.VaultServiceClient, options ...grpc.CallOption) error {
	t.Helper()
	_, err := client.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: name}, options...)
	return err
}

// eventually waits until done, or fails the test after some seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("%s did not happen in time", what)
		}
	}
}
