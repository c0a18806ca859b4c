package servertest

import (
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
)

// A WorkloadAPI hands out X.509 identities over a Unix socket, as an agent of SPIRE does.
// Until it has one, it denies them.
type WorkloadAPI struct {
	workload.UnimplementedSpiffeWorkloadAPIServer

	// Address is where it listens, `unix:///…`.
	Address string

	path    string
	mu      sync.Mutex
	server  *grpc.Server
	current *workload.X509SVIDResponse
	changed chan struct{} // closed at the next change
}

// ServeWorkloadAPI serves a Workload API until the test ends.
func ServeWorkloadAPI(t testing.TB) *WorkloadAPI {
	t.Helper()
	dir, err := os.MkdirTemp("", "api") //nolint:usetesting // the path of a socket must be short
	check(t, "make folder", err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	w := &WorkloadAPI{path: filepath.Join(dir, "s"), changed: make(chan struct{})}
	w.Address = "unix://" + w.path
	w.Start(t)
	t.Cleanup(w.Stop)
	return w
}

// Start serves, again after Stop.
func (w *WorkloadAPI) Start(t testing.TB) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", w.path)
	check(t, "listen on socket", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = grpc.NewServer()
	workload.RegisterSpiffeWorkloadAPIServer(w.server, w)
	go func(s *grpc.Server) { _ = s.Serve(listener) }(w.server)
}

// Stop ends the server and its connections.
func (w *WorkloadAPI) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server.Stop()
}

// Give hands out a new certificate of the authority for the id from now on, with the
// authorities of federated trust domains. It returns the certificate.
func (w *WorkloadAPI) Give(t testing.TB, authority *authtest.Authority, id string, federated map[string]*authtest.Authority) *x509.Certificate {
	t.Helper()
	named, err := spiffeid.FromString(id)
	check(t, "name workload", err)
	cert, err := authority.WorkloadCertificate(named)
	check(t, "issue certificate", err)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	check(t, "encode key", err)
	next := &workload.X509SVIDResponse{
		Svids:            []*workload.X509SVID{{SpiffeId: id, X509Svid: cert.Certificate[0], X509SvidKey: key, Bundle: raw(t, authority)}},
		FederatedBundles: make(map[string][]byte),
	}
	for domain, of := range federated {
		next.FederatedBundles["spiffe://"+domain] = raw(t, of)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.current = next
	close(w.changed)
	w.changed = make(chan struct{})
	return cert.Leaf
}

// raw returns an authority in DER.
func raw(t testing.TB, authority *authtest.Authority) []byte {
	t.Helper()
	certs, err := auth.ParseAuthorities(authority.Certificate())
	check(t, "parse authority", err)
	return certs[0].Raw
}

// FetchX509SVID sends the identity, and again at each change.
func (w *WorkloadAPI) FetchX509SVID(_ *workload.X509SVIDRequest, stream grpc.ServerStreamingServer[workload.X509SVIDResponse]) error {
	// The header tells a workload from a page that was led to the socket.
	if said := metadata.ValueFromIncomingContext(stream.Context(), "workload.spiffe.io"); len(said) != 1 || said[0] != "true" {
		return status.Error(codes.InvalidArgument, "security header missing")
	}
	for {
		w.mu.Lock()
		current, changed := w.current, w.changed
		w.mu.Unlock()
		if current == nil {
			return status.Error(codes.PermissionDenied, "no identity issued")
		}
		if err := stream.Send(current); err != nil {
			return err
		}
		select {
		case <-stream.Context().Done():
			return nil
		case <-changed:
		}
	}
}
