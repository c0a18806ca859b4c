package server_test

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/localid"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/telemetry"
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
	dir := t.TempDir()
	env = servertest.New(t)
	cfg = env.Config()
	for _, path := range []*string{&cfg.Auth.Policy, &cfg.TLS.Certificate, &cfg.TLS.Key} {
		text, err := os.ReadFile(*path)
		if err != nil {
			t.Fatal(err)
		}
		*path = filepath.Join(dir, filepath.Base(*path))
		if err := os.WriteFile(*path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	observed, err := telemetry.New(t.Context(), telemetry.Config{}, "test", env.Log)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = server.New(cfg, observed, &fake{}); err != nil {
		t.Fatal(err)
	}
	return s, env, cfg
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
	if err := localid.WriteCertificate(cfg.TLS.Certificate, cfg.TLS.Key, cert); err != nil {
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
