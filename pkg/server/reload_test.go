package server_test

import (
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestPolicyReloadActsAtOnce(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	client := serve(t, env, env.Owner(t, "acme"), nil)
	if err := getSecret(t, client); err != nil {
		t.Fatalf("GetSecret() = %v, want OK", err)
	}
	env.Revoke(t)
	if err := getSecret(t, client); status.Code(err) != codes.PermissionDenied {
		t.Errorf("GetSecret() after the role was taken away = %v, want PermissionDenied", err)
	}
}

// newServer returns a server with files of its own to reload.
func newServer(t *testing.T) (s *server.Server, env *servertest.Env, cfg server.Config) {
	t.Helper()
	s, env, cfg, _ = newObservedServer(t)
	return s, env, cfg
}

func newObservedServer(t *testing.T) (s *server.Server, env *servertest.Env, cfg server.Config, observed *telemetry.Telemetry) {
	t.Helper()
	dir := t.TempDir()
	env = servertest.New(t, func(c *server.Config) { c.ReloadInterval = 5 * time.Millisecond })
	cfg = env.Config()
	cfg.Auth.Issuers[0].CAFile = filepath.Join(dir, "issuer.pem")
	if err := env.Authority.WriteTrust(cfg.Auth.Issuers[0].CAFile); err != nil {
		t.Fatal(err)
	}
	for _, path := range []*string{&cfg.Auth.Policy, &cfg.TLS.Certificate, &cfg.TLS.Key, &cfg.TLS.ClientTrust} {
		text, err := os.ReadFile(*path)
		if err != nil {
			t.Fatal(err)
		}
		*path = filepath.Join(dir, filepath.Base(*path))
		if err := os.WriteFile(*path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if observed, err = telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log); err != nil {
		t.Fatal(err)
	}
	if s, err = server.New(cfg, observed, &fake{}); err != nil {
		t.Fatal(err)
	}
	return s, env, cfg, observed
}

func TestReloadRefusesWhatIsWrong(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		file func(server.Config) string
		text string
	}{
		{"a policy with an unknown field", func(c server.Config) string { return c.Auth.Policy }, "peeple: []\n"},
		{"no certificate", func(c server.Config) string { return c.TLS.Certificate }, ""},
		{"no key", func(c server.Config) string { return c.TLS.Key }, ""},
		{"no authority of workloads", func(c server.Config) string { return c.TLS.ClientTrust }, ""},
		{"no authority of the issuer", func(c server.Config) string { return c.Auth.Issuers[0].CAFile }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _, cfg := newServer(t)
			if err := s.Reload(); err != nil {
				t.Fatalf("Reload() of what is there already = %v, want nil", err)
			}
			if err := os.WriteFile(tt.file(cfg), []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := s.Reload(); err == nil {
				t.Errorf("Reload() of %s = nil, want an error", tt.name)
			}
		})
	}
}

func TestNewCertificateIsShownToTheNextConnection(t *testing.T) {
	t.Parallel()
	s, env, cfg := newServer(t)
	addr := listenAndServe(t, s)
	before := shown(t, env, addr)
	cert, err := env.Authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := authtest.WriteCertificate(cfg.TLS.Certificate, cfg.TLS.Key, cert); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if shown(t, env, addr) == before {
		t.Error("the server shows the old certificate after a reload")
	}
}

// shown returns the serial number of the certificate that the server shows.
func shown(t *testing.T, env *servertest.Env, addr string) string {
	t.Helper()
	dialer := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: env.Authority.Pool(), NextProtos: []string{"h2"},
	}}
	conn, err := dialer.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func TestServerSpeaksTLS13Only(t *testing.T) {
	t.Parallel()
	s, env, _ := newServer(t)
	dialer := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, RootCAs: env.Authority.Pool(), NextProtos: []string{"h2"},
	}}
	if conn, err := dialer.DialContext(t.Context(), "tcp", listenAndServe(t, s)); err == nil {
		conn.Close()
		t.Error("a connection with TLS 1.2 was accepted")
	}
}

// install replaces a file by a copy of another, as operators' tools do.
func install(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

func TestChangedPolicyIsFollowedWhileServing(t *testing.T) {
	t.Parallel()
	s, env, cfg, observed := newObservedServer(t)
	client := vaultv1.NewVaultServiceClient(env.Dial(t, listenAndServe(t, s), env.Owner(t, "acme")))
	if err := getSecret(t, client); status.Code(err) != codes.PermissionDenied {
		t.Fatalf("GetSecret() before the policy names the caller = %v, want PermissionDenied", err)
	}
	install(t, env.Config().Auth.Policy, cfg.Auth.Policy)
	eventually(t, "the new policy", func() bool { return getSecret(t, client) == nil })

	alarm := func(on string) bool {
		return strings.Contains(gather(t, observed.Metrics), `keyward_reload_failed{files="server"} `+on+"\n")
	}
	if !alarm("0") {
		t.Error("the alarm is on while all files are good")
	}
	if err := os.WriteFile(cfg.Auth.Policy, []byte("people: ["+canary), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the alarm", func() bool { return alarm("1") })
	if err := getSecret(t, client); err != nil {
		t.Errorf("GetSecret() with a broken policy on disk = %v, want OK by the one before", err)
	}
	eventually(t, "the line", func() bool { return strings.Contains(env.Log.String(), `"level":"ERROR","msg":"reload failed`) })
	servertest.MustNotHold(t, "the log", env.Log.String(), canary)
	install(t, env.Config().Auth.Policy, cfg.Auth.Policy)
	eventually(t, "the end of the alarm", func() bool { return alarm("0") })
}

func TestRenewedCertificateIsFollowedWhileServing(t *testing.T) {
	t.Parallel()
	s, env, cfg, observed := newObservedServer(t)
	addr := listenAndServe(t, s)
	before := shown(t, env, addr)
	cert, err := env.Authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := authtest.WriteCertificate(cfg.TLS.Certificate, cfg.TLS.Key, cert); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate", func() bool { return shown(t, env, addr) != before })
	want := fmt.Sprintf("keyward_certificate_expiry_timestamp_seconds{certificate=\"server\"} %g\n", float64(cert.Leaf.NotAfter.Unix()))
	if text := gather(t, observed.Metrics); !strings.Contains(text, want) {
		t.Errorf("the metrics do not have %s in\n%s", want, text)
	}
}

func TestAuthoritiesOfWorkloadsAreFollowedWhileServing(t *testing.T) {
	t.Parallel()
	s, env, cfg, _ := newObservedServer(t)
	addr := listenAndServe(t, s)
	other, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := other.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + servertest.TrustDomain + "/allowlist"))
	if err != nil {
		t.Fatal(err)
	}
	call := func() codes.Code {
		return status.Code(getSecret(t, vaultv1.NewVaultServiceClient(env.Dial(t, addr, servertest.Caller{Certificate: &cert}))))
	}
	if got := call(); got != codes.Unavailable {
		t.Fatalf("GetSecret() with a certificate of an unknown authority = %v, want that the handshake fails", got)
	}
	trust := filepath.Join(t.TempDir(), "trust.pem")
	if err := other.WriteTrust(trust); err != nil {
		t.Fatal(err)
	}
	install(t, trust, cfg.TLS.ClientTrust)
	eventually(t, "the new authority", func() bool { return call() == codes.PermissionDenied })
}
