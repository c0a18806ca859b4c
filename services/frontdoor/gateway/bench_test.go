package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	vaultgw "github.com/keyward/keyward/proto/gen/gateway/keyward/vault/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

var requests = []struct{ name, method, path, body string }{
	{"Get", "GET", secret, ""},
	{"List", "GET", secrets + "?pageSize=50", ""},
	{"Create", "POST", secrets + "?secretId=a", `{"description":"d","labels":{"env":"prod"},"value":{"text":"of some length, as keys have"}}`},
	{"Update", "PATCH", secret, `{"description":"d","etag":"3","value":{"text":"of some length, as keys have"}}`},
}

// BenchmarkHandler compares the handlers alone, without a network.
func BenchmarkHandler(b *testing.B) {
	for _, r := range requests {
		for name, serve := range map[string]func(testing.TB, grpc.ClientConnInterface) http.Handler{"ours": door, "bare": bareMux} {
			b.Run(r.name+"/"+name, func(b *testing.B) {
				handler := serve(b, new(inProcess))
				w := &discard{header: make(http.Header)}
				b.ReportAllocs()
				before := cpu(b)
				for b.Loop() {
					clear(w.header)
					in := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
					in.Header.Set("Authorization", "Bearer of-somebody")
					if handler.ServeHTTP(w, in); w.code >= http.StatusBadRequest {
						b.Fatalf("answer = %d", w.code)
					}
				}
				b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/1000, "cpu-µs/op")
			})
		}
	}
}

// inProcess is a connection to a constant vault without a network.
type inProcess struct{ recorder }

func (*inProcess) Invoke(ctx context.Context, rpc string, in, out any, _ ...grpc.CallOption) error {
	var answer proto.Message
	var err error
	switch in := in.(type) {
	case *vaultv1.GetSecretRequest:
		answer, err = constant{}.GetSecret(ctx, in)
	case *vaultv1.ListSecretsRequest:
		answer, err = constant{}.ListSecrets(ctx, in)
	case *vaultv1.CreateSecretRequest:
		answer, err = constant{}.CreateSecret(ctx, in)
	case *vaultv1.UpdateSecretRequest:
		answer, err = constant{}.UpdateSecret(ctx, in)
	}
	proto.Merge(out.(proto.Message), answer)
	return err
}

// discard is a response that discards its body.
type discard struct {
	header http.Header
	code   int
}

func (w *discard) Header() http.Header         { return w.header }
func (w *discard) WriteHeader(code int)        { w.code = code }
func (w *discard) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkGateway compares the gateway with a bare mux of grpc-gateway. Both have the same client,
// the same backend, and TLS on both sides, all in this process: the difference of two results is
// the difference of the gateways. Run it several times with -count=1, so that the runs alternate.
func BenchmarkGateway(b *testing.B) {
	for _, r := range requests {
		for _, callers := range []int{1, 16, 64} {
			for _, front := range []struct {
				name   string
				handle func(testing.TB, grpc.ClientConnInterface) http.Handler
				serve  func(http.Handler, *tls.Config) *http.Server
			}{
				{"ours", door, func(h http.Handler, cfg *tls.Config) *http.Server { return gateway.Server("", h, cfg, nil) }},
				{"bare", bareMux, func(h http.Handler, cfg *tls.Config) *http.Server { return &http.Server{Handler: h, TLSConfig: cfg} }},
			} {
				b.Run(fmt.Sprintf("%s/%d/%s", r.name, callers, front.name), func(b *testing.B) {
					cert, roots := certificate(b)
					conn := dialTLS(b, serveVault(b, cert), roots)
					lis := listen(b)
					srv := front.serve(front.handle(b, conn), cert)
					go srv.ServeTLS(lis, "", "")
					b.Cleanup(func() { srv.Close() })
					load(b, lis.Addr().String(), roots, callers, request(r.method, r.path, r.body))
				})
			}
		}
	}
}

func door(t testing.TB, conn grpc.ClientConnInterface) http.Handler {
	handler, err := gateway.New(gateway.Config{}, backends(conn)...)
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

// bareMux returns the mux of grpc-gateway with its defaults.
func bareMux(t testing.TB, conn grpc.ClientConnInterface) http.Handler {
	mux := runtime.NewServeMux()
	if err := vaultgw.RegisterVaultServiceHandlerClient(t.Context(), mux, vaultv1.NewVaultServiceClient(conn)); err != nil {
		t.Fatal(err)
	}
	return mux
}

// load sends the request from the callers, each over one connection, until the benchmark is over.
// It reports the throughput and the CPU time of the process for each request.
func load(b *testing.B, address string, roots *tls.Config, callers int, request []byte) {
	b.Helper()
	conns := make([]*tls.Conn, callers)
	readers := make([]*bufio.Reader, callers)
	for i := range conns {
		conn, err := tls.Dial("tcp", address, roots)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { conn.Close() })
		conns[i], readers[i] = conn, bufio.NewReader(conn)
		exchange(b, conn, readers[i], request) // warm up
	}
	var done atomic.Int64
	var group sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	started, before := time.Now(), cpu(b)
	for i := range conns {
		group.Go(func() {
			for done.Add(1) <= int64(b.N) {
				exchange(b, conns[i], readers[i], request)
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/time.Since(started).Seconds(), "req/s")
}

func request(method, path, body string) []byte {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: keyward.example\r\nAuthorization: Bearer of-somebody\r\n", method, path)
	if body != "" {
		head += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return []byte(head + "\r\n" + body)
}

func exchange(t testing.TB, w io.Writer, r *bufio.Reader, request []byte) {
	if _, err := w.Write(request); err != nil {
		t.Error(err)
		return
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Error(err)
		return
	}
	if n, err := io.Copy(io.Discard, res.Body); err != nil || n == 0 || res.StatusCode != http.StatusOK {
		t.Errorf("answer = %s, %d bytes, %v", res.Status, n, err)
	}
}

// cpu returns the CPU time of the process.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// certificate returns the configurations of a server and of its clients.
func certificate(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	return &tls.Config{Certificates: donor.TLS.Certificates},
		&tls.Config{RootCAs: donor.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "example.com"}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// serveVault starts a backend that always has the same answers, and returns its address.
func serveVault(t testing.TB, cfg *tls.Config) string {
	t.Helper()
	lis := listen(t)
	srv := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg.Clone())), grpc.WaitForHandlers(true))
	vaultv1.RegisterVaultServiceServer(srv, constant{})
	go srv.Serve(lis)
	t.Cleanup(srv.Stop)
	return lis.Addr().String()
}

func dialTLS(t testing.TB, address string, cfg *tls.Config) *grpc.ClientConn {
	t.Helper()
	options := append(gateway.DialOptions(), grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	conn, err := grpc.NewClient(address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// constant is a vault that has the same answer to every request.
type constant struct {
	vaultv1.UnimplementedVaultServiceServer
}

var sample = &vaultv1.Secret{
	Name: "workspaces/acme/secrets/db", Uid: "0198b2c5-7d0e-7a31-9c54-0123456789ab", Description: "the database of the shop",
	Labels: map[string]string{"env": "prod", "team": "payments"}, Usage: vaultv1.Usage_USAGE_CREDENTIAL, MaskedValue: "••••••••",
	AllowedHosts: []string{"db.example", "*.db.example"}, CurrentVersion: 3, LatestVersion: 3, State: vaultv1.VersionState_VERSION_STATE_ENABLED,
	Etag: "7", CreateTime: timestamppb.New(time.Unix(1e9, 0)), UpdateTime: timestamppb.New(time.Unix(2e9, 0)),
}

func (constant) GetSecret(context.Context, *vaultv1.GetSecretRequest) (*vaultv1.GetSecretResponse, error) {
	return &vaultv1.GetSecretResponse{Secret: sample}, nil
}

func (constant) CreateSecret(context.Context, *vaultv1.CreateSecretRequest) (*vaultv1.CreateSecretResponse, error) {
	return &vaultv1.CreateSecretResponse{Secret: sample}, nil
}

func (constant) UpdateSecret(context.Context, *vaultv1.UpdateSecretRequest) (*vaultv1.UpdateSecretResponse, error) {
	return &vaultv1.UpdateSecretResponse{Secret: sample}, nil
}

func (constant) ListSecrets(_ context.Context, r *vaultv1.ListSecretsRequest) (*vaultv1.ListSecretsResponse, error) {
	out := &vaultv1.ListSecretsResponse{}
	for range r.GetPageSize() {
		out.Secrets = append(out.Secrets, sample)
	}
	return out, nil
}
