// Package client is the Go client of Keyward.
//
// [Dial] returns a connection that authenticates with a certificate or a token, sets a deadline
// for every call, retries calls that are safe to retry, and returns typed errors. Any generated
// client works with it; [NewVault] and [NewAllowlist] add methods that most programs need.
//
//	conn, err := client.Dial(client.Config{
//		Address:     "allowlist.internal:9443",
//		CA:          "/etc/keyward/ca.pem",
//		Certificate: "/etc/keyward/checkout.crt",
//		Key:         "/etc/keyward/checkout.key",
//	})
//	...
//	message, err := client.NewAllowlist(conn).EncryptRequest(ctx, endpoint, body)
//
// # Retries
//
// A call that failed because the server was unavailable or overloaded is retried after a delay, as
// long as its deadline leaves time for it. Reads can always be retried. A change is retried with
// the same idempotency key (`request_id`), by which the server recognizes it; the connection
// generates a key for requests without one. Other calls are retried only if the server reported
// that it had not begun.
//
// A program that retries calls itself, such as after a crash, sets its own request IDs.
//
// # Sealed values
//
// CreateSecret and UpdateSecret send text and data sealed to a key of the vault, so that neither
// the gateway nor a proxy that terminates TLS can read them. The caller's message is not changed.
//
// Pin the vault's keys in [Config.SealingKeys]. Without a pin the connection trusts the keys that
// GetSealing returns: that protects values from someone who reads traffic, but not from a gateway
// that returns a key of its operator. A vault of a release without GetSealing receives no value
// ([ErrNoSealing]) unless [Config.Unsealed] is set.
//
// # Errors
//
// A call that failed returns an [*Error]. A call whose value could not be sealed returns
// [ErrSealingKey] or [ErrNoSealing]. [errors.Is] compares an error with the classes of failures,
// such as [ErrNotFound], and [HasReason] with the reasons of the contract:
//
//	if client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE) { ... }
//
// # Cached values
//
// Workloads with the resolver role cache values with package cache.
package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
)

const (
	defaultTimeout  = 10 * time.Second
	defaultAttempts = 8
	// maxReceive is the maximum size of a response: a body of 36 MiB and the other fields.
	maxReceive = 38 << 20
)

// A Config describes a server and the credentials of the caller. All files are PEM. They are read
// for each new connection, so that they can be renewed in place.
type Config struct {
	// Address is the gRPC address, such as `vault.internal:9443`. Required.
	Address string
	// ServerName is the name that the server's certificate must contain: a host name or a SPIFFE ID,
	// `spiffe://…`. Default: the host of the address.
	ServerName string
	// CA is the file with the authorities of the server's certificate. Default: the system's
	// authorities.
	CA string
	// Certificate and Key are the files with the caller's certificate chain, which contains its
	// SPIFFE ID, and the private key. Default: no certificate.
	Certificate, Key string
	// Token is the source of the token that each call presents; see [StaticToken] and [FileToken].
	// Nil means no token. A caller presents a certificate or a token; only proxies present both.
	Token TokenSource
	// Timeout is the deadline of calls whose context has none. Default: 10 s.
	Timeout time.Duration
	// SealingKeys pins the public keys of the vault to which values are sealed, in base64: the
	// `publicKey` that GetSealing returns. Values are sealed to the vault's newest key that is
	// pinned. To rotate, add the new key within the 30 days for which the vault keeps the old one. If
	// SealingKeys is empty, every key that GetSealing returns is trusted.
	SealingKeys []string
	// Unsealed sends values unsealed. A workspace that requires sealed values refuses them.
	Unsealed bool
	// Attempts is the maximum number of attempts of a call; 1 disables retries. Default: 8, which
	// take some seconds.
	Attempts int
}

func (c Config) check() error {
	var errs []error
	if c.Address == "" {
		errs = append(errs, errors.New("address: is required"))
	}
	if (c.Certificate == "") != (c.Key == "") {
		errs = append(errs, errors.New("certificate and key: must be set together"))
	}
	if c.Unsealed && len(c.SealingKeys) > 0 {
		errs = append(errs, errors.New("sealing_keys: must be empty if unsealed is set"))
	}
	if id, err := url.Parse(c.ServerName); err == nil && strings.HasPrefix(c.ServerName, spiffeScheme) &&
		(id.Host == "" || id.Path == "" || id.User != nil || id.RawQuery != "" || id.Fragment != "") {
		errs = append(errs, errors.New("server name: must be a host or the SPIFFE ID of a workload, spiffe://{trust domain}/{path}"))
	}
	if c.Timeout < 0 || c.Attempts < 0 {
		errs = append(errs, errors.New("timeout and attempts: must not be negative"))
	}
	return errors.Join(errs...)
}

// Dial prepares a connection. The connection is established on first use, and again after it
// breaks: an unreachable server is an error of calls. Dial returns errors of the configuration and
// its files. Close the connection after use.
//
// The options follow those of the client, and may add others, such as tracing.
func Dial(cfg Config, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	creds, err := newRenewing(cfg)
	if err != nil {
		return nil, err
	}
	seals, err := newSealer(cfg)
	if err != nil {
		return nil, fmt.Errorf("check configuration: %w", err)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = defaultAttempts
	}
	all := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithChainUnaryInterceptor(
			describeUnary, deadline(cfg.Timeout), identify, seals.unary, retrier(cfg.Attempts).unary,
		),
		grpc.WithChainStreamInterceptor(describeStream),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second,
			},
			MinConnectTimeout: 2 * time.Second,
		}),
		// Servers allow a ping every 30 seconds.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: time.Minute, Timeout: 5 * time.Second}),
		// Neither the environment nor the DNS may change the route to a server.
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
	}
	if cfg.Token != nil {
		all = append(all, grpc.WithPerRPCCredentials(bearer{cfg.Token}))
	}
	conn, err := grpc.NewClient(cfg.Address, append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("prepare connection: %w", err)
	}
	return conn, nil
}
