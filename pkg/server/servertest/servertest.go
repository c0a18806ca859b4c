// Package servertest starts the real server for tests of services: a TLS listener on
// the loopback interface, an OIDC issuer that signs tokens, a certificate authority
// that names workloads, a policy file, the whole chain. Nothing in it is faked, so
// what a test sees is what a caller gets.
//
//	env := servertest.New(t)
//	addr := env.Serve(t, vault)
//	owner := vaultv1.NewVaultServiceClient(env.Dial(t, addr, env.Owner(t, "acme")))
//
// Callers can be asked for before and after a server was started: each new one
// extends the policy, which the servers reload.
package servertest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
)

const (
	// Audience is the audience of the tokens.
	Audience = "keyward"
	// TrustDomain is the SPIFFE trust domain of the workloads.
	TrustDomain = "keyward.test"
)

// An Env is the surroundings of servers under test.
type Env struct {
	// Authority issues the certificates of servers and workloads.
	Authority *authtest.Authority
	// Issuer signs the tokens of people.
	Issuer *authtest.Issuer
	// Log keeps what the servers log.
	Log *Log
	// Logger writes to Log. It is for the services under test.
	Logger *slog.Logger

	dir       string
	configure []func(*server.Config)

	mu      sync.Mutex
	policy  policy
	running map[*server.Server]bool
}

// New makes surroundings that end with the test. The functions change the
// configuration of each server.
func New(t testing.TB, configure ...func(*server.Config)) *Env {
	t.Helper()
	authority, err := authtest.New()
	check(t, "make authority", err)
	e := &Env{
		Authority: authority, Log: &Log{}, dir: t.TempDir(), configure: configure,
		running: make(map[*server.Server]bool),
	}
	e.Logger = telemetry.NewLogger(e.Log, slog.LevelDebug, "test")
	e.Issuer = serveIssuer(t, authority)
	check(t, "write trust", authority.WriteTrust(e.TrustFile()))
	cert, err := authority.ServerCertificate("localhost", "127.0.0.1")
	check(t, "issue server certificate", err)
	check(t, "write server certificate", authtest.WriteCertificate(e.path("server.pem"), e.path("server.key"), cert))
	check(t, "write policy", e.policy.write(e.path("policy.yaml")))
	return e
}

// serveIssuer serves the discovery document and the keys of a new issuer over TLS.
func serveIssuer(t testing.TB, authority *authtest.Authority) *authtest.Issuer {
	t.Helper()
	cert, err := authority.ServerCertificate("127.0.0.1")
	check(t, "issue certificate of the issuer", err)
	srv := httptest.NewUnstartedServer(nil)
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	issuer, err := authtest.NewIssuer("https://" + srv.Listener.Addr().String())
	check(t, "make issuer", err)
	srv.Config.Handler = issuer.Handler()
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return issuer
}

// Config returns the configuration that servers are started with.
func (e *Env) Config() server.Config {
	cfg := server.Config{
		Listen: "127.0.0.1:0",
		TLS: server.TLSConfig{
			Certificate: e.path("server.pem"),
			Key:         e.path("server.key"),
			ClientTrust: e.TrustFile(),
			TrustDomain: TrustDomain,
		},
		Auth: server.AuthConfig{
			Issuers: []auth.IssuerConfig{{URL: e.Issuer.URL(), Audience: Audience, CAFile: e.TrustFile()}},
			Policy:  e.path("policy.yaml"),
		},
		Telemetry: telemetry.Config{Log: telemetry.LogConfig{Level: "debug"}},
	}
	for _, change := range e.configure {
		change(&cfg)
	}
	return cfg
}

// TrustFile is the file with the certificate that clients of the servers trust.
func (e *Env) TrustFile() string { return e.path("ca.pem") }

func (e *Env) path(name string) string { return filepath.Join(e.dir, name) }

// A Running is a server that serves.
type Running struct {
	// Addr is the address to dial.
	Addr string
	// Telemetry is what the server observes itself with.
	Telemetry *telemetry.Telemetry

	stop func()
}

// Stop drains the server and closes its services. It may be called more than once.
func (r *Running) Stop() { r.stop() }

// Serve starts a server for the services, which it owns from then on, and returns
// its address. The server stops with the test.
func (e *Env) Serve(t testing.TB, services ...server.Service) string {
	t.Helper()
	return e.Start(t, services...).Addr
}

// Start is Serve for tests that stop the server themselves.
func (e *Env) Start(t testing.TB, services ...server.Service) *Running {
	t.Helper()
	cfg := e.Config()
	observed, err := telemetry.New(t.Context(), cfg.Telemetry, "test", e.Log)
	check(t, "make telemetry", err)
	e.Log.follow(observed.Flush)
	s, err := server.New(cfg, observed, services...)
	check(t, "make server", err)
	lis, err := new(net.ListenConfig).Listen(t.Context(), "tcp", cfg.Listen)
	check(t, "listen", err)

	// The test's own context ends before its cleanups run, and some of them still call.
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, lis) }()
	e.follow(t, s)
	r := &Running{Addr: lis.Addr().String(), Telemetry: observed}
	r.stop = sync.OnceFunc(func() {
		e.forget(s)
		cancel()
		check(t, "serve", <-served)
		for i := len(services) - 1; i >= 0; i-- {
			check(t, "close service", services[i].Close())
		}
	})
	t.Cleanup(r.stop)
	return r
}

// Dial returns a connection on which every call is the caller's.
func (e *Env) Dial(t testing.TB, addr string, as Caller) *grpc.ClientConn {
	t.Helper()
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: e.Authority.Pool()}
	if as.Certificate != nil {
		cfg.Certificates = []tls.Certificate{*as.Certificate}
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials.NewTLS(cfg)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
	}
	if as.Token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(as.Token)))
	}
	conn, err := grpc.NewClient(addr, options...)
	check(t, "dial", err)
	t.Cleanup(func() { check(t, "close connection", conn.Close()) })
	return conn
}

// check ends the test if err is not nil.
func check(t testing.TB, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
