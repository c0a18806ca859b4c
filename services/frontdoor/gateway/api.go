package gateway

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/telemetry"
)

// api answers a request below /v1/.
func (g *gateway) api(w *response, r *http.Request) {
	if !exactPath(r.URL) {
		g.refuse(w, routeNotFound())
		return
	}
	found := g.routes.find(r.URL.EscapedPath())
	if found == nil {
		g.refuse(w, routeNotFound())
		return
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	switch rt := found[method]; {
	case rt != nil:
		defer memory.Used() // the bytes that passed are garbage then
		g.serve(rt, w, r)
	case method == http.MethodOptions:
		options(w, found.allow())
	default:
		g.refuse(w, methodNotAllowed(found.allow()))
	}
}

// exactPath reports whether all readers of a path agree on its segments. An encoded slash would
// turn one segment into two, an encoded colon would start a verb, and an empty segment would be an
// empty ID. A path with a character that should be encoded has two readings in net/url.
func exactPath(u *url.URL) bool {
	escaped := u.EscapedPath()
	if u.RawPath != "" && u.RawPath != escaped {
		return false
	}
	if strings.Contains(escaped, "%") {
		lower := strings.ToLower(escaped)
		if strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, "%3a") || !utf8.ValidString(u.Path) {
			return false
		}
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(u.Path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// serve answers a request to a route: it reads the request into a message, calls the backend, and
// writes the response.
func (g *gateway) serve(rt *route, w *response, r *http.Request) {
	request := rt.input.New()
	give, refused := g.read(rt, r, request)
	defer give()
	if refused != nil {
		g.refuse(w, refused)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.cfg.Timeout)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, passIn(r, w.id)...)
	result := rt.output.New()
	var header metadata.MD
	err := rt.conn.Invoke(ctx, rt.rpc, request.Interface(), result.Interface(), grpc.Header(&header))
	w.adoptID(header)
	if err != nil {
		g.callFailed(w, err)
		return
	}
	if rt.result != nil {
		result = result.Get(rt.result).Message()
	}
	g.answer(w, result.Interface())
}

// read checks a request to a route and reads it into a message. The caller must call give when the
// request is done.
func (g *gateway) read(rt *route, r *http.Request, request protoreflect.Message) (give func(), refused *refusal) {
	give = func() {}
	if refused := checkCredentials(r.Header); refused != nil {
		return give, refused
	}
	if refused := rt.readQuery(r.URL.RawQuery, request); refused != nil {
		return give, refused
	}
	text, give, refused := g.readBody(rt, r)
	if refused != nil {
		return give, refused
	}
	if refused := rt.parse(text, request); refused != nil {
		return give, refused
	}
	return give, rt.readPath(r.URL.EscapedPath(), request)
}

// passIn returns the metadata of a call, as names and values. The backend receives nothing else of
// the headers of a request.
func passIn(r *http.Request, requestID string) []string {
	pairs := make([]string, 0, 8)
	for _, v := range r.Header["Authorization"] {
		pairs = append(pairs, "authorization", v)
	}
	if traces := r.Header.Values(httpTraceparent); len(traces) == 1 && traceparent.MatchString(traces[0]) {
		pairs = append(pairs, traceparentHeader, traces[0])
	}
	pairs = append(pairs, requestIDHeader, requestID)
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		pairs = append(pairs, addressHeader, peer.Addr().Unmap().String())
	}
	return pairs
}

// adoptID returns the backend's request ID to the caller, if it differs from the gateway's.
func (w *response) adoptID(md metadata.MD) {
	for _, v := range md.Get(requestIDHeader) {
		if id, ok := telemetry.ParseRequestID(v); ok && id != w.id {
			w.setID(id)
		}
	}
}
