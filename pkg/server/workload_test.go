package server_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const vaultID = "spiffe://keyward.test/vault"

// onWorkloadAPI starts a server with the identity that the API gives.
func onWorkloadAPI(t *testing.T, api *servertest.WorkloadAPI) (env *servertest.Env, addr string) {
	t.Helper()
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	rows := `workloads:
- {spiffe_id: "spiffe://keyward.test/w", role: resolver, workspaces: [acme]}
- {spiffe_id: "spiffe://partner.test/w", role: resolver, workspaces: [acme]}
`
	if err := os.WriteFile(policy, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	env = servertest.New(t, func(c *server.Config) {
		c.TLS = server.TLSConfig{WorkloadAPI: api.Address}
		c.Auth.Policy = policy
	})
	return env, env.Serve(t, &fake{})
}

// callAs calls as a workload of the authority, and wants the server to be one of another.
func callAs(t *testing.T, addr, id string, of, server *authtest.Authority) codes.Code {
	t.Helper()
	cert, err := of.WorkloadCertificate(spiffeid.RequireFromString(id))
	if err != nil {
		t.Fatal(err)
	}
	config := auth.ClientTLSConfig(&cert, server.Pool(), spiffeid.RequireFromString(vaultID))
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = vaultv1.NewVaultServiceClient(conn).ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: "workspaces/acme"})
	return status.Code(err)
}

func TestServerTakesItsIdentityFromAWorkloadAPI(t *testing.T) {
	t.Parallel()
	const admitted = codes.Internal // the fake has no such method
	api := servertest.ServeWorkloadAPI(t)
	ours, partner, next := authority(t), authority(t), authority(t)
	first := api.Give(t, ours, vaultID, map[string]*authtest.Authority{"partner.test": partner})
	env, addr := onWorkloadAPI(t, api)
	for _, tt := range []struct {
		id   string
		of   *authtest.Authority
		want codes.Code
	}{
		{"spiffe://keyward.test/w", ours, admitted},
		{"spiffe://partner.test/w", partner, admitted},
		{"spiffe://keyward.test/w", partner, codes.Unavailable},
		{"spiffe://partner.test/w", ours, codes.Unavailable},
		{"spiffe://elsewhere.test/w", ours, codes.Unavailable},
	} {
		if got := callAs(t, addr, tt.id, tt.of, ours); got != tt.want {
			t.Errorf("%s: the call = %v, want %v", tt.id, got, tt.want)
		}
	}
	if got := leafOf(t, addr); !got.Equal(first) {
		t.Error("the server does not show the certificate of the API")
	}

	// The agent rotates to another authority, and withdraws the partner.
	second := api.Give(t, next, vaultID, nil)
	eventually(t, "the server shows the rotated certificate", func() bool { return leafOf(t, addr).Equal(second) })
	for _, tt := range []struct {
		id   string
		of   *authtest.Authority
		want codes.Code
	}{
		{"spiffe://keyward.test/w", next, admitted},
		{"spiffe://keyward.test/w", ours, codes.Unavailable},
		{"spiffe://partner.test/w", partner, codes.Unavailable},
	} {
		if got := callAs(t, addr, tt.id, tt.of, next); got != tt.want {
			t.Errorf("%s after the rotation: the call = %v, want %v", tt.id, got, tt.want)
		}
	}
	if log := env.Log.String(); strings.Contains(log, `"warning":`) {
		t.Errorf("the log warns of rows whose trust domains the API gave:\n%s", log)
	}
}

// leafOf returns the certificate that the server shows, without verifying it.
func leafOf(t *testing.T, addr string) *x509.Certificate {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

func authority(t *testing.T) *authtest.Authority {
	t.Helper()
	a, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestReloadKeepsTheIdentityOfTheWorkloadAPI(t *testing.T) {
	t.Parallel()
	api, ours := servertest.ServeWorkloadAPI(t), authority(t)
	first := api.Give(t, ours, vaultID, nil)
	env, addr := onWorkloadAPI(t, api)
	env.Stranger(t)
	env.Revoke(t) // reloads all servers
	if got := leafOf(t, addr); !got.Equal(first) {
		t.Error("a reload of the policy changes the certificate")
	}
	if !strings.Contains(env.Log.String(), `workloads[1]: `) {
		t.Error("the log does not warn of a row whose trust domain the API does not give")
	}
}

func TestWorkloadAPITakesThePlaceOfFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, tls, want string }{
		{"alone", `workload_api: "unix:///run/spire/agent.sock"`, ""},
		{"not a socket", `workload_api: "tcp://127.0.0.1:8081"`, "tls.workload_api: must be the address of a Unix socket"},
		{"beside a certificate", `workload_api: "unix:///run/a", certificate: c`, "cannot be combined"},
		{"beside a trust domain", `workload_api: "unix:///run/a", trust_domains: [{name: a.example, client_trust: a.pem}]`, "cannot be combined"},
		{"neither", ``, "tls.certificate: is required"},
	} {
		cfg, err := load(t, "listen: 127.0.0.1:1\nauth: {policy: p}\ntls: {"+tt.tls+"}\n")
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.Check()
		if (tt.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check() = %v, want %q", tt.name, err, tt.want)
		}
	}
}
