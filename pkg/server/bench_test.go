package server_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// echo is a vault without any work of its own: each response has a value of 256 bytes.
type echo struct {
	vaultv1.UnimplementedVaultServiceServer
}

var echoed = make([]byte, 256)

func (echo) Register(r grpc.ServiceRegistrar) { vaultv1.RegisterVaultServiceServer(r, echo{}) }

func (echo) Close() error { return nil }

func (echo) ResolveSecret(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
	return &vaultv1.ResolveSecretResponse{Value: echoed, Version: 1, Usage: vaultv1.Usage_USAGE_KEY}, nil
}

func (echo) GetSecret(context.Context, *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	return &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{Name: name, Description: string(echoed)}}, nil
}

// BenchmarkChain compares the chain, without and with access records, with a bare server of the
// library that has the same TLS and returns the same responses. The callers run in another process, so CPU time and allocations are
// those of the server.
func BenchmarkChain(b *testing.B) {
	env := servertest.New(b)
	resolver, owner := env.Resolver(b), env.Owner(b, "acme")
	for _, callers := range []int{16, 64} {
		for _, as := range []struct {
			method string
			caller servertest.Caller
		}{{"resolve", resolver}, {"get", owner}} {
			b.Run(fmt.Sprintf("%s/%d/bare", as.method, callers), func(b *testing.B) {
				runLoad(b, env, as.caller, serveBare(b, env), as.method, callers)
			})
			b.Run(fmt.Sprintf("%s/%d/chain", as.method, callers), func(b *testing.B) {
				runLoad(b, env, as.caller, serveChain(b, env.Config()), as.method, callers)
			})
			b.Run(fmt.Sprintf("%s/%d/recorded", as.method, callers), func(b *testing.B) {
				cfg := env.Config()
				cfg.AccessLog.File = filepath.Join(b.TempDir(), "access.log")
				runLoad(b, env, as.caller, serveChain(b, cfg), as.method, callers)
			})
		}
	}
}

// serveBare serves the echo without the chain.
func serveBare(b *testing.B, env *servertest.Env) string {
	b.Helper()
	cert, err := env.Authority.ServerCertificate("127.0.0.1")
	if err != nil {
		b.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: env.Authority.Pool(),
	})))
	echo{}.Register(s)
	lis := listen(b)
	go func() { _ = s.Serve(lis) }()
	b.Cleanup(s.Stop)
	return lis.Addr().String()
}

// serveChain serves the echo with the log of a program in a file, at level info.
func serveChain(b *testing.B, cfg server.Config) string {
	b.Helper()
	log, err := os.Create(filepath.Join(b.TempDir(), "log"))
	if err != nil {
		b.Fatal(err)
	}
	cfg.Telemetry.Log.Level = "info"
	observed, err := telemetry.New(b.Context(), cfg.Telemetry, "bench", log)
	if err != nil {
		b.Fatal(err)
	}
	s, err := server.New(cfg, observed, echo{})
	if err != nil {
		b.Fatal(err)
	}
	lis := listen(b)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, lis) }()
	b.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return lis.Addr().String()
}

func listen(b *testing.B) net.Listener {
	b.Helper()
	lis, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return lis
}
