package server_test

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const mib = 1 << 20

// smallBudget is of 4 MiB, for requests of 2 MiB.
func smallBudget(c *server.Config) {
	c.Limits.MaxReceiveBytes, c.Limits.BodyBytes = 2*mib, new(int64(4*mib))
}

// A slow caller sends requests byte by byte, over HTTP/2 and no gRPC library.
type slow struct {
	client *http.Client
	addr   string
	token  string
}

func slowCaller(t *testing.T, env *servertest.Env, addr string, as servertest.Caller) slow {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: env.Authority.Pool()},
		ForceAttemptHTTP2: true,
		HTTP2:             &http.HTTP2Config{MaxReceiveBufferPerStream: 64 << 10},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return slow{&http.Client{Transport: transport}, addr, as.Token}
}

// begin sends the beginning of a request and returns where the rest goes, and what
// becomes of it.
func (s slow) begin(t *testing.T, method string, beginning ...byte) (io.WriteCloser, <-chan *http.Response) {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.addr+method, r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Authorization": {"Bearer " + s.token}}
	answered := make(chan *http.Response, 1)
	go func() {
		defer close(answered)
		if resp, err := s.client.Do(req); err == nil {
			answered <- resp
		}
	}()
	if _, err := w.Write(beginning); err != nil {
		t.Fatal(err)
	}
	return w, answered
}

// taken returns how much of the budget is taken.
func taken(t *testing.T, running *servertest.Running) int {
	t.Helper()
	_, rest, _ := strings.Cut(gather(t, running.Telemetry.Metrics), "\nkeyward_body_bytes ")
	text, _, _ := strings.Cut(rest, "\n")
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(n)
}

// header is what comes before a message of n bytes.
func header(n int) []byte { return binary.BigEndian.AppendUint32([]byte{0}, uint32(n)) }

// code reads an answer to its end and returns its status.
func code(t *testing.T, resp *http.Response) codes.Code {
	t.Helper()
	if resp == nil {
		t.Fatal("there is no answer")
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	text := resp.Trailer.Get("grpc-status")
	if text == "" {
		text = resp.Header.Get("grpc-status")
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("status %q: %v", text, err)
	}
	return codes.Code(n)
}

// create creates a secret of n bytes.
func create(t *testing.T, conn *grpc.ClientConn, parent string, n int, options ...grpc.CallOption) error {
	t.Helper()
	_, err := vaultv1.NewVaultServiceClient(conn).CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: parent, SecretId: "x",
		Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: make([]byte, n)}}},
	}, options...)
	return err
}

const (
	createMethod = vaultv1.VaultService_CreateSecret_FullMethodName
	getMethod    = vaultv1.VaultService_GetSecret_FullMethodName
)

func TestCompressedRequestsAreRefused(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	running := env.Start(t, &fake{})
	compressed := grpc.UseCompressor(gzip.Name)
	owner, nobody := env.Dial(t, running.Addr, env.Owner(t, "acme")), env.Dial(t, running.Addr, servertest.Caller{})
	resolver := env.Dial(t, running.Addr, env.Resolver(t))
	_, health := healthv1.NewHealthClient(nobody).Check(t.Context(), &healthv1.HealthCheckRequest{}, compressed)
	stream, err := vaultv1.NewVaultServiceClient(resolver).WatchSecrets(t.Context(), &vaultv1.WatchSecretsRequest{Parent: one}, compressed)
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a request":                           create(t, owner, one, 1<<19, compressed),
		"a request that would be too large":   create(t, owner, one, 64*mib, compressed),
		"a request of a stream":               ended(stream),
		"health":                              health,
		"reflection, which reads by itself":   reflectCompressed(t, nobody, compressed),
		"a request for a method there is not": owner.Invoke(t.Context(), "/keyward.vault.v1.VaultService/No", &vaultv1.GetSecretRequest{}, nil, compressed),
	} {
		switch servertest.Reason(err) {
		case "INVALID_FIELD", "METHOD_NOT_ALLOWED":
		default:
			t.Errorf("%s: %v %q, want it refused", name, err, servertest.Reason(err))
		}
	}
	if err := create(t, nobody, one, 1, compressed); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a request of nobody: %v", err)
	}
	if err := create(t, owner, one, 1<<19); err != nil {
		t.Errorf("CreateSecret without compression: %v", err)
	}
}

func reflectCompressed(t *testing.T, conn *grpc.ClientConn, compressed grpc.CallOption) error {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", compressed)
	if err != nil {
		return err
	}
	return stream.RecvMsg(&healthv1.HealthCheckResponse{})
}

// The flag of a compressed message is not obeyed where no encoding is named, a second
// message is not read, and the largest request that strangers can send is small.
func TestFramesThatAreNotOneMessage(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	running := env.Start(t, &fake{})
	admin := slowCaller(t, env, running.Addr, env.SuperAdmin(t))
	for _, tt := range []struct {
		name, method string
		frames       []byte
		want         codes.Code
	}{
		{"a request", getMethod, header(0), codes.OK},
		{"health", "/grpc.health.v1.Health/Check", header(0), codes.OK},
		{"a message with the flag of compression", getMethod, []byte{1, 0, 0, 0, 0}, codes.InvalidArgument},
		{"another flag", getMethod, []byte{2, 0, 0, 0, 0}, codes.InvalidArgument},
		{"two messages", getMethod, append(header(0), header(100*mib)...), codes.InvalidArgument},
		{"no message", getMethod, nil, codes.InvalidArgument},
		{"half a header", getMethod, header(0)[:3], codes.Canceled},
		{"half a message", getMethod, append(header(100), 'x'), codes.Canceled},
		{"a large message to health", "/grpc.health.v1.Health/Check", header(5000), codes.ResourceExhausted},
	} {
		rest, answered := admin.begin(t, tt.method, tt.frames...)
		if err := rest.Close(); err != nil {
			t.Fatal(err)
		}
		if got := code(t, <-answered); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestBytesAreTakenBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, smallBudget)
	owner, member, admin := env.Owner(t, "acme"), env.Member(t, "acme"), env.SuperAdmin(t)
	running := env.Start(t, &fake{})
	conn := env.Dial(t, running.Addr, owner)
	if err := create(t, conn, one, 2*mib-100); err != nil {
		t.Errorf("the largest request: %v", err)
	}
	// Announced bytes count.
	rest, _ := slowCaller(t, env, running.Addr, owner).begin(t, createMethod, header(2*mib-200)...)
	eventually(t, "the announcement", func() bool { return taken(t, running) == 2*mib-200 })
	wantLimited(t, "a request of one who has their share", create(t, conn, one, mib))
	wantLimited(t, "a request of another of the workspace", create(t, env.Dial(t, running.Addr, member), one, mib))
	if err := create(t, env.Dial(t, running.Addr, admin), "workspaces/other", mib/2); err != nil {
		t.Errorf("a request of another workspace: %v", err)
	}
	wantLimited(t, "a request for the workspace of one who belongs to all", create(t, env.Dial(t, running.Addr, admin), one, mib/2))
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end", func() bool { return taken(t, running) == 0 })
	if err := create(t, conn, one, mib); err != nil {
		t.Errorf("a request after the other ended: %v", err)
	}
}

func TestRequestThatDoesNotArriveEndsAtItsDeadline(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, smallBudget, func(c *server.Config) { c.Limits.DefaultDeadline = 200 * time.Millisecond })
	running := env.Start(t, &fake{})
	caller := slowCaller(t, env, running.Addr, env.Owner(t, "acme"))
	for name, beginning := range map[string][]byte{
		"nothing": nil, "half a header": {0, 0}, "a header": header(mib), "some of the message": append(header(mib), 1, 2, 3),
	} {
		_, answered := caller.begin(t, createMethod, beginning...)
		if got := code(t, <-answered); got != codes.DeadlineExceeded {
			t.Errorf("%s: %v, want DeadlineExceeded", name, got)
		}
	}
	if strings.Count(env.Log.String(), `"reason":"DEADLINE"`) != 4 {
		t.Error("the log does not tell of four deadlines")
	}
}

// A caller who does not read what they asked for cannot go on asking.
func TestResponsesThatAreNotReadAreCounted(t *testing.T) {
	t.Parallel()
	env := servertest.New(t, smallBudget)
	owner := env.Owner(t, "acme")
	large := &vaultv1.GetSecretResponse{Secret: &vaultv1.Secret{Description: strings.Repeat("x", 3*mib)}}
	running := env.Start(t, &fake{response: large})
	conn := env.Dial(t, running.Addr, owner)
	request := append([]byte("\n"), byte(len(name)))
	request = append(request, name...)
	rest, answered := slowCaller(t, env, running.Addr, owner).begin(t, getMethod, append(header(len(request)), request...)...)
	if err := rest.Close(); err != nil {
		t.Fatal(err)
	}
	resp := <-answered
	wantLimited(t, "a request with a response unread", create(t, conn, one, mib))
	if got := code(t, resp); got != codes.OK {
		t.Errorf("GetSecret = %v", got)
	}
	eventually(t, "the end", func() bool { return taken(t, running) == 0 })
	if err := create(t, conn, one, mib); err != nil {
		t.Errorf("a request with the response read: %v", err)
	}
}

func TestABudgetThatIsTooSmallStopsTheStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bytes int64
		ok    bool
	}{{0, true}, {-1, false}, {2*mib - 1, false}, {2 * mib, true}} {
		cfg := servertest.New(t, func(c *server.Config) { c.Limits.BodyBytes = new(tt.bytes) }).Config()
		if err := cfg.Check(); (err == nil) != tt.ok {
			t.Errorf("body_bytes: %d: Check() = %v", tt.bytes, err)
		}
	}
}
