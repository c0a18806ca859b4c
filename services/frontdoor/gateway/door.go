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

// endless reports whether the end of a request is one on which not all may agree, so that
// nothing may follow it on its connection: see the package comment.
func endless(r *http.Request) bool {
	return r.ProtoMajor == 1 && (r.ProtoMinor == 0 || len(r.TransferEncoding) > 0)
}

// other serves what is neither the API nor the gateway's own.
func (g *gateway) other(w http.ResponseWriter, r *http.Request) {
	if g.cfg.Pages != nil {
		if handler := g.cfg.Pages(r); handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
	}
	g.refuse(r.Context(), w, routeNotFound())
}

// harden sets the headers of every response. A handler that serves pages sets its own
// content security policy and cache rules over them.
func harden(h http.Header, r *http.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	// On localhost it would turn every other local server of the reader to https.
	if r.TLS != nil && !loopback(hostname(r.Host)) {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || (err == nil && addr.IsLoopback())
}

// hostname returns the host of a Host header, without port and in one spelling.
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

// page serves a constant.
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

// options tells which methods there are. There are no CORS headers: pages of other
// origins have no business here.
func options(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	w.WriteHeader(http.StatusNoContent)
}

// drainBytes is how much of a body that nobody wants is read and thrown away.
const drainBytes = 32 << 20

// A response remembers whether an answer has begun.
type response struct {
	http.ResponseWriter
	request *http.Request
	begun   bool
}

// WriteHeader begins the answer. Before it begins an error, it lets the client send
// what it cannot be kept from sending: net/http would cut off one that sends without
// looking, and it would never read the answer. HTTP/2 has other means, and a client
// that asks first (Expect: 100-continue) has not begun to send.
func (w *response) WriteHeader(status int) {
	r := w.request
	if !w.begun && status >= http.StatusBadRequest && r.ProtoMajor == 1 && r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, drainBytes) // it is thrown away, however it ends
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the answer, if need be, and goes on with it.
func (w *response) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// catch answers for a handler that panicked. Only the type of what it panicked with
// is logged: the text could hold anything.
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
		panic(http.ErrAbortHandler) // net/http cuts the answer off and logs nothing
	}
	g.refuse(ctx, w, internal())
}

// inner returns the request that the mux gets: nothing of the original but the path and
// what passIn names. So neither the mux nor the generated code can pass on, or log,
// anything else: not the Host header, not X-Forwarded-For, not Grpc-Timeout.
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
	// credentials is what can go into gRPC metadata. The mux drops the rest in silence.
	credentials = regexp.MustCompile(`^[\x20-\x7e]*$`)
)

// checkCredentials refuses requests that nobody vouches for before their body is read.
// Through this door there are bearer tokens only, and each method needs one.
func checkCredentials(r *http.Request) *refusal {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		return unauthenticated(fault.CredentialsMissing, "the request carries no credentials")
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
