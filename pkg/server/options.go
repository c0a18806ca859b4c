package server

import (
	"crypto/tls"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/stats"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/telemetry"
)

const (
	// maxHeaderBytes is the maximum size of the headers of a request: a token of up to 16 KiB and a
	// few other headers.
	maxHeaderBytes = 32 << 10
	// maxHandshake is the timeout of the handshake of a connection.
	maxHandshake = 10 * time.Second
	// streamWindow is the number of bytes that a client may send before the server reads the request:
	// the minimum. The library's own choice grows to 16 MiB for each stream.
	streamWindow = 64 << 10
	// connectionWindow is the number of bytes in flight to all streams of a connection. No memory is
	// reserved for it.
	connectionWindow = 4 << 20
	// streamWorkers is the number of goroutines that serve requests one after the other, so that a
	// request need not grow a new stack, which takes a fifth of the time of a short request. When all
	// are busy, requests get their own goroutines.
	streamWorkers = 64
	// goodbye is the time for pending requests when a connection is closed because of its age.
	goodbye = time.Minute
)

// options returns the settings of the gRPC server.
func (s *Server) options(t *telemetry.Telemetry) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.Creds(auth.Credentials(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS13,
			// Called for each connection, so that a reload takes effect with the next one.
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.identity.Load(), nil },
		}))),
		grpc.UnknownServiceHandler(s.refuseUnknown),
		grpc.ForceServerCodecV2(s.codec),
		// The library reads only requests for health and reflection itself.
		grpc.MaxRecvMsgSize(maxOpenBytes),
		grpc.InTapHandle(s.bounded),
		grpc.InitialWindowSize(streamWindow),
		grpc.InitialConnWindowSize(connectionWindow),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.MaxConcurrentStreams(s.limits.MaxConcurrentStreams),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ConnectionTimeout(maxHandshake),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: s.limits.MinPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge:      s.limits.MaxConnectionAge,
			MaxConnectionAgeGrace: goodbye,
		}),
	}
	if t.Traced {
		options = append(options, grpc.StatsHandler(s.tracing(t)))
	}
	return options
}

// tracing creates a span for each request to a method of the contract. It records the method and
// the outcome, and nothing about the messages, not even their number.
func (s *Server) tracing(t *telemetry.Telemetry) stats.Handler {
	return otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.Tracer),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(telemetry.Propagator()),
		// The name of an unknown method is input of the caller.
		otelgrpc.WithFilter(func(info *stats.RPCTagInfo) bool { return s.methodOf(info.FullMethodName).contract }),
	)
}
