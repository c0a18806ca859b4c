package servertest

import (
	"net/netip"
	"syscall"
	"testing"
)

// Address returns a loopback address for a server that restarts. No other process is given its
// port until the test ends, not even while the server is down: a socket that never listens holds
// the port. The server can use it nevertheless, because listeners of Go may reuse an address
// (SO_REUSEADDR).
func Address(t testing.TB) string {
	t.Helper()
	holder, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	check(t, "make socket", err)
	t.Cleanup(func() { _ = syscall.Close(holder) })
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	// The kernel chooses a port. It would also choose one that another test holds if this socket
	// could reuse addresses already.
	check(t, "hold port", syscall.Bind(holder, &syscall.SockaddrInet4{Addr: loopback.As4()}))
	check(t, "share port", syscall.SetsockoptInt(holder, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	name, err := syscall.Getsockname(holder)
	check(t, "read port", err)
	return netip.AddrPortFrom(loopback, uint16(name.(*syscall.SockaddrInet4).Port)).String()
}
