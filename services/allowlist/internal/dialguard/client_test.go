package dialguard_test

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// A partner is an HTTPS server that counts its requests.
type partner struct {
	*httptest.Server
	calls atomic.Int32
}

func newPartner(t *testing.T, handle http.HandlerFunc, configure ...func(*tls.Config)) *partner {
	t.Helper()
	p := new(partner)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.calls.Add(1)
		handle(w, r)
	}))
	p.TLS = new(tls.Config)
	for _, change := range configure {
		change(p.TLS)
	}
	p.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // the tests provoke refusals
	p.StartTLS()
	t.Cleanup(p.Close)
	return p
}

// client returns a client that trusts the partner, with a guard that opens some ranges.
func (p *partner) client(bound time.Duration, open ...string) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	var ranges []netip.Prefix
	for _, text := range open {
		ranges = append(ranges, netip.MustParsePrefix(text))
	}
	return dialguard.New(dialguard.Options{Open: ranges}).HTTPClient(dialguard.HTTPOptions{Roots: roots, Timeout: bound, MaxBody: 1024})
}

const (
	loopback = "127.0.0.0/8"
	soon     = 10 * time.Second
)

func get(t *testing.T, c *http.Client, url string) (int, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, body, err
}

func TestTheClientReachesWhatIsOpenOnly(t *testing.T) {
	t.Parallel()
	p := newPartner(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	if code, body, err := get(t, p.client(soon, loopback), p.URL); code != http.StatusOK || string(body) != "hello" || err != nil {
		t.Errorf("GET in an open range = %d %q, %v", code, body, err)
	}
	p.calls.Store(0)
	_, port, _ := net.SplitHostPort(p.Listener.Addr().String())
	for _, url := range []string{
		p.URL, "https://localhost:" + port, "https://0.0.0.0:" + port, "https://[::]:" + port, "https://[::ffff:127.0.0.1]:" + port,
		"https://2130706433:" + port, "https://0x7f.1:" + port, "https://127.1:" + port, "https://127.0.0.1.:" + port,
		"https://１２７.0.0.1:" + port, "https://ⓛocalhost:" + port,
	} {
		// Not every machine has an address for its own name.
		if _, _, err := get(t, p.client(soon), url); !errors.Is(err, dialguard.ErrForbidden) && !errors.Is(err, dialguard.ErrUnresolved) {
			t.Errorf("GET %s = %v, want it refused", url, err)
		}
	}
	for _, url := range []string{"http://" + p.Listener.Addr().String(), "https://user:pass@" + p.Listener.Addr().String()} {
		if _, _, err := get(t, p.client(soon, loopback), url); !errors.Is(err, dialguard.ErrForbidden) {
			t.Errorf("GET %s = %v, want ErrForbidden", url, err)
		}
	}
	if n := p.calls.Load(); n != 0 {
		t.Errorf("the server was reached %d times", n)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	target := newPartner(t, func(http.ResponseWriter, *http.Request) {})
	for _, code := range []int{301, 302, 303, 307, 308} {
		p := newPartner(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, code) })
		if got, _, err := get(t, p.client(soon, loopback), p.URL); got != code || err != nil {
			t.Errorf("GET = %d, %v, want the redirect itself, %d", got, err, code)
		}
	}
	if n := target.calls.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
}

// It cannot run in parallel: it changes the environment.
func TestNoProxyOfTheEnvironmentIsAsked(t *testing.T) {
	proxy := newPartner(t, func(http.ResponseWriter, *http.Request) {})
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	p := newPartner(t, func(http.ResponseWriter, *http.Request) {})
	if _, _, err := get(t, p.client(soon, loopback), p.URL); err != nil {
		t.Errorf("GET = %v", err)
	}
	if _, _, err := get(t, p.client(soon, loopback), "https://none.invalid/"); !errors.Is(err, dialguard.ErrUnresolved) {
		t.Errorf("GET of an invalid name = %v, want ErrUnresolved", err)
	}
	if n := proxy.calls.Load(); n != 0 {
		t.Errorf("the proxy was asked %d times", n)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	_, _ = z.Write(make([]byte, 100<<10))
	_ = z.Close()
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
		size   int
		err    error // nil: none
		any    bool  // any error will do
	}{
		{"a body of the maximum size", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1024)) }, 1024, nil, false},
		{"one byte more", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1025)) }, 1024, dialguard.ErrTooLarge, false},
		{"an endless body", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, 1024, dialguard.ErrTooLarge, false},
		{"a compressed body, which stays as it is", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept-Encoding") != "" {
				http.Error(w, "asked for", http.StatusTeapot)
			}
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		}, bomb.Len(), nil, false},
		{"a header that is too large", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 64<<10)) }, 0, nil, true},
	} {
		p := newPartner(t, tt.handle)
		_, body, err := get(t, p.client(soon, loopback), p.URL)
		if len(body) != tt.size || !errors.Is(err, tt.err) && !tt.any || tt.any && err == nil {
			t.Errorf("%s = %d bytes, %v, want %d, %v", tt.name, len(body), err, tt.size, tt.err)
		}
	}
}

func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	// If the server ended its response when the client disconnects, the client might read to the end.
	ended := make(chan struct{})
	for _, tt := range []struct {
		name   string
		handle http.HandlerFunc
	}{
		{"a server that says nothing", func(http.ResponseWriter, *http.Request) { <-ended }},
		{"a server that stops in the middle", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hel")
			_ = http.NewResponseController(w).Flush()
			<-ended
		}},
	} {
		p := newPartner(t, tt.handle)
		var timeout net.Error
		if _, _, err := get(t, p.client(200*time.Millisecond, loopback), p.URL); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: GET = %v, want a timeout", tt.name, err)
		}
	}
	close(ended)
}

func TestServersMustProveWhoTheyAre(t *testing.T) {
	t.Parallel()
	quiet := func(http.ResponseWriter, *http.Request) {}
	p := newPartner(t, quiet)
	stranger := dialguard.New(dialguard.Options{Open: []netip.Prefix{netip.MustParsePrefix(loopback)}}).
		HTTPClient(dialguard.HTTPOptions{Roots: x509.NewCertPool(), Timeout: soon, MaxBody: 1})
	var unknown *tls.CertificateVerificationError
	if _, _, err := get(t, stranger, p.URL); !errors.As(err, &unknown) {
		t.Errorf("GET from an unknown authority = %v, want it refused", err)
	}
	old := newPartner(t, quiet, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
	if _, _, err := get(t, old.client(soon, loopback), old.URL); err == nil {
		t.Error("GET over TLS 1.1 succeeds")
	}
	if n := p.calls.Load() + old.calls.Load(); n != 0 {
		t.Errorf("requests were sent %d times", n)
	}
}
