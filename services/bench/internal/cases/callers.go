package cases

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/services/bench/internal/load"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// perConnection is the number of callers that share a gRPC connection.
const perConnection = 16

// Callers returns callers of a method at an address, and a function that closes their connections.
func Callers(n int, address, method string, who site.Caller, next func(uint64) []byte) ([]load.Call, func(), error) {
	var conns []*grpc.ClientConn
	stop := func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	calls := make([]load.Call, n)
	for i := range calls {
		if i%perConnection == 0 {
			conn, err := site.Dial(address, who.TLS, who.Token, grpc.ForceCodecV2(site.Raw{}))
			if err != nil {
				stop()
				return nil, nil, err
			}
			conns = append(conns, conn)
		}
		conn, number := conns[len(conns)-1], numbers(i)
		var response []byte
		calls[i] = func(ctx context.Context) error { return conn.Invoke(ctx, method, next(number()), &response) }
	}
	return calls, stop, nil
}

// numbers returns the numbers of the requests of the i-th caller, which no other caller has.
func numbers(i int) func() uint64 {
	n := uint64(i) << 32
	return func() uint64 {
		n++
		return n
	}
}

// HTTPCallers returns callers over HTTP/1.1, each with a connection of its own.
func HTTPCallers(n int, address string, who site.Caller, next func(uint64) []byte) ([]load.Call, func(), error) {
	transport := &http.Transport{
		TLSClientConfig: who.TLS.Clone(), MaxIdleConnsPerHost: n, MaxConnsPerHost: n,
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	client := &http.Client{Transport: transport}
	calls := make([]load.Call, n)
	for i := range calls {
		number := numbers(i)
		calls[i] = func(ctx context.Context) error {
			return get(ctx, client, "https://"+address+string(next(number())), who.Token)
		}
	}
	return calls, transport.CloseIdleConnections, nil
}

func get(ctx context.Context, client *http.Client, url string, token *site.Token) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", token.Header())
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET: %s", resp.Status)
	}
	return nil
}
