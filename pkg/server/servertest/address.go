package servertest

import (
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
)

// Ports that the kernel never assigns to a listener without a port: its own range starts at 32768.
const firstPort, lastPort = 10_000, 32_000

// nextPort starts at another port in each concurrent run of these tests.
var nextPort = sync.OnceValue(func() *atomic.Int64 {
	next := new(atomic.Int64)
	next.Store(int64(os.Getpid()) * 101)
	return next
})

// Address returns a loopback address without a listener, for a server that restarts. Nothing else
// listens on it until the server starts, nor while it restarts: the kernel would give a port of its
// own range, as it does for port 0, to the next listener.
func Address(t testing.TB) string {
	t.Helper()
	for range lastPort - firstPort {
		port := firstPort + nextPort().Add(1)%(lastPort-firstPort)
		address := net.JoinHostPort("127.0.0.1", strconv.FormatInt(port, 10))
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
		if err != nil {
			continue // used by another process
		}
		check(t, "close listener", listener.Close())
		return address
	}
	t.Fatal("no port is free")
	return ""
}
