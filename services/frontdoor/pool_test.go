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

func TestConnectionsTakeTurns(t *testing.T) {
	t.Parallel()
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	service := &peers{calls: make(map[string]int)}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: donor.TLS.Certificates})))
	accessv1.RegisterAccessServiceServer(server, service)
	go server.Serve(lis)
	defer server.Stop()
	roots := donor.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	pool, err := frontdoor.Dial(lis.Addr().String(), func() *tls.Config { return &tls.Config{RootCAs: roots} })
	if err != nil {
		t.Fatal(err)
	}
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
