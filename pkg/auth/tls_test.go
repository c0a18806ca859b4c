package auth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/test/bufconn"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/fault"
)

const name = "workspaces/acme/endpoints/payments"

// handshake lets a client and a server meet and returns what each says.
func handshake(t *testing.T, client, server *tls.Config) (clientErr, serverErr error) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	said := make(chan error, 1)
	go func() {
		conn, err := lis.Accept()
		if err != nil {
			said <- err
			return
		}
		defer conn.Close()
		said <- tls.Server(conn, server).HandshakeContext(context.Background())
	}()
	client.ServerName = "127.0.0.1"
	conn, err := tls.Dial("tcp", lis.Addr().String(), client)
	if err == nil {
		// The server looks at a client's certificate when the client is done.
		if _, err = conn.Read(make([]byte, 1)); errors.Is(err, io.EOF) {
			err = nil
		}
		conn.Close()
	}
	return err, <-said
}

func authorityFor(t *testing.T) *authtest.Authority {
	t.Helper()
	a, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestCertificatesThatClientsShow(t *testing.T) {
	t.Parallel()
	ours, theirs := authorityFor(t), authorityFor(t)
	workload := func(a *authtest.Authority, id string) *tls.Certificate {
		cert, err := a.WorkloadCertificate(spiffeid.RequireFromString(id))
		if err != nil {
			t.Fatal(err)
		}
		return &cert
	}
	host, err := ours.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		cert   *tls.Certificate
		accept bool
	}{
		{"none", nil, true},
		{"a workload's", workload(ours, "spiffe://keyward.test/sender"), true},
		{"one of another trust domain", workload(ours, "spiffe://keyward.other/sender"), false},
		{"one of a trust domain below", workload(ours, "spiffe://sub.keyward.test/sender"), false},
		{"one of another authority", workload(theirs, "spiffe://keyward.test/sender"), false},
		{"a server's, without SPIFFE id", &host, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := auth.ServerTLSConfig(host, trusting(t, ours))
			clientErr, serverErr := handshake(t, auth.ClientTLSConfig(tt.cert, ours.Pool(), spiffeid.ID{}), server)
			if (serverErr == nil) != tt.accept || (clientErr == nil) != tt.accept {
				t.Errorf("client says %v, server says %v; want acceptance %v", clientErr, serverErr, tt.accept)
			}
		})
	}
}

func TestServersThatClientsAccept(t *testing.T) {
	t.Parallel()
	ours, theirs := authorityFor(t), authorityFor(t)
	vault := spiffeid.RequireFromString("spiffe://keyward.test/vault")
	issue := func(a *authtest.Authority, id string) tls.Certificate {
		cert, err := a.WorkloadCertificate(spiffeid.RequireFromString(id))
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	host, err := ours.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	wrongHost, err := ours.ServerCertificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		cert   tls.Certificate
		want   spiffeid.ID
		accept bool
	}{
		{"the host by name", host, spiffeid.ID{}, true},
		{"another host by name", wrongHost, spiffeid.ID{}, false},
		{"a workload by host name", issue(ours, "spiffe://keyward.test/vault"), spiffeid.ID{}, false},
		{"the workload by id", issue(ours, "spiffe://keyward.test/vault"), vault, true},
		{"another workload by id", issue(ours, "spiffe://keyward.test/vault2"), vault, false},
		{"the same id of another authority", issue(theirs, "spiffe://keyward.test/vault"), vault, false},
		{"a host by id", host, vault, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clientErr, _ := handshake(t, auth.ClientTLSConfig(nil, ours.Pool(), tt.want), auth.ServerTLSConfig(tt.cert, nil))
			if (clientErr == nil) != tt.accept {
				t.Errorf("client says %v, want acceptance %v", clientErr, tt.accept)
			}
		})
	}
	if clientErr, _ := handshake(t, auth.ClientTLSConfig(nil, nil, vault), auth.ServerTLSConfig(issue(ours, vault.String()), nil)); clientErr == nil {
		t.Error("a client without roots believes a workload")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	t.Parallel()
	a := authorityFor(t)
	host, err := a.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	old := &tls.Config{MaxVersion: tls.VersionTLS12, RootCAs: a.Pool()}
	if clientErr, serverErr := handshake(t, old, auth.ServerTLSConfig(host, nil)); clientErr == nil || serverErr == nil {
		t.Error("TLS 1.2 is accepted")
	}
}

func TestCertificateThatNobodyVerifiedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cert := w.certificate(t, "/allowlist")
	for name, chains := range map[string][][]*x509.Certificate{"no chain": nil, "an empty chain": {{}}} {
		ctx := peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: tls.ConnectionState{
			PeerCertificates: []*x509.Certificate{cert.Leaf}, VerifiedChains: chains,
		}}})
		if _, err := w.authn.Authenticate(ctx); !fault.Is(err, fault.CredentialsInvalid) {
			t.Errorf("Authenticate with %s = %v, want CREDENTIALS_INVALID", name, err)
		}
	}
}

func TestPrincipalOfWorkload(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	if code := call(t, d.dial(t, d.certificate(t, "/allowlist")), d.method(t, "ResolveSecret"), name); code != codes.Unimplemented {
		t.Fatal(code)
	}
	p := <-d.seen
	if p.Subject != "spiffe://keyward.test/allowlist" || p.Authentication != auth.ByMTLS || !strings.HasPrefix(p.Address, "127.0.0.1:") {
		t.Errorf("principal is %+v", p)
	}
}

func TestAddressThatGatewaySaysIsBelieved(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	memory := bufconn.Listen(1 << 16)
	server := d.grpcServer(t, grpc.Creds(insecure.NewCredentials()))
	go server.Serve(memory)
	t.Cleanup(server.Stop)
	inProcess, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return memory.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inProcess.Close() })
	gateway, person := d.dial(t, d.certificate(t, "/gateway")), d.dial(t, nil)
	const said = auth.AddressHeader
	for _, tt := range []struct {
		name    string
		conn    *grpc.ClientConn
		headers []string
		want    string
	}{
		{"a gateway", gateway, []string{said, "192.0.2.7"}, "192.0.2.7"},
		{"a gateway with a port", gateway, []string{said, "[2001:db8::7]:4711"}, "[2001:db8::7]:4711"},
		{"a gateway in this process", inProcess, []string{said, "192.0.2.7"}, "192.0.2.7"},
		{"nobody in this process", inProcess, nil, "bufconn"},
		{"a gateway that says nothing", gateway, nil, "127.0.0.1:"},
		{"a gateway that says words", gateway, []string{said, canary}, "127.0.0.1:"},
		{"a gateway that says a zone of words", gateway, []string{said, "fe80::1%" + canary}, "127.0.0.1:"},
		{"a gateway that says a port and words", gateway, []string{said, "[fe80::1%" + canary + "]:1"}, "127.0.0.1:"},
		{"a gateway that says two", gateway, []string{said, "192.0.2.7", said, "192.0.2.8"}, "127.0.0.1:"},
		{"a person", person, []string{said, "192.0.2.7"}, "127.0.0.1:"},
	} {
		// One after the other, for they share the channel.
		headers := append(d.bearer(t, "olivia", nil).headers, tt.headers...)
		if code := call(t, tt.conn, d.method(t, "GetSecret"), name, headers...); code != codes.Unimplemented {
			t.Fatalf("%s: GetSecret = %v", tt.name, code)
		}
		if p := <-d.seen; !strings.HasPrefix(p.Address, tt.want) || p.Authentication != auth.ByOIDC {
			t.Errorf("%s: address %q by %q, want %q by oidc", tt.name, p.Address, p.Authentication, tt.want)
		}
	}
	if code := call(t, inProcess, d.method(t, "GetSecret"), name); code != codes.Unauthenticated {
		t.Errorf("GetSecret from within the process without a token = %v, want Unauthenticated", code)
	}
}
