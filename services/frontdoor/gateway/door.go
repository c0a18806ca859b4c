package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/telemetry"
)

const (
	addressHeader     = auth.AddressHeader
	requestIDHeader   = telemetry.RequestIDHeader
	traceparentHeader = "traceparent"
)

// ServeHTTP answers one request.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id, ok := telemetry.ParseRequestID(r.Header.Get(requestIDHeader))
	if !ok {
		id = telemetry.NewRequestID()
	}
	ctx := telemetry.WithRequestID(r.Context(), id)
	r = r.WithContext(ctx)
	out := &response{ResponseWriter: w, request: r}
	harden(out.Header(), r)
	out.Header().Set(requestIDHeader, id)
	if endless(r) {
		out.Header().Set("Connection", "close")
	}
	defer g.catch(ctx, out)
	if refused := g.checkLimits(r); refused != nil {
		g.refuse(ctx, out, refused)
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

// endless reports whether HTTP implementations may disagree about the end of a request, so that
// its connection must close after it: see the package comment.
func endless(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// other serves the paths that are neither the API nor pages of the gateway.
func (g *gateway) other(w http.ResponseWriter, r *http.Request) {
	if g.cfg.Pages != nil {
		if handler := g.cfg.Pages(r); handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
	}
	g.refuse(r.Context(), w, routeNotFound())
}

// harden sets the headers of every response. A handler that serves pages overwrites the content
// security policy and the cache rules.
func harden(h http.Header, r *http.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	// On localhost it would switch every other local server of this browser to https.
	if r.TLS != nil && !loopback(hostname(r.Host)) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && addr.IsLoopback())
}

// hostname returns the host of a Host header, normalized and without its port.
func hostname(hostport string) string {
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
func (g *gateway) page(w http.ResponseWriter, r *http.Request, body []byte) {
	const allow = "GET, HEAD, OPTIONS"
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		writeJSON(w, http.StatusOK, body)
	case http.MethodOptions:
		options(w, allow)
	default:
		g.refuse(r.Context(), w, methodNotAllowed(allow))
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

// A response records whether the response has begun.
type response struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
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
func (g *gateway) catch(ctx context.Context, w *response) {
	cause := recover()
	if cause == nil {
		return
	}
	if err, ok := cause.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler)
	}
	g.cfg.Logger.LogAttrs(ctx, slog.LevelError, "handler panicked",
		slog.String("panic", fmt.Sprintf("%T", cause)),
		slog.Any("stack", telemetry.Stack(1)),
		slog.String("request_id", telemetry.RequestID(ctx)))
	if w.begun {
		panic(http.ErrAbortHandler) // net/http aborts the response and logs nothing
	}
	g.refuse(ctx, w, internal())
}

// inner returns the request for the mux. It contains only the path of the original and the headers
// that passIn names, so that neither the mux nor the generated code can forward or log anything
// else, such as the Host header, X-Forwarded-For, or Grpc-Timeout.
func inner(ctx context.Context, r *http.Request) *http.Request {
	in := (&http.Request{
		Method: r.Method, URL: r.URL, Body: http.NoBody,
		Proto: r.Proto, ProtoMajor: r.ProtoMajor, ProtoMinor: r.ProtoMinor,
		Header: make(http.Header, 4),
	}).WithContext(ctx)
	if in.Method == http.MethodHead {
		in.Method = http.MethodGet // net/http leaves the body out
	}
	for _, v := range r.Header.Values("Authorization") {
		in.Header.Add("Authorization", v)
	}
	if traces := r.Header.Values(traceparentHeader); len(traces) == 1 && traceparent.MatchString(traces[0]) {
		in.Header.Set(traceparentHeader, traces[0])
	}
	in.Header.Set(requestIDHeader, telemetry.RequestID(ctx))
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		in.Header.Set(addressHeader, peer.Addr().Unmap().String())
	}
	return in
}

var (
	traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	// credentials matches valid values of gRPC metadata. The mux silently drops all others.
	credentials = regexp.MustCompile(`^[\x20-\x7e]*$`)
)

// checkCredentials refuses requests without credentials before their body is read. This door
// accepts only bearer tokens, and each method needs one.
func checkCredentials(r *http.Request) *refusal {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return unauthenticated(fault.CredentialsMissing, "the request has no credentials; send an Authorization header with a bearer token")
	}
	for _, v := range values {
		if !credentials.MatchString(v) {
			return unauthenticated(fault.CredentialsInvalid, "the credentials are invalid")
		}
	}
	return nil
}

// withBody returns in with the checked query and body.
func withBody(in *http.Request, query string, body []byte) *http.Request {
	u := *in.URL
	u.RawQuery = query
	in.URL = &u
	in.ContentLength = int64(len(body))
	if len(body) > 0 {
		in.Body = io.NopCloser(bytes.NewReader(body))
	}
	return in
}
