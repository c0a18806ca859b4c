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

	"github.com/keyward/keyward/pkg/telemetry"
)

const (
	// maxHeaderBytes bounds the headers of a request: a token of up to 16 KiB and little
	// else.
	maxHeaderBytes = 32 << 10
	// maxHandshake bounds how long a connection may take to say who it is.
	maxHandshake = 10 * time.Second
	// streamWindow is how much of a request a client may send before the server reads
	// it: the least that there is. The library's own choice grows to 16 MiB a stream.
	streamWindow = 64 << 10
	// connectionWindow is how much may be on its way to all of a connection's streams.
	// No memory is held for it.
	connectionWindow = 4 << 20
	// streamWorkers are goroutines that serve one request after another, so that each does not
	// grow a stack of its own: that takes a fifth of the time of a short request. Where all
	// are busy, requests get goroutines of their own.
	streamWorkers = 64
	// goodbye is how long the requests on a connection that grew old may take.
	goodbye = time.Minute
)

// options returns the settings of the gRPC server.
func (s *Server) options(t *telemetry.Telemetry) []grpc.ServerOption {
	options := []grpc.ServerOption{
		grpc.Creds(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS13,
			// Asked for each connection, so that a reload acts on the next one.
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.identity.Load(), nil },
		})),
		grpc.ChainUnaryInterceptor(s.unaryChain()...),
		grpc.ChainStreamInterceptor(s.streamChain()...),
		grpc.UnknownServiceHandler(func(any, grpc.ServerStream) error { return errUnknownMethod }),
		grpc.ForceServerCodecV2(s.codec),
		// What the library reads itself is for health and reflection.
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

// tracing makes a span of each request to a method of the contract. It records the
// method and the outcome; of messages not even the number.
func (s *Server) tracing(t *telemetry.Telemetry) stats.Handler {
	return otelgrpc.NewServerHandler(
		otelgrpc.WithTracerProvider(t.Tracer),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(telemetry.Propagator()),
		// The name of a method that there is not is the caller's text.
		otelgrpc.WithFilter(func(info *stats.RPCTagInfo) bool { return s.contract[s.nameOf(info.FullMethodName).service] }),
	)
}

// requestSizes returns the size of the largest request of each method of the contract.
func (s *Server) requestSizes(services []Service) map[string]int {
	sizes := make(map[string]int, len(s.methods))
	for full, name := range s.methods {
		if s.contract[name.service] {
			sizes[full] = s.limits.MaxReceiveBytes
		}
	}
	for _, svc := range services {
		if r, ok := svc.(Receiver); ok {
			for full, size := range r.MaxReceiveBytes() {
				sizes[full] = max(size, s.limits.MaxReceiveBytes)
			}
		}
	}
	return sizes
}
