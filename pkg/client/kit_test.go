package client_test

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A script is a service with scripted responses. It simulates a server that is unavailable, or
// refuses, at the critical moment.
type script struct {
	vaultv1.UnimplementedVaultServiceServer
	allowlistv1.UnimplementedAllowlistServiceServer

	mu      sync.Mutex
	answers []error
	seen    []proto.Message
	secret  *vaultv1.Secret

	keys    []*ecdh.PrivateKey // the sealing keys, newest first
	earlier bool               // whether the release does not support sealed values
	asked   int                // for the keys
	clock   time.Time          // the current time if zero
}

// register adds both services. An earlier release has no GetSealing.
func (s *script) register(r grpc.ServiceRegistrar) {
	vault := vaultv1.VaultService_ServiceDesc
	vault.Methods = slices.DeleteFunc(slices.Clone(vault.Methods), func(m grpc.MethodDesc) bool {
		return s.earlier && m.MethodName == "GetSealing"
	})
	r.RegisterService(&vault, s)
	allowlistv1.RegisterAllowlistServiceServer(r, allowlistSide{s})
}

// ListWorkspaces is a method of both services, so that no type can have both.
func (s *script) ListWorkspaces(ctx context.Context, req *vaultv1.ListWorkspacesRequest) (*vaultv1.ListWorkspacesResponse, error) {
	return s.UnimplementedVaultServiceServer.ListWorkspaces(ctx, req)
}

// GetCheckpoint is a method of both services, too.
func (s *script) GetCheckpoint(ctx context.Context, req *vaultv1.GetCheckpointRequest) (*vaultv1.GetCheckpointResponse, error) {
	return s.UnimplementedVaultServiceServer.GetCheckpoint(ctx, req)
}

// ProveConsistency is a method of both services, too.
func (s *script) ProveConsistency(ctx context.Context, req *vaultv1.ProveConsistencyRequest) (*vaultv1.ProveConsistencyResponse, error) {
	return s.UnimplementedVaultServiceServer.ProveConsistency(ctx, req)
}

// allowlistSide is the script as an allowlist.
type allowlistSide struct{ *script }

// ListWorkspaces is the method of an allowlist.
func (s allowlistSide) ListWorkspaces(ctx context.Context, req *allowlistv1.ListWorkspacesRequest) (*allowlistv1.ListWorkspacesResponse, error) {
	return s.UnimplementedAllowlistServiceServer.ListWorkspaces(ctx, req)
}

// GetCheckpoint is the method of an allowlist.
func (s allowlistSide) GetCheckpoint(ctx context.Context, req *allowlistv1.GetCheckpointRequest) (*allowlistv1.GetCheckpointResponse, error) {
	return s.UnimplementedAllowlistServiceServer.GetCheckpoint(ctx, req)
}

// ProveConsistency is the method of an allowlist.
func (s allowlistSide) ProveConsistency(ctx context.Context, req *allowlistv1.ProveConsistencyRequest) (*allowlistv1.ProveConsistencyResponse, error) {
	return s.UnimplementedAllowlistServiceServer.ProveConsistency(ctx, req)
}

// fail sets the errors of the next calls; after them, calls succeed.
func (s *script) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers, s.seen = errs, nil
}

// answerWith sets the response of GetSecret.
func (s *script) answerWith(secret *vaultv1.Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

// take records a request and returns the next error.
func (s *script) take(req proto.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, proto.Clone(req))
	if len(s.answers) == 0 {
		return nil
	}
	err := s.answers[0]
	s.answers = s.answers[1:]
	return err
}

func (s *script) requests() []proto.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// turn replaces all keys with a new one.
func (s *script) turn(t testing.TB) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.set(key)
	return key
}

// set replaces the keys.
func (s *script) set(keys ...*ecdh.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

func (s *script) GetSealing(_ context.Context, req *vaultv1.GetSealingRequest) (*vaultv1.GetSealingResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	sealing := &vaultv1.Sealing{Name: req.GetName(), Time: timestamppb.New(s.clock)}
	if s.clock.IsZero() {
		sealing.Time = timestamppb.Now()
	}
	for _, key := range s.keys {
		sealing.Keys = append(sealing.Keys, &vaultv1.SealingKey{PublicKey: key.PublicKey().Bytes()})
	}
	return &vaultv1.GetSealingResponse{Sealing: sealing}, nil
}

func (s *script) CreateSecret(_ context.Context, req *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	return &vaultv1.CreateSecretResponse{Secret: &vaultv1.Secret{Name: "created"}}, s.take(req)
}

func (s *script) UpdateSecret(_ context.Context, req *vaultv1.UpdateSecretRequest) (*vaultv1.UpdateSecretResponse, error) {
	return &vaultv1.UpdateSecretResponse{Secret: &vaultv1.Secret{Name: "updated"}}, s.take(req)
}

func (s *script) CheckSecretValue(_ context.Context, req *vaultv1.CheckSecretValueRequest) (*vaultv1.CheckSecretValueResponse, error) {
	return &vaultv1.CheckSecretValueResponse{Same: true}, s.take(req)
}

func (s *script) GetSecret(_ context.Context, req *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	err := s.take(req)
	s.mu.Lock()
	defer s.mu.Unlock()
	return &vaultv1.GetSecretResponse{Secret: s.secret}, err
}

// WatchSecrets refuses.
func (s *script) WatchSecrets(*vaultv1.WatchSecretsRequest, grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	return refuse(codes.PermissionDenied, "PERMISSION_DENIED", "the caller must not watch secrets")
}

func (s *script) ActivateEndpoint(_ context.Context, req *allowlistv1.ActivateEndpointRequest) (*allowlistv1.ActivateEndpointResponse, error) {
	return &allowlistv1.ActivateEndpointResponse{Endpoint: &allowlistv1.Endpoint{}}, s.take(req)
}

func (s *script) VerifyEndpoint(_ context.Context, req *allowlistv1.VerifyEndpointRequest) (*allowlistv1.VerifyEndpointResponse, error) {
	return &allowlistv1.VerifyEndpointResponse{Endpoint: &allowlistv1.Endpoint{}}, s.take(req)
}

func (s *script) Encrypt(_ context.Context, req *allowlistv1.EncryptRequest) (*allowlistv1.EncryptResponse, error) {
	return &allowlistv1.EncryptResponse{
		Body: []byte("sealed"), ContentType: "text/plain", Exchange: "exchange",
		Headers:         []*allowlistv1.Parameter{parameter("x-signature", "a"), parameter("X-Signature", "b")},
		QueryParameters: []*allowlistv1.Parameter{parameter("key", "k")},
	}, s.take(req)
}

func (s *script) Decrypt(_ context.Context, req *allowlistv1.DecryptRequest) (*allowlistv1.DecryptResponse, error) {
	return &allowlistv1.DecryptResponse{Body: []byte("plain"), Exchange: "exchange"}, s.take(req)
}

func (s *script) VerifySignature(_ context.Context, req *allowlistv1.VerifySignatureRequest) (*allowlistv1.VerifySignatureResponse, error) {
	return &allowlistv1.VerifySignatureResponse{Id: "message"}, s.take(req)
}

func (s *script) RestoreSecretVersion(_ context.Context, req *vaultv1.RestoreSecretVersionRequest) (*vaultv1.RestoreSecretVersionResponse, error) {
	return &vaultv1.RestoreSecretVersionResponse{Version: &vaultv1.SecretVersion{Name: req.GetName()}}, s.take(req)
}

func (s *script) EnableSecretVersion(_ context.Context, req *vaultv1.EnableSecretVersionRequest) (*vaultv1.EnableSecretVersionResponse, error) {
	return &vaultv1.EnableSecretVersionResponse{Version: &vaultv1.SecretVersion{Name: req.GetName()}}, s.take(req)
}

func (s *script) DisableSecretVersion(_ context.Context, req *vaultv1.DisableSecretVersionRequest) (*vaultv1.DisableSecretVersionResponse, error) {
	return &vaultv1.DisableSecretVersionResponse{Version: &vaultv1.SecretVersion{Name: req.GetName()}}, s.take(req)
}

func (s *script) DestroySecretVersion(_ context.Context, req *vaultv1.DestroySecretVersionRequest) (*vaultv1.DestroySecretVersionResponse, error) {
	return &vaultv1.DestroySecretVersionResponse{Version: &vaultv1.SecretVersion{Name: req.GetName()}}, s.take(req)
}

// ListSecrets has three pages: with two secrets, none, and one.
func (s *script) ListSecrets(_ context.Context, req *vaultv1.ListSecretsRequest) (*vaultv1.ListSecretsResponse, error) {
	if err := s.take(req); err != nil {
		return nil, err
	}
	return map[string]*vaultv1.ListSecretsResponse{
		"":       {Secrets: []*vaultv1.Secret{{Name: "a"}, {Name: "b"}}, NextPageToken: "second"},
		"second": {NextPageToken: "third"},
		"third":  {Secrets: []*vaultv1.Secret{{Name: "c"}}},
	}[req.GetPageToken()], nil
}

// A kit is a server with the script, and the files for calling it.
type kit struct {
	*authority
	script *script
	config client.Config
}

func newKit(t *testing.T) *kit {
	t.Helper()
	return newKitOf(t, &script{})
}

func newKitOf(t *testing.T, s *script) *kit {
	t.Helper()
	k := &kit{authority: newAuthority(t), script: s}
	k.script.turn(t)
	k.config = client.Config{Address: k.serve(t, k.server(t)), CA: k.file}
	return k
}

// serve starts a server with the certificate and returns its address.
func (k *kit) serve(t *testing.T, cert tls.Certificate) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewServerTLSFromCert(&cert)))
	k.script.register(server)
	go func() { _ = server.Serve(lis) }()
	t.Cleanup(server.Stop)
	return lis.Addr().String()
}

func dial(t *testing.T, cfg client.Config) *grpc.ClientConn {
	t.Helper()
	conn, err := client.Dial(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (k *kit) vault(t *testing.T) client.Vault {
	t.Helper()
	return vaultAt(t, k.config)
}

func vaultAt(t *testing.T, cfg client.Config) client.Vault {
	t.Helper()
	return client.NewVault(dial(t, cfg))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	write(t, path, text)
	return path
}

const secretName = "workspaces/acme/secrets/key"

func get() *vaultv1.GetSecretRequest { return &vaultv1.GetSecretRequest{Name: secretName} }

func parameter(name, value string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
}
