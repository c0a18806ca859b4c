package auth_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/fault"
)

// A connectProxy is a real HTTP proxy that only tunnels, and knows one host.
type connectProxy struct {
	URL     string
	known   string // host and port that clients ask for
	leads   string // where that is
	tunnels atomic.Int64
	refused atomic.Int64
}

func serveProxy(t *testing.T, known, leads string) *connectProxy {
	t.Helper()
	p := &connectProxy{known: known, leads: leads}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// ServeHTTP answers CONNECT with a tunnel, and all else with a refusal.
func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Host != p.known {
		p.refused.Add(1)
		http.Error(w, "forbidden", http.StatusForbidden)
		return
	}
	far, err := net.Dial("tcp", p.leads)
	if err != nil {
		http.Error(w, "bad gateway", http.StatusBadGateway)
		return
	}
	defer far.Close()
	near, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	p.tunnels.Add(1)
	var both sync.WaitGroup
	for _, pipe := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(pipe[0], pipe[1])
			_ = pipe[0].Close()
		})
	}
	both.Wait()
}

// hiddenIssuer is an issuer that does not listen where its URL says, so that only a
// proxy leads to it. It returns the address.
func hiddenIssuer(t *testing.T, authority *authtest.Authority, host string) (*authtest.Issuer, string) {
	t.Helper()
	issuer, err := authtest.NewIssuer("https://" + host)
	if err != nil {
		t.Fatal(err)
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.ServerCertificate(name)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(issuer.Handler())
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	return issuer, server.Listener.Addr().String()
}

func TestIssuerIsReachedThroughItsProxy(t *testing.T) {
	t.Parallel()
	const host = "issuer.localhost:1"
	w := newWorld(t)
	issuer, address := hiddenIssuer(t, w.authority, host)
	right := serveProxy(t, host, address)
	deaf := serveProxy(t, "elsewhere.localhost:1", address)
	// A proxy that connects to another server cannot pretend to be the issuer.
	foreign, err := authtest.New()
	if err != nil {
		t.Fatal(err)
	}
	_, elsewhere := hiddenIssuer(t, foreign, host)
	liar := serveProxy(t, host, elsewhere)

	claims := w.claims("olivia")
	claims["iss"] = issuer.URL()
	token, err := issuer.Token(claims)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		proxy string
		want  bool
	}{
		{"the proxy", right.URL, true},
		{"no proxy", "", false},
		{"a proxy that refuses", deaf.URL, false},
		{"a proxy that lies", liar.URL, false},
	} {
		authn := w.authenticator(t, func(c *auth.Config) { c.Issuers[0].URL, c.Issuers[0].Proxy = issuer.URL(), tt.proxy })
		_, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token))
		if tt.want != (err == nil) || err != nil && !fault.Is(err, fault.Unreachable) {
			t.Errorf("%s: Authenticate = %v, want OK: %v", tt.name, err, tt.want)
		}
	}
	if right.tunnels.Load() == 0 || right.refused.Load() != 0 || deaf.refused.Load() == 0 || liar.tunnels.Load() == 0 {
		t.Error("the proxies were not asked as configured")
	}
}

func TestOtherIssuersPassByTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := serveProxy(t, strings.TrimPrefix(w.issuer.URL, "https://"), "127.0.0.1:1")
	authn := w.authenticator(t, func(c *auth.Config) {
		c.Issuers = append(c.Issuers, auth.IssuerConfig{URL: "https://issuer.invalid", Audience: audience, Proxy: proxy.URL})
	})
	if _, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", nil))); err != nil {
		t.Errorf("Authenticate = %v by the issuer without a proxy, want OK", err)
	}
	if proxy.tunnels.Load()+proxy.refused.Load() != 0 {
		t.Error("the issuer without a proxy was reached through one")
	}
}

// Authorities that are replaced make a new client, which must use the proxy, too.
func TestReplacedAuthoritiesKeepTheProxy(t *testing.T) {
	t.Parallel()
	const host = "issuer.localhost:1"
	w := newWorld(t)
	issuer, address := hiddenIssuer(t, w.authority, host)
	proxy := serveProxy(t, host, address)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	wrong := wrongAuthority(t, ca)
	authn := w.authenticator(t, func(c *auth.Config) {
		c.Issuers[0].URL, c.Issuers[0].Proxy, c.Issuers[0].CAFile = issuer.URL(), proxy.URL, ca
		wrong(c)
	})
	if err := w.authority.WriteTrust(ca); err != nil {
		t.Fatal(err)
	}
	adopt(t, authn)
	claims := w.claims("olivia")
	claims["iss"] = issuer.URL()
	token, err := issuer.Token(claims)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+token)); err != nil {
		t.Errorf("Authenticate = %v after the authorities were replaced, want OK through the proxy", err)
	}
}

func TestProxiesAreChecked(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string]bool{
		"": true, "http://proxy:3128": true, "http://10.0.0.1:8080": true, "http://[::1]:8080": true,
		"https://proxy:3128": false, "socks5://proxy:1080": false, "http://proxy": false, "proxy:3128": false, "http://:3128": false,
		"http://user:" + canary + "@proxy:3128": false, "http://proxy:3128/": false, "http://proxy:3128?x=y": false, "http://proxy:3128#x": false,
	} {
		err := auth.IssuerConfig{URL: "https://issuer.example", Audience: audience, Proxy: proxy}.Check()
		if want != (err == nil) || err != nil && strings.Contains(err.Error(), canary) {
			t.Errorf("Check() with the proxy %q = %v, want it accepted: %v", proxy, err, want)
		}
	}
}
