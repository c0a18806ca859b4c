package auth_test

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/peer"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

// burst is how many bad credentials an address may send at once in these tests.
const burst = 3

// limited is a world whose authenticator limits failures.
func limited(t *testing.T) (*world, *auth.Authenticator) {
	t.Helper()
	w := newWorld(t)
	failures, err := quota.New(quota.Limits{Rate: 1, Burst: burst}, w.clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	return w, w.authenticator(t, func(c *auth.Config) { c.Failures = failures })
}

// from is the context of a request with a token from an address.
func from(ctx context.Context, address, token string) context.Context {
	tcp := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 4711))
	return bearing(peer.NewContext(ctx, &peer.Peer{Addr: tcp}), "authorization", "Bearer "+token)
}

// exhaust sends bad tokens from an address until it is refused.
func exhaust(t *testing.T, authn *auth.Authenticator, address string) {
	t.Helper()
	for n := range burst {
		if _, err := authn.Authenticate(from(t.Context(), address, "bad.to.ken")); !fault.Is(err, fault.CredentialsInvalid) {
			t.Fatalf("bad token %d = %v, want CREDENTIALS_INVALID", n+1, err)
		}
	}
	_, err := authn.Authenticate(from(t.Context(), address, "bad.to.ken"))
	f, ok := fault.From(err)
	if !ok || f.Kind != fault.ResourceExhausted || f.Reason != fault.RateLimited || f.RetryAfter <= 0 {
		t.Fatalf("bad token %d = %v, want RATE_LIMITED with a time to wait", burst+1, err)
	}
}

func TestGuessingTokensIsLimitedByAddress(t *testing.T) {
	t.Parallel()
	w, authn := limited(t)
	known := w.token(t, "olivia", nil)
	if _, err := authn.Authenticate(from(t.Context(), "192.0.2.7", known)); err != nil {
		t.Fatal(err)
	}
	exhaust(t, authn, "192.0.2.7")
	unknown := w.token(t, "mia", nil)
	if _, err := authn.Authenticate(from(t.Context(), "192.0.2.7", unknown)); !fault.Is(err, fault.RateLimited) {
		t.Errorf("a token that nobody has seen yet, from the address of the guesser = %v, want RATE_LIMITED", err)
	}
	if _, err := authn.Authenticate(from(t.Context(), "192.0.2.7", known)); err != nil {
		t.Errorf("a token that is known, from the address of the guesser = %v, want OK", err)
	}
	if _, err := authn.Authenticate(from(t.Context(), "192.0.2.8", unknown)); err != nil {
		t.Errorf("a good token from another address = %v, want OK", err)
	}
	w.clock.advance(time.Second)
	if _, err := authn.Authenticate(from(t.Context(), "192.0.2.7", w.token(t, "oscar", nil))); err != nil {
		t.Errorf("a good token after the time to wait = %v, want OK", err)
	}
}

func TestGoodTokensAreNotCountedAsFailures(t *testing.T) {
	t.Parallel()
	w, authn := limited(t)
	for n := range 10 * burst {
		token := w.token(t, "olivia", map[string]any{"n": n})
		if _, err := authn.Authenticate(from(t.Context(), "192.0.2.7", token)); err != nil {
			t.Fatalf("good token %d = %v", n+1, err)
		}
	}
}

func TestIssuerThatIsDownIsNobodysFailure(t *testing.T) {
	t.Parallel()
	w, authn := limited(t)
	w.issuer.down.Store(true)
	for range 3 * burst {
		_, err := authn.Authenticate(from(t.Context(), "192.0.2.7", w.token(t, "olivia", nil)))
		if !fault.Is(err, fault.Unreachable) {
			t.Fatalf("Authenticate = %v with the issuer down, want UNAVAILABLE", err)
		}
	}
}

func TestNeighboursInAnIPv6NetworkAreOneOrigin(t *testing.T) {
	t.Parallel()
	w, authn := limited(t)
	exhaust(t, authn, "2001:db8::1")
	token := w.token(t, "olivia", nil)
	if _, err := authn.Authenticate(from(t.Context(), "2001:db8::ffff:2", token)); !fault.Is(err, fault.RateLimited) {
		t.Errorf("from another address of the network = %v, want RATE_LIMITED", err)
	}
	if _, err := authn.Authenticate(from(t.Context(), "2001:db8:0:1::1", token)); err != nil {
		t.Errorf("from another network = %v, want OK", err)
	}
	exhaust(t, authn, "192.0.2.9")
	if _, err := authn.Authenticate(from(t.Context(), "::ffff:192.0.2.9", w.token(t, "mia", nil))); !fault.Is(err, fault.RateLimited) {
		t.Errorf("from the same IPv4 address, spelt as IPv6 = %v, want RATE_LIMITED", err)
	}
}

func TestPeopleBehindAGatewayAreToldApart(t *testing.T) {
	t.Parallel()
	failures, err := quota.New(quota.Limits{Rate: 1e-6, Burst: burst}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	d := openDoor(t, func(c *auth.Config) { c.Failures = failures })
	gateway := d.dial(t, d.certificate(t, "/gateway"))
	get := func(address string, headers []string) string {
		return call(t, gateway, d.method(t, "GetSecret"), name, append(headers, auth.AddressHeader, address)...).String()
	}
	bad := []string{"authorization", "Bearer bad.to.ken"}
	var codes []string
	for range burst + 1 {
		codes = append(codes, get("192.0.2.7", bad))
	}
	want := "Unauthenticated Unauthenticated Unauthenticated ResourceExhausted"
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("bad tokens of one person through the gateway = %s, want %s", got, want)
	}
	if got := get("192.0.2.8", d.bearer(t, "olivia", nil).headers); got != "Unimplemented" {
		t.Errorf("another person through the gateway = %s, want that they reach the method", got)
	}
}
