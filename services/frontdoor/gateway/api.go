package gateway

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"

	"github.com/keyward/keyward/pkg/memory"
)

// A call is the state that the handlers around the mux share for one request.
type call struct {
	// outer is the request as received.
	outer *http.Request
	// probing means that the mux only determines the route of the request and stores it in route.
	probing bool
	route   *route
	// give returns the body's share to the budget; nil if it has none.
	give func()
}

// end returns the request's share to the budget.
func (c *call) end() {
	if c.give != nil {
		c.give()
	}
}

type callKey struct{}

func callOf(ctx context.Context) *call {
	c, _ := ctx.Value(callKey{}).(*call)
	return c
}

// api answers a request below /v1/.
func (g *gateway) api(w http.ResponseWriter, r *http.Request) {
	if !exactPath(r.URL) {
		g.refuse(r.Context(), w, routeNotFound())
		return
	}
	if r.Method == http.MethodOptions {
		allow := g.allowed(r.Context(), r.URL.EscapedPath())
		if allow == "" {
			g.refuse(r.Context(), w, routeNotFound())
			return
		}
		options(w, allow)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), g.cfg.Timeout)
	defer cancel()
	ctx = context.WithValue(ctx, callKey{}, &call{outer: r})
	defer memory.Used() // the bytes that passed are garbage then
	g.mux.ServeHTTP(w, inner(ctx, r))
}

// exactPath reports whether all readers of a path agree on its segments. An encoded slash would
// turn one segment into two, and the mux accepts an empty segment as an ID. A path with a
// character that should be encoded has two readings: net/url uses the decoded one, and the mux the
// other.
func exactPath(u *url.URL) bool {
	escaped := strings.ToLower(u.EscapedPath())
	if u.RawPath != "" && u.RawPath != u.EscapedPath() {
		return false
	}
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || !utf8.ValidString(u.Path) {
		return false
	}
	for _, segment := range strings.Split(strings.TrimPrefix(u.Path, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// admit checks a request for which the mux found a handler, and passes the checked request to that
// handler. It is the mux's middleware: no request reaches a backend without it.
func (g *gateway) admit(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, in *http.Request, path map[string]string) {
		c := callOf(in.Context())
		pattern, _ := runtime.HTTPPattern(in.Context())
		rt := g.routes[routeKey{in.Method, pattern.String()}]
		if rt == nil || !exactIDs(path) {
			g.notMatched(in.Context(), g.mux, nil, w, in, http.StatusNotFound)
			return
		}
		if c.probing {
			c.route = rt
			return
		}
		defer c.end()
		checked, refused := g.check(rt, c, in, path)
		if refused != nil {
			g.refuse(in.Context(), w, refused)
			return
		}
		next(w, checked, path)
	}
}

// exactIDs refuses colons, which no ID contains. Otherwise `x:activate` with a method that the
// verb does not have would be taken for the ID of a resource.
func exactIDs(path map[string]string) bool {
	for _, name := range path {
		if strings.Contains(name, ":") {
			return false
		}
	}
	return true
}

func (g *gateway) check(rt *route, c *call, in *http.Request, path map[string]string) (*http.Request, *refusal) {
	r := c.outer
	if refused := checkCredentials(r); refused != nil {
		return nil, refused
	}
	query, refused := rt.checkQuery(r.URL.RawQuery)
	if refused != nil {
		return nil, refused
	}
	body, refused := g.readBody(rt, c)
	if refused != nil {
		return nil, refused
	}
	if body, refused = rt.checkBody(body, path, query); refused != nil {
		return nil, refused
	}
	return withBody(in, query.Encode(), body), nil
}

// notMatched answers requests that have no handler: 405 if the path has a handler for another
// method. It is the mux's routing error handler.
func (g *gateway) notMatched(ctx context.Context, _ *runtime.ServeMux, _ runtime.Marshaler, w http.ResponseWriter, in *http.Request, _ int) {
	if callOf(ctx).probing {
		return
	}
	if allow := g.allowed(ctx, in.URL.EscapedPath()); allow != "" {
		g.refuse(ctx, w, methodNotAllowed(allow))
		return
	}
	g.refuse(ctx, w, routeNotFound())
}

// allowed lists the methods of a path in the form of an Allow header. It is empty for an unknown
// path.
func (g *gateway) allowed(ctx context.Context, path string) string {
	var methods []string
	for _, m := range [...]string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if g.probe(ctx, m, path) == nil {
			continue
		}
		methods = append(methods, m)
		if m == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	if len(methods) == 0 {
		return ""
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// probe returns the route that the mux selects for a method and an escaped path. A second matcher
// could disagree with the mux.
func (g *gateway) probe(ctx context.Context, method, path string) *route {
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil
	}
	c := &call{probing: true}
	ctx = context.WithValue(ctx, callKey{}, c)
	g.mux.ServeHTTP(nowhere{}, inner(ctx, &http.Request{Method: method, URL: u}))
	return c.route
}

// nowhere is the response of a probe.
type nowhere struct{}

// Header returns a header that is discarded.
func (nowhere) Header() http.Header { return http.Header{} }

// Write discards everything.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (nowhere) WriteHeader(int) {}
