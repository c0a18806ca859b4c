package vaultclient_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// A script is the vault at the other end of the connection. It sends what the test specifies.
type script struct {
	vaultv1.UnimplementedVaultServiceServer

	mu      sync.Mutex
	resolve func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error)
	bound   func(*vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error)
	reports []*vaultv1.ReportSecretUsesRequest
	asked   atomic.Int64
	// watches contains the incoming streams, in their order.
	watches chan *stage
}

// A stage is one stream of a script.
type stage struct {
	request *vaultv1.WatchSecretsRequest
	say     chan *vaultv1.WatchSecretsResponse
	end     chan error
}

func (s *script) ResolveSecret(ctx context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
	s.asked.Add(1)
	s.mu.Lock()
	resolve := s.resolve
	s.mu.Unlock()
	return resolve(ctx, req)
}

func (s *script) BindSecret(_ context.Context, req *vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound(req)
}

func (s *script) ReportSecretUses(_ context.Context, req *vaultv1.ReportSecretUsesRequest) (*vaultv1.ReportSecretUsesResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reports = append(s.reports, req)
	return &vaultv1.ReportSecretUsesResponse{}, nil
}

func (s *script) WatchSecrets(req *vaultv1.WatchSecretsRequest, stream grpc.ServerStreamingServer[vaultv1.WatchSecretsResponse]) error {
	on := &stage{req, make(chan *vaultv1.WatchSecretsResponse), make(chan error)}
	select {
	case s.watches <- on:
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
	for {
		select {
		case m := <-on.say:
			if err := stream.Send(m); err != nil {
				return err
			}
		case err := <-on.end:
			return err
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}

// answers makes the vault answer all questions, at a position.
func (s *script) answers(at *vaultv1.Position, value string) {
	s.replies(func(_ context.Context, req *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error) {
		return reply(at, value, req), nil
	})
}

func (s *script) replies(resolve func(context.Context, *vaultv1.ResolveSecretRequest) (*vaultv1.ResolveSecretResponse, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resolve = resolve
}

func (s *script) binds(bound func(*vaultv1.BindSecretRequest) (*vaultv1.BindSecretResponse, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound = bound
}

func reply(at *vaultv1.Position, value string, req *vaultv1.ResolveSecretRequest) *vaultv1.ResolveSecretResponse {
	return &vaultv1.ResolveSecretResponse{
		Value: []byte(value), Version: max(req.GetVersion(), 1), Usage: vaultv1.Usage_USAGE_KEY, Position: at,
	}
}

// refusal is the vault's error for a reason.
func refusal(t *testing.T, code codes.Code, reason string) error {
	t.Helper()
	st, err := status.New(code, "").WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "keyward.dev"})
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// A bench is a cached vault in front of a script.
type bench struct {
	*script
	vault   *vaultclient.Vault
	log     *servertest.Log
	ahead   atomic.Int64
	metrics *prometheus.Registry
	// deleted receives the secrets that are reported as deleted.
	deleted chan string
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{script: &script{watches: make(chan *stage)}, log: &servertest.Log{}, metrics: prometheus.NewRegistry(), deleted: make(chan string, 8)}
	b.answers(at(10), "first")
	lis := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	vaultv1.RegisterVaultServiceServer(server, b.script)
	go func() { _ = server.Serve(lis) }() // until it is stopped
	conn, err := grpc.NewClient("passthrough:vault",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	b.vault, err = vaultclient.New(conn, vaultclient.Freshness{
		Metrics:  b.metrics,
		Logger:   slog.New(slog.NewTextHandler(b.log, nil)),
		Deleted:  func(secret, uid, _ string) { b.deleted <- secret + "#" + uid },
		MaxStale: time.Minute, Now: func() time.Time { return time.Now().Add(time.Duration(b.ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		b.vault.Watch(ctx)
		close(done)
	}()
	t.Cleanup(func() {
		stop()
		<-done
		server.Stop()
		conn.Close()
	})
	return b
}

func at(sequence uint64) *vaultv1.Position {
	return &vaultv1.Position{Epoch: "epoch", Sequence: sequence}
}

func beat(sequence uint64) *vaultv1.WatchSecretsResponse {
	return &vaultv1.WatchSecretsResponse{Position: at(sequence)}
}

func changed(id string, sequence uint64) *vaultv1.WatchSecretsResponse {
	return &vaultv1.WatchSecretsResponse{
		Events: []*vaultv1.SecretEvent{{Secret: nameOf(id), Sequence: sequence}}, Position: at(sequence + 1),
	}
}

func nameOf(id string) string { return "workspaces/acme/secrets/" + id }

// watched waits for the watch, and starts it at position 10.
func (b *bench) watched(t testing.TB) *stage {
	t.Helper()
	on := b.next(t)
	if on.request.GetParent() != "workspaces/-" || on.request.GetPosition() != nil {
		t.Fatalf("the watch starts with %v", on.request)
	}
	on.say <- beat(10)
	on.say <- beat(10) // so that the first one has been received
	return on
}

func (b *bench) next(t testing.TB) *stage {
	t.Helper()
	select {
	case on := <-b.watches:
		return on
	case <-time.After(10 * time.Second):
		t.Fatal("no watch started in time")
		return nil
	}
}

func (b *bench) get(t testing.TB, want vaultclient.Want) string {
	t.Helper()
	keys, err := b.vault.Resolve(t.Context(), []vaultclient.Want{want})
	if err != nil {
		t.Fatal(err)
	}
	defer vaultclient.Zero(keys) // as every caller does
	return string(keys[0].Value.Reveal())
}

func want(id string) vaultclient.Want { return vaultclient.Want{Secret: nameOf(id), UID: "uid"} }

// until polls until the answer has the wanted value.
func (b *bench) until(t testing.TB, w vaultclient.Want, value string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for b.get(t, w) != value {
		if time.Now().After(deadline) {
			t.Fatalf("Resolve(%s) did not become %q in time", w.Secret, value)
		}
	}
}

// kept waits until a want is answered from the cache.
func (b *bench) kept(t testing.TB, w vaultclient.Want) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		before := b.asked.Load()
		b.get(t, w)
		if b.asked.Load() == before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing was cached in time")
		}
	}
}
