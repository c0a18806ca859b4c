package gateway

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

// The metadata that a backend receives, apart from the credentials.
const (
	addressHeader     = auth.AddressHeader
	requestIDHeader   = telemetry.RequestIDHeader
	traceparentHeader = "traceparent"
)

// The same names as net/http spells them. It copies names in any other spelling.
var (
	httpRequestID   = http.CanonicalHeaderKey(requestIDHeader)
	httpTraceparent = http.CanonicalHeaderKey(traceparentHeader)
)

// ServeHTTP answers one request.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := &response{ResponseWriter: w, request: r}
	harden(out.Header(), r)
	out.setID(requestID(r))
	if endless(r) {
		out.Header().Set("Connection", "close")
	}
	defer g.catch(out)
	if refused := g.checkLimits(r); refused != nil {
		g.refuse(out, refused)
		return
	}
	switch path := r.URL.Path; {
	case path == "/healthz":
		g.page(out, r, []byte(`{"status":"SERVING"}`+"\n"))
	case path == "/openapi.json" && g.cfg.OpenAPI != nil:
		g.page(out, r, g.cfg.OpenAPI)
	case path == "/v1" || strings.HasPrefix(path, "/v1/"):
		g.api(out, r)
	default:
		g.other(out, r)
	}
}

// requestID returns the ID of the request, or a new one if it has none.
func requestID(r *http.Request) string {
	if given := r.Header.Get(httpRequestID); given != "" {
		if id, ok := telemetry.ParseRequestID(given); ok {
			return id
		}
	}
	return telemetry.NewRequestID(time.Now())
}

// endless reports whether HTTP implementations may disagree about the end of a request, so that
// its connection must close after it: see the package comment.
func endless(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// other serves the paths that are neither the API nor pages of the gateway.
func (g *gateway) other(w *response, r *http.Request) {
	if g.cfg.Pages != nil {
		if handler := g.cfg.Pages(r); handler != nil {
			handler.ServeHTTP(w, r.WithContext(telemetry.WithRequestID(r.Context(), w.id)))
			return
		}
	}
	g.refuse(w, routeNotFound())
}

// fixed are the headers of every response. The slices have no spare capacity, so that a handler
// that adds a value does not change them.
var fixed = http.Header{
	"Cache-Control":                {"no-store"},
	"X-Content-Type-Options":       {"nosniff"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
}

var strictTransport = []string{"max-age=31536000"}

// harden sets the headers of every response. A handler that serves pages overwrites the content
// security policy and the cache rules.
func harden(h http.Header, r *http.Request) {
	for name, values := range fixed {
		h[name] = values
	}
	// On localhost it would switch every other local server of this browser to https.
	if r.TLS != nil && !loopback(hostname(r.Host)) {
		h["Strict-Transport-Security"] = strictTransport
	}
}

func loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	// A name is not an address. Trying to parse it would cost more than it does to see that.
	if !strings.HasPrefix(host, "127.") && !strings.Contains(host, ":") {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// hostname returns the host of a Host header, normalized and without its port.
func hostname(hostport string) string {
	host := hostport
	if !strings.Contains(hostport, ":") {
		return strings.TrimSuffix(strings.ToLower(host), ".")
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

func (g *gateway) checkLimits(r *http.Request) *refusal {
	if len(r.RequestURI) > maxURLBytes {
		return tooLarge(http.StatusRequestURITooLong, "the URL is longer than the limit", "limit_bytes", maxURLBytes)
	}
	count, size := 0, 0
	for name, values := range r.Header {
		for _, v := range values {
			count++
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if count > maxHeaders {
		return tooLarge(http.StatusRequestHeaderFieldsTooLarge, "the request has more headers than the limit", "limit_headers", maxHeaders)
	}
	if size > maxHeaderBytes {
		return tooLarge(http.StatusRequestHeaderFieldsTooLarge, "the headers are larger than the limit", "limit_bytes", maxHeaderBytes)
	}
	if len(g.hosts) > 0 && !g.hosts[hostname(r.Host)] {
		return foreignHost()
	}
	return nil
}

// page serves a constant body.
func (g *gateway) page(w *response, r *http.Request, body []byte) {
	const allow = "GET, HEAD, OPTIONS"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		writeJSON(w, http.StatusOK, body)
	case http.MethodOptions:
		options(w, allow)
	default:
		g.refuse(w, methodNotAllowed(allow))
	}
}

// options returns the allowed methods. It sets no CORS headers, because pages of other origins
// must not use this API.
func options(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	w.WriteHeader(http.StatusNoContent)
}

// drainBytes is the maximum number of bytes of an unwanted body that are read and discarded.
const drainBytes = 32 << 20

// A response is the response to a request. It records whether it has begun.
type response struct {
	http.ResponseWriter
	request *http.Request
	id      string
	begun   bool
}

// setID sets the request ID of the response.
func (w *response) setID(id string) {
	w.id = id
	w.Header().Set(httpRequestID, id)
}

// WriteHeader begins the response. Before an error, it reads the rest of the request's body:
// net/http would close the connection to a client that is still sending, and that client would
// never read the response. HTTP/2 has other means, and a client that sends `Expect: 100-continue`
// has not begun to send.
func (w *response) WriteHeader(status int) {
	r := w.request
	if !w.begun && status >= http.StatusBadRequest && r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drainBytes) // discarded, so errors do not matter
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write writes a part of the response and begins it if necessary.
func (w *response) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// catch answers for a handler that panicked. It logs only the type of the panic value: its text
// could contain anything.
func (g *gateway) catch(w *response) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	g.cfg.Logger.LogAttrs(w.request.Context(), slog.LevelError, "handler panicked",
		slog.String("panic", fmt.Sprintf("%T", cause)),
		slog.Any("stack", telemetry.Stack(1)),
		slog.String("request_id", w.id))
	if w.begun {
		panic(http.ErrAbortHandler) // net/http aborts the response and logs nothing
	}
	g.refuse(w, internal())
}

var traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// checkCredentials refuses requests without credentials before their body is read. This door
// accepts only bearer tokens, and each method needs one.
func checkCredentials(h http.Header) *refusal {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return unauthenticated(fault.CredentialsMissing, "the request has no credentials; send an Authorization header with a bearer token")
	}
	for _, v := range values {
		if !printable(v) {
			return unauthenticated(fault.CredentialsInvalid, "the credentials are invalid")
		}
	}
	return nil
}

// printable reports whether gRPC can carry a value as metadata.
func printable(value string) bool {
	for _, c := range []byte(value) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
