// Package gateway is the JSON front door: it accepts JSON over HTTP and calls gRPC services.
//
// [New] returns a handler for the HTTP bindings of one or more gRPC services, as their
// google.api.http options describe them. It reads each request into the request message of its
// method, calls the method, and writes the response message. It dials nothing and knows no
// service: a [Backend] provides the connection and the descriptor.
//
// A mux of grpc-gateway would translate the same requests, but does not check them. To check them
// first means to read them twice. The tests use that mux as the reference: it must make the same
// message of each request that this package accepts.
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
	"fmt"
	"log/slog"
	"net/http"
	"time"

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
	// MaxBodyBytes limits the size of a request body. Default: [DefaultMaxBodyBytes].
	MaxBodyBytes int64
	// BodyBytes is the maximum total size of the bodies of pending requests. One client, by its
	// address, may use at most as much as remains for the others. A negative value means no limit.
	// Default: [DefaultBodyBytes].
	BodyBytes int64
	// Logger logs each request that the gateway answered itself; the backend logs all others. The log
	// contains nothing of the request. Nil means no log.
	Logger *slog.Logger
}

// The defaults of the limits of a [Config], in bytes.
const (
	DefaultMaxBodyBytes = 1 << 20
	DefaultBodyBytes    = 128 << 20
)

func (c Config) withDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if c.BodyBytes == 0 {
		c.BodyBytes = DefaultBodyBytes
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
	Conn grpc.ClientConnInterface
	// Service describes the service. Its messages must be registered: their generated package is
	// linked.
	Service protoreflect.ServiceDescriptor
}

// The windows of flow control: how many bytes of one response, and of all responses of one
// connection, the backend may send before the gateway reads them. Fixed windows save the pings with
// which grpc-go would otherwise measure the connection.
const (
	streamWindow     = 1 << 20
	connectionWindow = 8 << 20
)

// DialOptions returns the options that a [Backend]'s connection needs in addition to its
// credentials: a message size for a page of the largest resources, and windows for such pages.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
	}
}

type gateway struct {
	cfg    Config
	hosts  map[string]bool
	routes tree
	bodies *quota.Budget
}

// New returns the handler for the backends' bindings. It fails if it cannot serve a binding, or if
// two bindings match the same path.
func New(cfg Config, backends ...Backend) (http.Handler, error) {
	g := &gateway{cfg: cfg.withDefaults(), hosts: make(map[string]bool, len(cfg.AllowedHosts))}
	g.bodies = quota.NewBudget(g.cfg.BodyBytes, fault.QuotaAddress)
	for _, host := range cfg.AllowedHosts {
		g.hosts[hostname(host)] = true
	}
	for _, b := range backends {
		routes, err := routesOf(b)
		if err != nil {
			return nil, err
		}
		for _, rt := range routes {
			if err := g.routes.add(rt); err != nil {
				return nil, fmt.Errorf("bind %s: %w", rt.rpc, err)
			}
		}
	}
	return g, nil
}
