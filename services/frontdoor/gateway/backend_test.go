package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// canary represents a misplaced secret.
const canary = "CaNaRy7b1e5EcReT"

// A buffer is a log that is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// libraries is the log of grpc-go and grpc-gateway in this process, at every level.
var libraries buffer

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(&libraries, io.Discard, io.Discard, 99))
	os.Exit(m.Run())
}

// A seen is a call that the backend received.
type seen struct {
	method   string
	md       metadata.MD
	req      proto.Message
	deadline time.Duration
}

// An env is a gateway on a real listener, in front of a backend that records its calls.
type env struct {
	url   string
	log   buffer
	calls chan seen
	// answer, if set, returns the responses of the backend. Set it before the first request.
	answer func(ctx context.Context, method string) (proto.Message, error)
}

func start(t testing.TB, change ...func(*gateway.Config)) *env {
	t.Helper()
	e := &env{calls: make(chan seen, 100)}
	handler := e.handler(t, e.dial(t), change...)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := gateway.Server("", handler, nil, slog.New(slog.NewTextHandler(&e.log, nil)))
	go srv.Serve(lis)
	t.Cleanup(func() { srv.Close() })
	e.url = "http://" + lis.Addr().String()
	return e
}

func (e *env) handler(t testing.TB, conn grpc.ClientConnInterface, change ...func(*gateway.Config)) http.Handler {
	t.Helper()
	cfg := gateway.Config{
		OpenAPI: []byte(`{"swagger":"2.0"}`),
		Logger:  slog.New(slog.NewTextHandler(&e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	handler, err := gateway.New(cfg, backends(conn)...)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	return handler
}

func backends(conn grpc.ClientConnInterface) []gateway.Backend {
	return []gateway.Backend{
		{Conn: conn, Service: vaultv1.File_keyward_vault_v1_service_proto.Services().ByName("VaultService")},
		{Conn: conn, Service: allowlistv1.File_keyward_allowlist_v1_service_proto.Services().ByName("AllowlistService")},
		{Conn: conn, Service: vaultv1.File_keyward_vault_v1_keyring_proto.Services().ByName("KeyringService")},
		{Conn: conn, Service: allowlistv1.File_keyward_allowlist_v1_keyring_proto.Services().ByName("KeyringService")},
		{Conn: conn, Service: vaultv1.File_keyward_vault_v1_maintenance_proto.Services().ByName("MaintenanceService")},
	}
}

// dial starts the backend and returns a connection to it.
func (e *env) dial(t testing.TB) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(grpc.UnaryInterceptor(e.serve))
	vaultv1.RegisterVaultServiceServer(srv, vaultv1.UnimplementedVaultServiceServer{})
	allowlistv1.RegisterAllowlistServiceServer(srv, allowlistv1.UnimplementedAllowlistServiceServer{})
	vaultv1.RegisterKeyringServiceServer(srv, vaultv1.UnimplementedKeyringServiceServer{})
	allowlistv1.RegisterKeyringServiceServer(srv, allowlistv1.UnimplementedKeyringServiceServer{})
	vaultv1.RegisterMaintenanceServiceServer(srv, vaultv1.UnimplementedMaintenanceServiceServer{})
	go srv.Serve(lis)
	t.Cleanup(srv.Stop)
	options := append(gateway.DialOptions(),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:///backend", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// serve answers every method with the result of answer, or with an empty response.
func (e *env) serve(ctx context.Context, req any, info *grpc.UnaryServerInfo, _ grpc.UnaryHandler) (any, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	call := seen{method: info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:], md: md, req: req.(proto.Message)}
	if at, ok := ctx.Deadline(); ok {
		call.deadline = time.Until(at)
	}
	select {
	case e.calls <- call:
	default: // fuzz targets do not check the calls
	}
	grpc.SetHeader(ctx, metadata.Pairs("x-request-id", strings.Join(md.Get("x-request-id"), ""), "x-internal", "private"))
	grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", "private"))
	if e.answer != nil {
		return e.answer(ctx, call.method)
	}
	name := strings.TrimPrefix(strings.ReplaceAll(info.FullMethod, "/", "."), ".")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(d.(protoreflect.MethodDescriptor).Output().FullName())
	if err != nil {
		return nil, err
	}
	return out.New().Interface(), nil
}

// got returns the only call that the backend received.
func (e *env) got(t testing.TB) seen {
	t.Helper()
	select {
	case c := <-e.calls:
		return c
	default:
		t.Fatal("the backend got no call")
		return seen{}
	}
}

// gotNothing checks that no call reached the backend.
func (e *env) gotNothing(t testing.TB) {
	t.Helper()
	select {
	case c := <-e.calls:
		t.Errorf("the backend got %s, want no call", c.method)
	default:
	}
}

// An answer is an HTTP response.
type answer struct {
	code   int
	header http.Header
	body   string
}

// do sends a request with a bearer token and the content type JSON. Headers are pairs; an empty
// value removes a header.
func (e *env) do(t testing.TB, method, path, body string, headers ...string) answer {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, e.url+path, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer of-somebody")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	return send(t, req)
}

// as is like do, with another content type.
func (e *env) as(t testing.TB, contentType, method, path, body string) answer {
	t.Helper()
	return e.do(t, method, path, body, "Content-Type", "", "Content-Type", contentType)
}

func send(t testing.TB, req *http.Request) answer {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", req.Method, err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("read the response: %v", err)
	}
	return answer{res.StatusCode, res.Header, string(b)}
}

// A problem is a parsed error response.
type problem struct {
	status *statuspb.Status
	info   *errdetails.ErrorInfo
	bad    *errdetails.BadRequest
	retry  *errdetails.RetryInfo
	id     string
}

func (a answer) problem(t testing.TB) problem {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	p := problem{status: &statuspb.Status{}}
	if err := protojson.Unmarshal([]byte(a.body), p.status); err != nil {
		t.Fatalf("the response %q is not a status: %v", a.body, err)
	}
	for _, d := range p.status.GetDetails() {
		m, err := d.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *errdetails.ErrorInfo:
			p.info = m
		case *errdetails.BadRequest:
			p.bad = m
		case *errdetails.RetryInfo:
			p.retry = m
		case *errdetails.RequestInfo:
			p.id = m.GetRequestId()
		default:
			t.Errorf("unexpected detail %T", m)
		}
	}
	return p
}

// field returns the name of the first malformed field.
func (p problem) field() string {
	if len(p.bad.GetFieldViolations()) == 0 {
		return ""
	}
	return p.bad.GetFieldViolations()[0].GetField()
}

// wantProblem checks the HTTP status and the reason of an error.
func wantProblem(t testing.TB, a answer, code int, reason string) problem {
	t.Helper()
	p := a.problem(t)
	if a.code != code || p.info.GetReason() != reason || p.info.GetDomain() != "keyward.dev" {
		t.Errorf("answer = %d %s of %q, want %d %s of keyward.dev; body %s",
			a.code, p.info.GetReason(), p.info.GetDomain(), code, reason, a.body)
	}
	if id := a.header.Get("X-Request-Id"); id == "" || (p.id != "" && p.id != id) {
		t.Errorf("X-Request-Id = %q, RequestInfo has %q", id, p.id)
	}
	return p
}

func fieldsOf(t testing.TB, body string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	return m
}
