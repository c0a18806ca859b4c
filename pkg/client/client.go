// Package client is the Go client of Keyward.
//
// [Dial] makes a connection that identifies itself by a certificate or a token, gives
// every call a deadline, repeats what may be repeated, and turns refusals into typed
// errors. Any generated client runs on it; [NewVault] and [NewAllowlist] add what most
// programs write themselves.
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
// # Repetition
//
// A call that failed because the server was away, or had too much to do, is made again
// after a while, as long as its deadline leaves time for it. What changes nothing may
// always be repeated. What changes something is repeated under the same request id, so
// that the server recognises it: a request that has no id gets one here. Calls that
// have neither are repeated only if the server said that it had not begun.
//
// A program that repeats calls itself, say after a crash, sets its own request ids.
//
// # Sealed values
//
// CreateSecret and UpdateSecret send text and data sealed to a key of the vault, so that
// nothing on the way can read them: not the gateway, nor a proxy that ends TLS. The
// caller's message stays as it is.
//
// Pin the vault's keys in [Config.SealingKeys]. Without a pin the connection trusts the keys
// that GetSealing returns: that protects values from someone who reads traffic, but not from a
// gateway that answers with a key of its own. A vault of a release that has no GetSealing gets no
// value ([ErrNoSealing]) unless [Config.Unsealed] says so.
//
// # Errors
//
// A call that failed returns an [*Error]; those that could not be sealed return
// [ErrSealingKey] or [ErrNoSealing]. [errors.Is] compares it with the classes of
// failures such as [ErrNotFound], and [HasReason] with the reasons of the contract:
//
//	if client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE) { ... }
//
// # Values in memory
//
// A workload with the resolver role keeps values in memory with package cache.
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
	// maxReceive is the size of the largest answer: a body of 16 MiB and what goes
	// with it.
	maxReceive = 18 << 20
)

// Config says where a server is and who calls. All files are PEM and are read anew for
// each connection, so that they can be renewed in place.
type Config struct {
	// Address is the gRPC address, such as `vault.internal:9443`. Required.
	Address string
	// ServerName is the name that the server's certificate must show. Empty: the host
	// of the address. A SPIFFE id, `spiffe://…`, is looked for as such.
	ServerName string
	// CA is the file with the authorities of the server's certificate. Empty: the
	// system's.
	CA string
	// Certificate and Key are the files with the caller's own certificate chain, which
	// holds its SPIFFE id, and the private key. Empty: none is shown.
	Certificate, Key string
	// Token is shown with each call; see [StaticToken] and [FileToken]. Nil: none. A
	// caller shows a certificate or a token; both are for proxies only.
	Token TokenSource
	// Timeout is the deadline of calls whose context has none; 10 seconds if 0.
	Timeout time.Duration
	// SealingKeys pins the public keys of the vault that values are sealed to, in base64: the
	// `publicKey` that GetSealing returns. Values are sealed to the newest key of the vault
	// that is pinned here. To rotate, add the new key within the 30 days for which the vault
	// keeps the old one. Empty: any key that GetSealing returns is trusted.
	SealingKeys []string
	// Unsealed sends values as they are. A workspace that requires sealed values refuses them.
	Unsealed bool
	// Attempts is how often a call is made at most; 8 if 0, which takes some seconds.
	// With 1, nothing is repeated.
	Attempts int
}

func (c Config) check() error {
	var errs []error
	if c.Address == "" {
		errs = append(errs, errors.New("address: is required"))
	}
	if (c.Certificate == "") != (c.Key == "") {
		errs = append(errs, errors.New("certificate and key: must come together"))
	}
	if c.Unsealed && len(c.SealingKeys) > 0 {
		errs = append(errs, errors.New("sealing_keys: must be empty if values are sent unsealed"))
	}
	if id, err := url.Parse(c.ServerName); err == nil && strings.HasPrefix(c.ServerName, spiffeScheme) &&
		(id.Host == "" || id.Path == "" || id.User != nil || id.RawQuery != "" || id.Fragment != "") {
		errs = append(errs, errors.New("server name: must be the SPIFFE id of a workload, spiffe://{trust domain}/{path}, or a host"))
	}
	if c.Timeout < 0 || c.Attempts < 0 {
		errs = append(errs, errors.New("timeout and attempts: must not be negative"))
	}
	return errors.Join(errs...)
}

// Dial prepares a connection. It is made when it is first needed, and again after it
// broke; that a server cannot be reached shows in calls, not here. What is wrong with
// the configuration and its files shows here. Close the connection after use.
//
// The options come after those of the client, and may add what it knows nothing of,
// such as tracing.
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
		// Neither the environment nor the DNS has a say in how a server is reached.
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
