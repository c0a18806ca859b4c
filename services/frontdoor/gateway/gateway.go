// Package gateway is the JSON front door: it accepts JSON over HTTP and calls gRPC services.
//
// [New] returns a handler for the HTTP bindings of one or more gRPC services. The generated
// handlers of grpc-gateway translate requests and responses. This package decides which requests
// reach them, and which responses leave. It dials nothing and knows no service: a [Backend]
// provides the connection, the generated registration, and the descriptor.
//
// # Requests
//
// A request is checked in this order, and the first violation is the response: limits and host,
// route and method, presence of credentials (the backend verifies them), query, body. Of the
// headers, the backend receives only `authorization`, a well-formed `traceparent`, and a request
// ID. All others, including `Grpc-Metadata-*` and `Grpc-Timeout`, are dropped. The gateway reports
// the address of the client in [auth.AddressHeader]. It takes the address from the connection and
// never from a header.
//
// All checks are exact. Query parameters, JSON fields, and body fields that the method does not
// have are errors. So are duplicates, a trailing slash, an encoded slash, a body for a method
// without one, and a name in the body that differs from the name in the path. A PATCH without
// `updateMask` changes the fields that its body contains, except for fields that cannot change:
// the name, the etag, and output-only fields.
//
// # Responses
//
// Every error is a google.rpc.Status in JSON with one google.rpc.ErrorInfo of the domain
// keyward.dev, whichever component reported it. Errors of Keyward's services pass unchanged. All
// other messages (of protojson, grpc-go, and net/http) repeat input or reveal addresses. They are
// replaced by constant sentences. No error therefore repeats a value that the client sent, nor the
// name of an unknown field unless it looks like the name of a field.
//
// # Bodies
//
// The bytes of a body are taken from a budget before it is read. A connection of HTTP/1.1 closes
// after a body without a length (`Transfer-Encoding: chunked`). net/http ignores a Content-Length
// next to it, by which a proxy in between may have found another end of the request, so that the
// next bytes of the connection could belong to another client.
//
// net/http itself answers requests that it refuses before any handler runs, such as a request line
// that is not HTTP. That response is plain text and repeats nothing of the request.
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

// A Config is the configuration of a front door. The zero value is usable.
type Config struct {
	// AllowedHosts are the host names and addresses, without port, that requests may be addressed to.
	// Empty means any. The list stops pages of another site whose name resolves to this server (DNS
	// rebinding).
	AllowedHosts []string
	// OpenAPI is served as /openapi.json. If it is empty, that path does not exist.
	OpenAPI []byte
	// Pages returns the handler for a path outside /v1/. If it or its result is nil, the path does
	// not exist. The errors of these handlers are not translated.
	Pages func(*http.Request) http.Handler
	// Timeout limits each call to a backend. Default: 30 s.
	Timeout time.Duration
	// MaxBodyBytes limits the size of a request body. Default: 1 MiB.
	MaxBodyBytes int64
	// BodyBytes is the maximum total size of the bodies of pending requests. One client, by its
	// address, may use at most as much as remains for the others. A negative value means no limit.
	// Default: 128 MiB.
	BodyBytes int64
	// Logger logs each request that the gateway answered itself; the backend logs all others. The log
	// contains nothing of the request. Nil means no log.
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
	// Conn is the connection to the service. It may be in memory, but must pass the service's
	// interceptors. See [DialOptions].
	Conn *grpc.ClientConn
	// Service describes the service.
	Service protoreflect.ServiceDescriptor
	// Register is the service's generated RegisterXServiceHandler.
	Register func(context.Context, *runtime.ServeMux, *grpc.ClientConn) error
}

// DialOptions returns the options that a [Backend]'s connection needs in addition to its
// credentials: a message size for a page of the largest resources.
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

// New returns the handler for the backends' bindings. It fails if it cannot check a binding, or if
// the mux does not reach one.
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
		// Without this option, a POST of a form reaches the GET of the same path.
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
			return fmt.Errorf("bind %s: another binding has the same route", rt.rpc)
		}
		g.routes[rt.key] = rt
	}
	if err := b.Register(context.Background(), g.mux, b.Conn); err != nil {
		return fmt.Errorf("register %s: %w", b.Service.FullName(), err)
	}
	return nil
}

// checkRoutes sends an example of each binding through the mux. A binding that another one
// shadows, or that Register did not register, would be unreachable or, worse, be checked by the
// rules of another method.
func (g *gateway) checkRoutes() error {
	var findings []error
	for _, rt := range g.routes {
		if got := g.probe(context.Background(), rt.key.method, rt.example()); got != rt {
			findings = append(findings, fmt.Errorf("reach %s: no handler, or a different one, serves its route", rt.rpc))
		}
	}
	return errors.Join(findings...)
}

// passIn names the headers that the backend receives as metadata. The request for the mux is
// already reduced by [gateway.inner]; this is a second line of defense. The mux itself passes
// `authorization`.
func passIn(header string) (string, bool) {
	switch lower := strings.ToLower(header); lower {
	case traceparentHeader, requestIDHeader, addressHeader:
		return lower, true
	default:
		return "", false
	}
}
