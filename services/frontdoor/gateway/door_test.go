package gateway_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// serve sends a request through a handler without a network.
func serve(t testing.TB, h http.Handler, method, target, body string) answer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer of-somebody")
	return record(h, r)
}

func record(h http.Handler, r *http.Request) answer {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

func TestPagesBesideTheAPI(t *testing.T) {
	t.Parallel()
	e := start(t)
	for _, path := range []string{"/healthz", "/openapi.json"} {
		// Pages need no credentials.
		if a := e.do(t, "GET", path, "", "Authorization", ""); a.code != http.StatusOK || len(fieldsOf(t, a.body)) != 1 {
			t.Errorf("GET %s = %d %s", path, a.code, a.body)
		}
		if a := e.do(t, "OPTIONS", path, ""); a.code != http.StatusNoContent || a.header.Get("Allow") == "" {
			t.Errorf("OPTIONS %s = %d", path, a.code)
		}
	}
	bare := start(t, func(c *gateway.Config) { c.OpenAPI = nil })
	wantProblem(t, bare.do(t, "GET", "/openapi.json", ""), http.StatusNotFound, "ROUTE_NOT_FOUND")
}

func TestPagesAreWhatIsNotAPI(t *testing.T) {
	t.Parallel()
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		w.Header().Set("Cache-Control", "max-age=60")
		http.ServeContent(w, r, "index.html", time.Time{}, strings.NewReader("<html>"+r.URL.Path))
	})
	beside := func(c *gateway.Config) {
		c.AllowedHosts = []string{"127.0.0.1"}
		c.Pages = func(r *http.Request) http.Handler {
			if strings.HasPrefix(r.URL.Path, "/secrets/") {
				return pages
			}
			return nil
		}
	}
	e := start(t, beside)
	a := e.do(t, "GET", "/secrets/db", "", "Authorization", "")
	if a.code != http.StatusOK || a.body != "<html>/secrets/db" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		t.Errorf("GET = %d %q %q", a.code, a.header.Get("Content-Type"), a.body)
	}
	if a.header.Get("Content-Security-Policy") != "default-src 'self'" || a.header.Get("Cache-Control") != "max-age=60" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers = %v", a.header)
	}
	for _, path := range []string{"/v1", "/v1/", "/v1/nothing", "/v1%2Fworkspaces", "/", "/" + canary, "//v1/" + canary} {
		a := e.do(t, "GET", path, "")
		wantProblem(t, a, http.StatusNotFound, "ROUTE_NOT_FOUND")
		if strings.Contains(fmt.Sprint(a), canary) {
			t.Errorf("GET %s: the response repeats the path: %v", path, a)
		}
	}
	if a := record(e.handler(t, e.dial(t), beside), httptest.NewRequest("GET", "http://evil.example/secrets/db", nil)); a.code != http.StatusMisdirectedRequest {
		t.Errorf("GET of a page by a foreign host name = %d, want %d", a.code, http.StatusMisdirectedRequest)
	}
}

func TestForeignHostsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) {
		c.AllowedHosts = []string{"localhost", "Keyward.Example", "::1", "127.0.0.1"}
	})
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:8443": true, "LOCALHOST.": true, "keyward.example": true, "[::1]:1": true, "[::1]": true, "127.0.0.1:80": true,
		"evil.example": false, "localhost.evil.example": false, "evil.example:80": false, "keyward.example.": true, "127.0.0.2": false, "[::2]:1": false, canary: false,
	} {
		for _, path := range []string{secret, "/healthz", "/openapi.json", "/nothing"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", e.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			a := send(t, req)
			if (a.code != http.StatusMisdirectedRequest) != ok {
				t.Errorf("Host %s, %s: %d", host, path, a.code)
			}
			if !ok {
				wantProblem(t, a, http.StatusMisdirectedRequest, "ROUTE_NOT_FOUND")
			}
			if strings.Contains(a.body, canary) {
				t.Errorf("the response repeats the host: %s", a.body)
			}
		}
	}
	e.gotNothing(t)
}

func TestLimitsOfURLsAndHeaders(t *testing.T) {
	t.Parallel()
	e := start(t)
	headers := func(n, size int) []string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("X-H%d", i), strings.Repeat("x", size))
		}
		return out
	}
	tests := []struct {
		name, query string
		headers     []string
		code        int
		limit       string
	}{
		{"a long URL is accepted", "?query=" + strings.Repeat("x", 8000), nil, 200, ""},
		{"a longer URL is refused", "?query=" + strings.Repeat("x", 8192), nil, 414, "limit_bytes"},
		{"ninety headers are accepted", "", headers(90, 10), 200, ""},
		{"a thousand headers are refused", "", headers(1000, 10), 431, "limit_headers"},
		{"thirty kilobytes of headers are accepted", "", headers(30, 1000), 200, ""},
		{"forty kilobytes are refused", "", headers(40, 1000), 431, "limit_bytes"},
		{"forty kilobytes in one header are refused", "", headers(1, 40_000), 431, "limit_bytes"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := e.do(t, "GET", secrets+tc.query, "", tc.headers...)
			if tc.code == 200 {
				if a.code != 200 {
					t.Errorf("GET = %d %s, want 200", a.code, a.body)
				}
				e.got(t)
				return
			}
			if p := wantProblem(t, a, tc.code, "MESSAGE_TOO_LARGE"); p.info.GetMetadata()[tc.limit] == "" {
				t.Errorf("metadata = %v, want %s", p.info.GetMetadata(), tc.limit)
			}
		})
	}
	// Far above the limit, net/http itself answers.
	if a := e.do(t, "GET", secret, "", headers(1, 200_000)...); a.code != 431 {
		t.Errorf("200 kB of headers: %d, want 431", a.code)
	}
	e.gotNothing(t)
}

func TestRequestLinesThatNoHandlerSees(t *testing.T) {
	t.Parallel()
	e := start(t)
	for name, tc := range map[string]struct {
		request string
		code    int
	}{
		"the server as a whole": {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		"a tunnel":              {"CONNECT " + canary + ":443 HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		"an invalid escape":     {"GET /v1/%zz" + canary + " HTTP/1.1\r\nHost: a\r\n\r\n", 400},
		"not HTTP":              {canary + "\r\n\r\n", 400},
		"two hosts":             {"GET / HTTP/1.1\r\nHost: a\r\nHost: " + canary + "\r\n\r\n", 400},
		"two lengths":           {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n" + canary, 400},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(conn, tc.request)
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			if res.StatusCode != tc.code || strings.Contains(string(b), canary) {
				t.Errorf("answer = %d %q, want %d and nothing of the request", res.StatusCode, b, tc.code)
			}
		})
	}
	if strings.Contains(e.log.String(), canary) {
		t.Errorf("the log repeats the request: %s", e.log.String())
	}
}

func TestPanicsAreAnsweredAndNotDescribed(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 1)
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			io.WriteString(w, "half an")
			http.NewResponseController(w).Flush()
			begun <- struct{}{}
		}
		panic(fmt.Errorf("%s", canary))
	})
	e := start(t, func(c *gateway.Config) { c.Pages = func(*http.Request) http.Handler { return pages } })
	a := e.do(t, "GET", "/early", "")
	wantProblem(t, a, http.StatusInternalServerError, "INTERNAL")
	req, err := http.NewRequestWithContext(t.Context(), "GET", e.url+"/late", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-begun
	if _, err := io.ReadAll(res.Body); err == nil {
		t.Error("an aborted response reads as complete")
	}
	if log := e.log.String(); strings.Contains(log, canary) || strings.Contains(a.body, canary) || !strings.Contains(log, "handler panicked") {
		t.Errorf("answer %s\nlog %s", a.body, log)
	}
	if log := e.log.String(); strings.Contains(log, "0x") || strings.Contains(log, "goroutine ") || !strings.Contains(log, "TestPanicsAreAnsweredAndNotDescribed") {
		t.Errorf("the stack should name functions and show no argument: %s", log)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	// httptest has a certificate for 127.0.0.1 and example.com.
	donor := httptest.NewTLSServer(nil)
	defer donor.Close()
	e := &env{calls: make(chan seen, 10)}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{Certificates: donor.TLS.Certificates}
	srv := gateway.Server("", e.handler(t, e.dial(t)), cfg, slog.New(slog.NewTextHandler(&e.log, nil)))
	go srv.ServeTLS(lis, "", "")
	defer srv.Close()
	transport := donor.Client().Transport.(*http.Transport).Clone()
	transport.ForceAttemptHTTP2 = true
	defer transport.CloseIdleConnections()
	for host, hsts := range map[string]string{"keyward.example": "max-age=31536000", "localhost": "", "127.0.0.1:1": "", "[::1]:1": ""} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+lis.Addr().String()+secrets, strings.NewReader(strings.Repeat(" ", 2<<20)))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("Authorization", "Bearer of-somebody")
		res, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		res.Body.Close()
		wantProblem(t, answer{res.StatusCode, res.Header, string(b)}, http.StatusRequestEntityTooLarge, "MESSAGE_TOO_LARGE")
		if res.ProtoMajor != 2 || res.Header.Get("Strict-Transport-Security") != hsts {
			t.Errorf("%s: HTTP/%d, Strict-Transport-Security %q, want 2, %q", host, res.ProtoMajor, res.Header.Get("Strict-Transport-Security"), hsts)
		}
	}
	old := &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MaxVersion: tls.VersionTLS11}
	if conn, err := tls.Dial("tcp", lis.Addr().String(), old); err == nil {
		conn.Close()
		t.Error("the server accepts TLS 1.1")
	}
}

func TestServersWaitForNobody(t *testing.T) {
	t.Parallel()
	srv := gateway.Server("127.0.0.1:0", http.NotFoundHandler(), nil, nil)
	if srv.ReadHeaderTimeout == 0 || srv.ReadTimeout == 0 || srv.WriteTimeout == 0 || srv.IdleTimeout == 0 || srv.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", srv)
	}
}
