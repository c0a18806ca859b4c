// Package limit has the servers with which the benchmark compares Keyward. Each one does a part of
// Keyward's work and nothing else, in a process of its own, with the same TLS settings:
//
//	echo     a bare grpc-go server that returns as many bytes as the request asks for
//	chain    the server of package server, with authentication, authorization, validation, and
//	         the request log, and access records, around a service that returns recorded answers
//	floor    a bare grpc-go server that seals a value and stores the rows that the vault stores
//	gateway  a bare grpc-gateway in front of a bare grpc-go server with recorded answers
//
// A limit is a figure that Keyward cannot exceed as long as it uses the same libraries.
package limit

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/services/bench/internal/rows"
)

// The kinds of limits.
const (
	Echo    = "echo"
	Chain   = "chain"
	Floor   = "floor"
	Gateway = "gateway"
)

// A Config is the configuration of a limit, as JSON.
type Config struct {
	// Kind is the kind of the limit.
	Kind string
	// Listen is the address of the port.
	Listen string
	// Certificate and Key are the files of the server's certificate.
	Certificate, Key string
	// Trust is the file with the authorities of workloads and servers, and Domain their trust
	// domain.
	Trust, Domain string
	// Answers is the file with the recorded answers, for echo and chain.
	Answers string
	// Server is the file with the settings of package server, for chain.
	Server string
	// Backend is the address of an echo, for gateway.
	Backend string
	// Store is the path of the store, for floor.
	Store string
	// Writes are the rows to store, and Secrets is the number of secrets to store at first, for
	// floor.
	Writes  rows.Writes
	Secrets int
}

// Run serves the limit that a file configures until ctx ends.
func Run(ctx context.Context, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	var cfg Config
	if err := json.Unmarshal(text, &cfg); err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	switch cfg.Kind {
	case Echo:
		return runEcho(ctx, cfg)
	case Chain:
		return runChain(ctx, cfg)
	case Floor:
		return runFloor(ctx, cfg)
	case Gateway:
		return runGateway(ctx, cfg)
	}
	return fmt.Errorf("unknown limit %q", cfg.Kind)
}

// serverTLS returns the TLS configuration that the programs of Keyward have.
func (c Config) serverTLS() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	text, err := os.ReadFile(c.Trust)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	authorities, err := auth.ParseAuthorities(text)
	if err != nil {
		return nil, err
	}
	domain, err := spiffeid.TrustDomainFromString(c.Domain)
	if err != nil {
		return nil, fmt.Errorf("parse trust domain: %w", err)
	}
	return auth.ServerTLSConfig(cert, auth.Bundles{domain: authorities}), nil
}

// serve serves gRPC services on a bare server until ctx ends.
func (c Config) serve(ctx context.Context, register func(grpc.ServiceRegistrar)) error {
	settings, err := c.serverTLS()
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(settings)))
	register(server)
	healthv1.RegisterHealthServer(server, health.NewServer())
	var listen net.ListenConfig
	lis, err := listen.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	stop := context.AfterFunc(ctx, server.Stop)
	defer stop()
	if err := server.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
