package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// loadVariable holds the description of a load for a process that only creates it.
const loadVariable = "KEYWARD_TEST_LOAD"

// calls is a number of calls in a closed loop of concurrent callers over one connection.
type calls struct {
	Address, Trust, Certificate, Key, Token, Method string
	Callers, Calls                                  int
}

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(loadVariable)
	if !ok {
		os.Exit(m.Run())
	}
	if err := serveLoad(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runLoad measures a server under the load of another process.
func runLoad(b *testing.B, env *servertest.Env, as servertest.Caller, address, method string, callers int) {
	b.Helper()
	l := calls{Address: address, Trust: env.TrustFile(), Token: as.Token, Method: method, Callers: callers, Calls: b.N}
	if as.Certificate != nil {
		l.Certificate, l.Key = env.Files(b, as)
	}
	text, err := json.Marshal(l)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), loadVariable+"="+string(text)), os.Stderr
	start, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewScanner(out)
	if !said.Scan() { // it is connected and warm
		b.Fatal("the callers did not get ready")
	}
	b.ReportAllocs()
	b.ResetTimer()
	before := cpuTime(b)
	if err := start.Close(); err != nil {
		b.Fatal(err)
	}
	if !said.Scan() {
		b.Fatal("the callers did not finish")
	}
	used := cpuTime(b) - before
	b.StopTimer()
	var p50, p99 time.Duration
	if _, err := fmt.Sscan(said.Text(), (*int64)(&p50), (*int64)(&p99)); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(p50.Microseconds()), "p50-µs")
	b.ReportMetric(float64(p99.Microseconds()), "p99-µs")
}

// cpuTime returns the CPU time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serveLoad creates the load when standard input ends. It prints a line when it is ready, and then
// the median and the 99th percentile of the latencies in nanoseconds.
func serveLoad(text string) error {
	var l calls
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		return err
	}
	conn, err := l.dial()
	if err != nil {
		return err
	}
	if _, err := l.run(conn, 2000); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(os.Stdout, "ready"); err != nil {
		return err
	}
	bufio.NewScanner(os.Stdin).Scan()
	took, err := l.run(conn, l.Calls)
	if err != nil {
		return err
	}
	slices.Sort(took)
	_, err = fmt.Fprintln(os.Stdout, int64(took[len(took)/2]), int64(took[len(took)*99/100]))
	return errors.Join(err, conn.Close())
}

func (l calls) dial() (*grpc.ClientConn, error) {
	trust, err := os.ReadFile(l.Trust)
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AppendCertsFromPEM(trust)
	if l.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(l.Certificate, l.Key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return grpc.NewClient(l.Address, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
}

// run makes the calls and returns their latencies.
func (l calls) run(conn *grpc.ClientConn, n int) ([]time.Duration, error) {
	ctx := context.Background()
	if l.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+l.Token)
	}
	vault, took := vaultv1.NewVaultServiceClient(conn), make([]time.Duration, n)
	var next, failed atomic.Int64
	var failure atomic.Pointer[error]
	var callers sync.WaitGroup
	for range l.Callers {
		callers.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= int64(n) || failed.Load() > 0 {
					return
				}
				begin := time.Now()
				if err := l.call(ctx, vault); err != nil {
					failed.Add(1)
					failure.Store(&err)
				}
				took[i] = time.Since(begin)
			}
		})
	}
	callers.Wait()
	if err := failure.Load(); err != nil {
		return nil, *err
	}
	return took, nil
}

func (l calls) call(ctx context.Context, vault vaultv1.VaultServiceClient) (err error) {
	if l.Method == "get" {
		_, err = vault.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: name})
		return err
	}
	_, err = vault.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{Name: name, Uid: "0198c5a2-7d3e-7c11-9a01-2f3b4c5d6e7f"})
	return err
}
