package allowlist_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// BenchmarkFlood prints the peak memory of a process with an allowlist, a vault, and callers
// without memory of their own, while callers send many bodies of 16 MiB at once for 5 seconds. It
// also prints how many of the bodies were encrypted.
func BenchmarkFlood(b *testing.B) {
	for _, callers := range []int{1, 3} {
		b.Run(fmt.Sprint(callers, " callers"), func(b *testing.B) {
			k := allowlisttest.New(b)
			k.Orders(b)
			var clients []*http.Client
			for i := range callers {
				clients = append(clients, floodClient(b, k.Env, k.Env.Workload(b, fmt.Sprint("sender-", i), "sender")))
			}
			for b.Loop() {
				_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
				ctx, cancel := context.WithTimeout(b.Context(), 5*time.Second)
				outcomes := new(floodOutcomes)
				var all sync.WaitGroup
				for i := range 40 * callers {
					all.Go(func() {
						for ctx.Err() == nil {
							outcomes.add(flood(ctx, clients[i%callers], k.Server.Addr, allowlisttest.NameOf("orders"), 16<<20-1000))
						}
					})
				}
				all.Wait()
				cancel()
				b.Logf("%d bodies of 16 MiB at once: %s, statuses %v", 40*callers, peak(b), outcomes.by)
			}
		})
	}
}

type floodOutcomes struct {
	mutex sync.Mutex
	by    map[string]int
}

func (o *floodOutcomes) add(status string) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.by == nil {
		o.by = make(map[string]int)
	}
	o.by[status]++
}

func floodClient(b *testing.B, env *servertest.Env, as servertest.Caller) *http.Client {
	b.Helper()
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: env.Authority.Pool(), Certificates: []tls.Certificate{*as.Certificate},
		},
		ForceAttemptHTTP2: true,
	}}
}

// flood sends a body of n zeros and returns the status of the response.
func flood(ctx context.Context, client *http.Client, addr, name string, n int) string {
	fields := protowire.AppendTag(nil, 1, protowire.BytesType)
	fields = protowire.AppendString(fields, name)
	fields = protowire.AppendTag(fields, 3, protowire.BytesType)
	fields = protowire.AppendVarint(fields, uint64(n))
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(fields)+n))
	body := io.MultiReader(bytes.NewReader(append(head, fields...)), io.LimitReader(zeros{}, int64(n)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+addr+allowlistv1.AllowlistService_Encrypt_FullMethodName, body)
	if err != nil {
		return err.Error()
	}
	req.Header = http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}}
	resp, err := client.Do(req)
	if err != nil {
		return "none"
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "none"
	}
	return resp.Trailer.Get("grpc-status") + resp.Header.Get("grpc-status")
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// peak returns the line with the peak memory from the status of the process.
func peak(b *testing.B) string {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("no /proc")
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, "\n")
	return "peak " + strings.TrimSpace(line)
}
