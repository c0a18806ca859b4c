package gateway_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// rawTLS sends bytes over TLS and returns the responses until the server closes the connection,
// and whether it did.
func rawTLS(t *testing.T, srv *httptest.Server, text string) (answers []*http.Response, closed bool) {
	t.Helper()
	conn, err := tls.Dial("tcp", srv.Listener.Addr().String(), srv.Client().Transport.(*http.Transport).TLSClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(conn)
	for {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return answers, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, answer)
		if !answer.Close && len(answers) == 2 {
			return answers, false
		}
	}
}

// If implementations may disagree about the end of a request, later bytes of the connection are
// not served.
func TestNothingFollowsARequestWhoseEndIsNotClear(t *testing.T) {
	t.Parallel()
	e := start(t)
	srv := httptest.NewUnstartedServer(e.handler(t, e.dial(t)))
	srv.Config = gateway.Server("", srv.Config.Handler, nil, nil)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	const (
		body     = `{"description":"x"}`
		smuggled = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
	)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	for _, tt := range []struct {
		name, method, path, headers, body string
		http10                            bool
		follows                           bool
	}{
		{name: "a length", method: "POST", path: secrets, headers: fmt.Sprintf("Content-Length: %d\r\n", len(body)), body: body, follows: true},
		{name: "no body", method: "GET", path: secrets, follows: true},
		{name: "chunks", method: "POST", path: secrets, headers: "Transfer-Encoding: chunked\r\n", body: chunked},
		{name: "chunks and a length", method: "POST", path: secrets, headers: "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", body: chunked},
		{name: "a length and chunks", method: "POST", path: secrets, headers: "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", body: chunked},
		{name: "chunks, a length and keep-alive", method: "POST", path: secrets, headers: "Connection: keep-alive\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n", body: chunked},
		{name: "chunks and a length for a method without a body", method: "GET", path: secrets, headers: "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body: "0\r\n\r\n"},
		{name: "a page", method: "GET", path: "/healthz", headers: "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body: "0\r\n\r\n"},
		{name: "no such page", method: "POST", path: "/nothing", headers: "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", body: "0\r\n\r\n"},
		{name: "a length and chunks in HTTP/1.0", method: "POST", path: secrets, headers: fmt.Sprintf("Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n", len(body)), body: body, http10: true},
		{name: "two lengths", method: "POST", path: secrets, headers: "Content-Length: 4\r\nContent-Length: 5\r\n", body: body},
		{name: "two encodings", method: "POST", path: secrets, headers: "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", body: chunked},
		{name: "another encoding", method: "POST", path: secrets, headers: "Transfer-Encoding: gzip, chunked\r\nContent-Length: 5\r\n", body: chunked},
	} {
		version := "1.1"
		if tt.http10 {
			version = "1.0"
		}
		request := fmt.Sprintf("%s %s HTTP/%s\r\nHost: a\r\nAuthorization: Bearer x\r\n%s\r\n%s", tt.method, tt.path, version, tt.headers, tt.body)
		answers, closed := rawTLS(t, srv, request+smuggled)
		if tt.follows {
			if len(answers) != 2 {
				t.Errorf("%s: %d answers to two requests", tt.name, len(answers))
			}
			continue
		}
		if len(answers) != 1 || !closed || !answers[0].Close {
			t.Errorf("%s: %d answers, closed: %v; want one that closes the connection", tt.name, len(answers), closed)
		}
	}
}

// An address has a share of the bytes of pending bodies; the announced length counts.
func TestBodiesOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *gateway.Config) { c.BodyBytes = 2 << 20 })
	large := `{"description":"` + strings.Repeat("x", 600_000) + `"}`
	if a := e.do(t, "POST", secrets, large); a.code != http.StatusOK {
		t.Fatalf("a large body = %d %s", a.code, a.body)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: application/json\r\nContent-Length: 800000\r\nExpect: 100-continue\r\n\r\n", secrets)
	// The server sends 100 Continue when the bytes are taken.
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
		t.Fatalf("%q, %v", line, err)
	}
	a := e.do(t, "POST", secrets, large)
	if p := wantProblem(t, a, http.StatusTooManyRequests, "RATE_LIMITED"); p.retry.GetRetryDelay().AsDuration() <= 0 || a.header.Get("Retry-After") == "" {
		t.Errorf("the time to wait is missing: %v %v", p.retry, a.header)
	}
	if a := e.do(t, "POST", secrets, `{"description":"x"}`); a.code != http.StatusOK {
		t.Errorf("a small body = %d %s", a.code, a.body)
	}
	conn.Close()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	for e.do(t, "POST", secrets, large).code != http.StatusOK {
		select {
		case <-deadline.C:
			t.Fatal("the share of a disconnected client was not returned")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
