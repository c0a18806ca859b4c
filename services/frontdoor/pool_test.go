package frontdoor_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	"github.com/keyward/keyward/services/frontdoor"
)

// peers is a service that counts its calls by the address of the caller.
type peers struct {
	accessv1.UnimplementedAccessServiceServer
	mutex sync.Mutex
	calls map[string]int
}

func (s *peers) GetCaller(ctx context.Context, _ *accessv1.GetCallerRequest) (*accessv1.GetCallerResponse, error) {
	from, _ := peer.FromContext(ctx)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.calls[from.Addr.String()]++
	return &accessv1.GetCallerResponse{}, nil
}

// serve starts the service at an address.
func (s *peers) serve(t *testing.T, address string, donor *httptest.Server) *grpc.Server {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: donor.TLS.Certificates})))
	accessv1.RegisterAccessServiceServer(server, s)
	go server.Serve(lis)
	t.Cleanup(server.Stop)
	return server
}

// dial returns a pool of connections to an address.
func dial(t *testing.T, address string, donor *httptest.Server) *frontdoor.Pool {
	t.Helper()
	roots := donor.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	pool, err := frontdoor.Dial(address, func() *tls.Config { return &tls.Config{RootCAs: roots} })
	if err != nil {
		t.Fatal(err)
	}
	return pool
}

// After the first call that succeeds, no call meets a connection that still waits to connect again.
func TestAllCallsSucceedOnceAServiceIsBack(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil)
	t.Cleanup(donor.Close)
	service, address := &peers{calls: make(map[string]int)}, servertest.Address(t)
	server := service.serve(t, address, donor)
	pool := dial(t, address, donor)
	client := accessv1.NewAccessServiceClient(pool)
	call := func() error {
		_, err := client.GetCaller(t.Context(), &accessv1.GetCallerRequest{})
		return err
	}
	rounds := 4 * runtime.GOMAXPROCS(0)
	for range rounds {
		if err := call(); err != nil {
			t.Fatal(err)
		}
	}
	server.Stop()
	for range rounds {
		if err := call(); status.Code(err) != codes.Unavailable {
			t.Fatalf("a call without a service = %v, want %v", err, codes.Unavailable)
		}
	}
	service.serve(t, address, donor)
	for call() != nil {
		if t.Context().Err() != nil {
			t.Fatal("no call succeeds")
		}
	}
	for range rounds {
		if err := call(); err != nil {
			t.Errorf("a call after one that succeeded = %v", err)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

func TestConnectionsTakeTurns(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil)
	t.Cleanup(donor.Close)
	service, address := &peers{calls: make(map[string]int)}, servertest.Address(t)
	service.serve(t, address, donor)
	pool := dial(t, address, donor)
	client := accessv1.NewAccessServiceClient(pool)
	const rounds = 3
	for range rounds * runtime.GOMAXPROCS(0) {
		if _, err := client.GetCaller(t.Context(), &accessv1.GetCallerRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(service.calls) != runtime.GOMAXPROCS(0) {
		t.Errorf("the calls came over %d connections, want one for each of %d cores", len(service.calls), runtime.GOMAXPROCS(0))
	}
	for address, n := range service.calls {
		if n != rounds {
			t.Errorf("%d calls from %s, want %d", n, address, rounds)
		}
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
	if _, err := client.GetCaller(t.Context(), &accessv1.GetCallerRequest{}); status.Code(err) != codes.Canceled {
		t.Errorf("a call over a closed pool = %v, want %v", err, codes.Canceled)
	}
}
