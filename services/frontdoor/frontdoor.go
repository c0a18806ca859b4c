// Package frontdoor is the JSON front door of both services. It accepts JSON over HTTPS and calls
// the services over gRPC. Package gateway decides which requests pass; this package knows the
// services and how to reach them. In addition to the API it serves the console, if it is
// configured.
//
// The door has no authority itself. Its certificate has the role `proxy`, which confers nothing.
// The services identify the caller by the bearer token of the request.
package frontdoor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/proto"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/console"
	"github.com/keyward/keyward/services/frontdoor/gateway"
)

// drain is the time for pending requests to finish when the door closes.
const drain = 10 * time.Second

// Handler returns the door's handler, which calls the two services over the connections.
func Handler(cfg gateway.Config, vault, allowlist grpc.ClientConnInterface) (http.Handler, error) {
	cfg.OpenAPI = proto.OpenAPI
	return gateway.New(cfg,
		gateway.Backend{
			Conn:    vault,
			Service: vaultv1.File_keyward_vault_v1_service_proto.Services().ByName("VaultService"),
		},
		gateway.Backend{
			Conn:    allowlist,
			Service: allowlistv1.File_keyward_allowlist_v1_service_proto.Services().ByName("AllowlistService"),
		},
		gateway.Backend{
			Conn:    vault,
			Service: vaultv1.File_keyward_vault_v1_keyring_proto.Services().ByName("KeyringService"),
		},
		gateway.Backend{
			Conn:    allowlist,
			Service: allowlistv1.File_keyward_allowlist_v1_keyring_proto.Services().ByName("KeyringService"),
		},
		gateway.Backend{
			Conn:    vault,
			Service: vaultv1.File_keyward_vault_v1_maintenance_proto.Services().ByName("MaintenanceService"),
		},
		// Both services have it. The vault answers, because without it the console is of little use.
		gateway.Backend{
			Conn:    vault,
			Service: accessv1.File_keyward_access_v1_service_proto.Services().ByName("AccessService"),
		})
}

// Dial returns connections to a service, which are established on first use. Each time one of them
// connects, it calls current for the configuration.
func Dial(address string, current func() *tls.Config) (*Pool, error) {
	return newPool(address, append(gateway.DialOptions(), grpc.WithTransportCredentials(auth.ClientCredentials(current)))...)
}

// Run serves the door until ctx ends. It reloads its files when they change, and on SIGHUP.
func Run(ctx context.Context, cfg Config, t *telemetry.Telemetry) (err error) {
	id, err := newIdentity(ctx, cfg, t)
	if err != nil {
		return err
	}
	vault, err := Dial(cfg.Vault, id.client(cfg.VaultServerName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, vault.Close()) }()
	allowlist, err := Dial(cfg.Allowlist, id.client(cfg.AllowlistServerName))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, allowlist.Close()) }()
	pages, err := cfg.pages()
	if err != nil {
		return err
	}
	handler, err := Handler(gateway.Config{
		AllowedHosts: cfg.AllowedHosts, Pages: pages, Logger: t.Log,
		MaxBodyBytes: cfg.Limits.MaxReceiveBytes, BodyBytes: cfg.Limits.bodyBytes(),
	}, vault, allowlist)
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if cfg.Metrics.Listen != "" {
		observed, err := listen.Listen(ctx, "tcp", cfg.Metrics.Listen)
		if err != nil {
			return errors.Join(fmt.Errorf("listen for metrics: %w", err), listener.Close())
		}
		ready := func(context.Context) error { return ctx.Err() }
		defer telemetry.Monitor{Metrics: t.Metrics, Ready: ready, Token: id.token, Log: t.Log}.Serve(ctx, observed)()
	}
	defer id.follow(ctx)()
	return Serve(ctx, listener, handler, id.server(), t.Log)
}

// pages returns the handlers of all pages outside the API: the console, if it is configured.
func (c Config) pages() (func(*http.Request) http.Handler, error) {
	if c.Console == nil {
		return nil, nil
	}
	page, err := console.New(*c.Console)
	if err != nil {
		return nil, fmt.Errorf("create console: %w", err)
	}
	return page.Page, nil
}

// Serve serves the handler over TLS until ctx ends, and then lets pending requests finish.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, cfg *tls.Config, logger *slog.Logger) error {
	server := gateway.Server(listener.Addr().String(), handler, cfg, logger)
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	logger.LogAttrs(ctx, slog.LevelInfo, "serving", slog.String("listen", listener.Addr().String()))
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(closing); err != nil {
		return errors.Join(fmt.Errorf("stop: %w", err), server.Close())
	}
	return nil
}
