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

// A call is what the handlers around the mux know of a request on its way through.
type call struct {
	// outer is the request as it came.
	outer *http.Request
	// probing asks only which route answers; route is the answer.
	probing bool
	route   *route
	// give gives back what the body has of the budget; nil: it has nothing.
	give func()
}

// end gives back what the request has taken.
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
	defer memory.Used() // what passed through is garbage then
	g.mux.ServeHTTP(w, inner(ctx, r))
}

// exactPath tells whether a path has as many segments as it seems to have. An encoded
// slash would make one segment out of two, and the mux takes an empty segment for an id.
// A path with a character that should be encoded is two paths: net/url then goes by the
// decoded one, and the mux by the other.
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

// admit checks a request that the mux found a handler for, and lets the handler have
// what is left of it. It is the mux's middleware: nothing reaches a backend around it.
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

// exactIDs refuses colons, which no id has: `x:activate` with a method that the verb
// does not have would else be taken for the resource of that name.
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

// notMatched answers for a request that no handler is there for: 405 if another method
// would have found one. It is the mux's routing error handler.
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

// allowed lists the methods of a path, as an Allow header does, or nothing.
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

// probe asks the mux which route answers a method and an escaped path. The mux alone
// knows: a matcher of our own beside it could disagree with it.
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

// Header returns a header that nobody reads.
func (nowhere) Header() http.Header { return http.Header{} }

// Write takes everything.
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (nowhere) WriteHeader(int) {}
