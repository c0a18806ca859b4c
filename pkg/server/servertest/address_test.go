package servertest_test

import (
	"net"
	"testing"

	"github.com/keyward/keyward/pkg/server/servertest"
)

func TestAnAddressStaysFreeWhileItsServerRestarts(t *testing.T) {
	t.Parallel()
	address := servertest.Address(t)
	var config net.ListenConfig
	for range 3 {
		listener, err := config.Listen(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		// More listeners and addresses than the kernel has ports to choose from would show that it
		// gives the port away.
		for range 200 {
			other, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { other.Close() })
			if got := other.Addr().String(); got == address || servertest.Address(t) == address {
				t.Errorf("another listener got %s", address)
			}
		}
	}
}
