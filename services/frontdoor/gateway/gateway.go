// Package gateway is the JSON front door: JSON over HTTP in, gRPC out.
//
// [New] returns a handler for the HTTP bindings of one or more gRPC services. The
// generated handlers of grpc-gateway do the translation; this package decides what
// reaches them, and what comes back. It dials nothing and knows no service: a
// [Backend] brings the connection, the generated registration and the descriptor.
//
// # What gets in
//
// A request is looked at in this order, and the first finding is the answer:
// limits and host, route and method, credentials (that there are any: who it is, is
// the backend's business), query, body. Of its headers the backend sees
// `authorization`, a well-formed `traceparent` and a request id; whatever else the
// client sent, `Grpc-Metadata-*` and `Grpc-Timeout` among it, ends here. The address
// of the client is told in [auth.AddressHeader], from the connection and never from a
// header.
//
// Everything is exact. Query parameters, JSON fields and body fields that the method
// does not have are errors, so are duplicates, a trailing slash, an encoded slash, a
// body where none belongs, and a name in the body that is not the one in the path. A
// PATCH without `updateMask` changes the fields that its body has, except those that
// nobody changes: the name, the etag and what is output only.
//
// # What gets out
//
// An error is a google.rpc.Status in JSON with one google.rpc.ErrorInfo of domain
// keyward.dev, whoever made it. What a backend of ours says passes as it is. All
// other texts (of protojson, grpc-go, net/http) repeat input or tell addresses: they
// are replaced by constant sentences. So no error repeats anything the client sent,
// not even the name of an unknown field: it may be a value in the wrong place.
//
// # Bodies
//
// The bytes of bodies under way are taken from a budget before they are read. A connection
// of HTTP/1.1 ends after a body without a length (`Transfer-Encoding: chunked`): net/http
// drops a Content-Length beside it, by which a proxy in between may have found another
// end, so that what follows on the connection could be another client's.
//
// What net/http refuses before any handler runs, such as a request line that is not
// HTTP, is answered by net/http, in plain text and with nothing of the request.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

// Config is what a program decides about its front door. The zero value is usable.
type Config struct {
	// AllowedHosts are the host names and addresses, without port, that requests may
	// be addressed to. Empty means any. A page of another site whose name resolves to
	// this server (DNS rebinding) is stopped by it.
	AllowedHosts []string
	// OpenAPI is served as /openapi.json. Without it there is no such page.
	OpenAPI []byte
	// Pages returns the handler for what is not below /v1/; nil, or a nil func, means
	// not found. A handler that refuses by itself does so in its own words.
	Pages func(*http.Request) http.Handler
	// Timeout limits each call to a backend. 30 s if zero.
	Timeout time.Duration
	// MaxBodyBytes limits request bodies. 1 MiB if zero.
	MaxBodyBytes int64
	// BodyBytes is how many bytes the bodies of requests under way may have in all. One
	// client, by its address, has at most as much as is left for the others. 128 MiB if
	// zero, no bound if negative.
	BodyBytes int64
	// Logger gets a line for each request that the gateway answered by itself; the
	// backend logs all others. Nothing of a request is in it. Nil means no log.
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = 1 << 20
	}
	if c.BodyBytes == 0 {
		c.BodyBytes = 128 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Backend is a gRPC service that has HTTP bindings.
type Backend struct {
	// Conn leads to the service: a network or an in-memory connection, but one that
	// passes the service's interceptors. See [DialOptions].
	Conn *grpc.ClientConn
	// Service describes the service.
	Service protoreflect.ServiceDescriptor
	// Register is the service's generated RegisterXServiceHandler.
	Register func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error
}

// DialOptions are what a [Backend]'s connection needs beside its credentials: room
// for a page of the largest resources.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32 << 20))}
}

type gateway struct {
	cfg    Config
	hosts  map[string]bool
	mux    *runtime.ServeMux
	routes map[routeKey]*route
	bodies *quota.Budget
}

// New returns the handler for the backends' bindings. It fails if a binding is one
// that it cannot check or that the mux does not reach.
func New(cfg Config, backends ...Backend) (http.Handler, error) {
	g := &gateway{
		cfg:    cfg.withDefaults(),
		hosts:  make(map[string]bool, len(cfg.AllowedHosts)),
		routes: make(map[routeKey]*route),
	}
	g.bodies = quota.NewBudget(g.cfg.BodyBytes, fault.QuotaAddress)
	for _, host := range cfg.AllowedHosts {
		g.hosts[hostname(host)] = true
	}
	nothing := func(string) (string, bool) { return "", false }
	g.mux = runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newMarshaler()),
		runtime.WithIncomingHeaderMatcher(passIn),
		runtime.WithOutgoingHeaderMatcher(nothing),
		runtime.WithOutgoingTrailerMatcher(nothing),
		runtime.WithForwardResponseOption(adoptRequestID),
		runtime.WithErrorHandler(g.callFailed),
		runtime.WithRoutingErrorHandler(g.notMatched),
		runtime.WithMiddlewares(g.admit),
		// Else a POST of a form reaches the GET of the same path.
		runtime.WithDisablePathLengthFallback(),
		runtime.WithDisableHTTPMethodOverride(),
		runtime.WithUnescapingMode(runtime.UnescapingModeAllExceptReserved),
	)
	for _, b := range backends {
		if err := g.add(b); err != nil {
			return nil, err
		}
	}
	return g, g.checkRoutes()
}

func (g *gateway) add(b Backend) error {
	routes, err := routesOf(b.Service)
	if err != nil {
		return err
	}
	for _, rt := range routes {
		if _, taken := g.routes[rt.key]; taken {
			return fmt.Errorf("bind %s: the route is taken", rt.rpc)
		}
		g.routes[rt.key] = rt
	}
	if err := b.Register(context.Background(), g.mux, b.Conn); err != nil {
		return fmt.Errorf("register %s: %w", b.Service.FullName(), err)
	}
	return nil
}

// checkRoutes sends an example of each binding through the mux. A binding that is
// shadowed by another, or that Register did not bring, would be unreachable or, worse,
// be checked by the rules of another method.
func (g *gateway) checkRoutes() error {
	var findings []error
	for _, rt := range g.routes {
		if got := g.probe(context.Background(), rt.key.method, rt.example()); got != rt {
			findings = append(findings, fmt.Errorf("reach %s: another handler or none answers for its route", rt.rpc))
		}
	}
	return errors.Join(findings...)
}

// passIn names the headers that the backend sees as metadata. The request that the
// mux gets has been built by [gateway.inner]; this is the second lock. The mux passes
// `authorization` by itself.
func passIn(header string) (string, bool) {
	switch lower := strings.ToLower(header); lower {
	case traceparentHeader, requestIDHeader, addressHeader:
		return lower, true
	default:
		return "", false
	}
}
