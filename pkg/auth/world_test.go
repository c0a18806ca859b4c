package auth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
)

const (
	audience = "keyward"
	domain   = "keyward.test"
)

// clock is a clock that advances only on demand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// issuerServer is a real issuer behind real TLS. It can be made unavailable, or
// return other keys.
type issuerServer struct {
	*authtest.Issuer
	URL     string
	handler atomic.Pointer[http.Handler]
	down    atomic.Bool
	// fetches counts the key sets that were served.
	fetches atomic.Int64
}

func serveIssuer(t testing.TB, authority *authtest.Authority) *issuerServer {
	t.Helper()
	s := &issuerServer{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.down.Load() {
			http.Error(w, "the issuer is having a rest", http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path == "/keys" {
			s.fetches.Add(1)
		}
		(*s.handler.Load()).ServeHTTP(w, r)
	}))
	cert, err := authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	s.URL = "https://" + server.Listener.Addr().String()
	// Clients that go away, or that must not trust this server, are what tests are about.
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.rotate(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	return s
}

// rotate gives the issuer a new key in place of the old one.
func (s *issuerServer) rotate(t testing.TB) {
	t.Helper()
	issuer, err := authtest.NewIssuer(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Issuer = issuer
	handler := issuer.Handler()
	s.handler.Store(&handler)
}

// world is an authority, an issuer that it vouches for, and an authenticator that
// believes both.
type world struct {
	authority *authtest.Authority
	issuer    *issuerServer
	clock     *clock
	policies  *auth.Policies
	authn     *auth.Authenticator
}

func newWorld(t testing.TB) *world {
	t.Helper()
	authority, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{authority: authority, issuer: serveIssuer(t, authority), clock: newClock(), policies: auth.NewPolicies(nil)}
	w.grant(t, standardPolicy)
	w.authn = w.authenticator(t)
	return w
}

// authenticator returns another one that believes the same, and remembers nothing yet.
// The functions change its configuration.
func (w *world) authenticator(t testing.TB, configure ...func(*auth.Config)) *auth.Authenticator {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := w.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	cfg := auth.Config{
		Issuers:  []auth.IssuerConfig{{URL: w.issuer.URL, Audience: audience, CAFile: ca}},
		Policies: w.policies,
		Now:      w.clock.Now,
	}
	for _, change := range configure {
		change(&cfg)
	}
	authn, err := auth.NewAuthenticator(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return authn
}

// standardPolicy is the policy of most tests. The issuer's URL goes in for each %[1]s.
const standardPolicy = `
people:
- {issuer: %[1]s, claim: sub, value: olivia, role: owner, workspaces: [acme]}
- {issuer: %[1]s, claim: sub, value: oscar, role: owner, workspaces: [other]}
- {issuer: %[1]s, claim: sub, value: mia, role: member, workspaces: [acme]}
- {issuer: %[1]s, claim: realm.groups, value: admins, role: super_admin}
- {issuer: %[1]s, claim: email, value: erin@example.com, role: owner, workspaces: [acme]}
workloads:
- {spiffe_id: "spiffe://keyward.test/allowlist", role: resolver, workspaces: ["*"]}
- {spiffe_id: "spiffe://keyward.test/elsewhere", role: resolver, workspaces: [other]}
- {spiffe_id: "spiffe://keyward.test/sender", role: sender, workspaces: [acme]}
- {spiffe_id: "spiffe://keyward.test/narrow", role: sender, workspaces: [acme], endpoints: [refunds]}
- {spiffe_id: "spiffe://keyward.test/gateway", role: proxy}
- {issuer: %[1]s, subject: robot, role: sender, workspaces: [acme], endpoints: [payments]}
`

// grant puts a policy in force.
func (w *world) grant(t testing.TB, policy string) {
	t.Helper()
	parsed, err := auth.ParsePolicy(fmt.Appendf(nil, policy, w.issuer.URL))
	if err != nil {
		t.Fatal(err)
	}
	w.policies.Swap(parsed)
}

// token returns a token that is valid for some minutes.
func (w *world) token(t testing.TB, subject string, extra map[string]any) string {
	t.Helper()
	claims := w.claims(subject)
	for name, value := range extra {
		claims[name] = value
	}
	token, err := w.issuer.Token(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// claims returns those of a good token.
func (w *world) claims(subject string) map[string]any {
	now := w.clock.Now().Unix()
	return map[string]any{"iss": w.issuer.URL, "sub": subject, "aud": audience, "iat": now, "exp": now + 1800}
}

// certificate returns the one of a workload of the trust domain.
func (w *world) certificate(t testing.TB, path string) *tls.Certificate {
	t.Helper()
	cert, err := w.authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + domain + path))
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

// bearing returns the context of a request that arrived with the headers.
func bearing(ctx context.Context, headers ...string) context.Context {
	return metadata.NewIncomingContext(ctx, metadata.Pairs(headers...))
}

// listen serves gRPC on the loopback interface and returns the address.
func listen(t testing.TB, server *grpc.Server) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(lis)
	t.Cleanup(server.Stop)
	return lis.Addr().String()
}
