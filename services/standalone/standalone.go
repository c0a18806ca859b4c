// Package standalone runs both services and the JSON front door in one process, on one machine,
// without any configuration.
//
// On first start it creates everything that an operator otherwise provides: a certificate
// authority, an OIDC issuer, key-encryption keys, and a policy. The rest is the same code as in
// separate processes: the allowlist and the front door call the services over mutual TLS with
// separate certificates, and the same chain authenticates and authorizes every request. Anyone who
// can read the folder can act as any caller, so standalone listens on loopback only and refuses
// foreign host names.
//
// # The console
//
// People sign in to the console with links that the program prints. Each link signs in once,
// within five minutes. A browser stays signed in for some hours, or until the program ends.
//
// # The folder
//
//	data/    vault.db, allowlist.db         back this up
//	keys/    vault.kek, allowlist.kek, …    back this up elsewhere: with both, all data can be decrypted
//	access/  ca.pem, NAME.token, policy.yaml  for callers; tokens are renewed while the program runs
package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sync/errgroup"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/frontdoor"
	"github.com/keyward/keyward/services/vault"
)

// A Config is the configuration of a standalone. See [DefaultConfig].
type Config struct {
	// Dir is the folder for all files. It is created if it does not exist.
	Dir string
	// GRPC, JSON, and Metrics are the addresses to listen on, all on the loopback interface. Port 0
	// takes any free port. An empty Metrics disables metrics.
	GRPC, JSON, Metrics string
	// Telemetry configures logs, which go to standard error, and traces.
	Telemetry telemetry.Config
	// Integrity is the reaction of both services to stored data that something else changed: `stop`,
	// the default, or `alarm`.
	Integrity string
	// PresetsDir is the setting presets_dir of the allowlist. Empty: only built-in presets.
	PresetsDir string
}

// DefaultConfig returns the configuration that `make run` uses.
func DefaultConfig() Config {
	return Config{
		Dir:       ".keyward",
		GRPC:      "127.0.0.1:9443",
		JSON:      "127.0.0.1:8443",
		Metrics:   "127.0.0.1:9090",
		Telemetry: telemetry.Config{Log: telemetry.LogConfig{Level: "warn"}},
	}
}

// Run serves until ctx ends. It prints its addresses and sign-in links to out, prints new links
// for each line of in, and logs to log.
func Run(ctx context.Context, cfg Config, in io.Reader, out, log io.Writer) (err error) {
	t, err := telemetry.New(ctx, cfg.Telemetry, "standalone", log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	ports, err := listen(ctx, cfg)
	if err != nil {
		return err
	}
	defer ports.close()
	h, err := openHome(cfg.Dir, ports)
	if err != nil {
		return err
	}
	services, err := open(ctx, h, ports, cfg, t)
	defer func() { err = errors.Join(err, server.CloseAll(services)) }()
	if err != nil {
		return err
	}
	return serve(ctx, h, ports, t, terminal{in, out}, services)
}

// A terminal is the input and output for the person who started standalone.
type terminal struct {
	in  io.Reader
	out io.Writer
}

// open opens both services over the folder.
func open(ctx context.Context, h *home, p *ports, cfg Config, t *telemetry.Telemetry) ([]server.Service, error) {
	v, err := openVault(ctx, vault.Config{Store: h.data("vault.db"), Keys: kek.Config{KeyFile: h.key("vault.kek")}, Integrity: cfg.Integrity}, t.Log)
	if err != nil {
		return nil, err
	}
	if err := v.Measure(t.Metrics); err != nil {
		return []server.Service{v}, err
	}
	a, err := openAllowlist(ctx, allowlist.Config{
		Store: h.data("allowlist.db"),
		Keys:  kek.Config{KeyFile: h.key("allowlist.kek")}, Integrity: cfg.Integrity,
		Vault: allowlist.VaultConfig{
			Address: p.grpc.Addr().String(), CA: h.access("ca.pem"),
			Certificate: h.key("allowlist-client.crt"), Key: h.key("allowlist-client.key"),
		},
		PresetsDir: cfg.PresetsDir,
	}, t)
	if err != nil {
		return []server.Service{v}, err
	}
	return []server.Service{v, a}, nil
}

// serve runs the gRPC server, the front door and the renewal of credentials until ctx
// ends or one of them fails.
func serve(ctx context.Context, h *home, p *ports, t *telemetry.Telemetry, term terminal, services []server.Service) error {
	grpc, err := server.New(h.serverConfig(p), t, services...)
	if err != nil {
		return err
	}
	door, closeDoor, err := h.door(p, t)
	if err != nil {
		return err
	}
	defer closeDoor()

	if p.metrics != nil {
		defer grpc.ServeMetrics(ctx, p.metrics, t.Metrics)()
	}

	group, ctx := errgroup.WithContext(ctx)
	// The door closes before the services behind it, so that none of its requests are cut off.
	behind, closeBehind := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return grpc.Serve(behind, p.grpc) })
	group.Go(func() error {
		defer closeBehind()
		return frontdoor.Serve(ctx, p.json, door, h.doorTLS(), t.Log)
	})
	group.Go(func() error { return h.renewForever(ctx, t.Log) })
	group.Go(func() error {
		if err := greet(term.out, h, p); err != nil {
			return err
		}
		go h.relink(ctx, p, term.in, term.out)
		return nil
	})
	return group.Wait()
}

// ports are the open listeners.
type ports struct {
	grpc, json, metrics net.Listener // metrics may be nil
}

// listen opens the ports before anything else, so that a second process on the same ports stops
// before it touches data.
func listen(ctx context.Context, cfg Config) (_ *ports, err error) {
	p := new(ports)
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	for _, port := range []struct {
		name, address string
		listener      *net.Listener
	}{{"gRPC", cfg.GRPC, &p.grpc}, {"JSON", cfg.JSON, &p.json}, {"metrics", cfg.Metrics, &p.metrics}} {
		if port.address == "" && port.name == "metrics" {
			continue
		}
		if err := checkLoopback(port.address); err != nil {
			return nil, fmt.Errorf("%s address: %w", port.name, err)
		}
		var config net.ListenConfig
		if *port.listener, err = config.Listen(ctx, "tcp", port.address); err != nil {
			return nil, fmt.Errorf("listen for %s: %w", port.name, err)
		}
	}
	return p, nil
}

func (p *ports) close() {
	for _, listener := range []net.Listener{p.grpc, p.json, p.metrics} {
		if listener != nil {
			_ = listener.Close() // may already be closed by its server
		}
	}
}

// checkLoopback refuses addresses that other machines could reach: anyone who can connect and read
// the folder can act as any caller.
func checkLoopback(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return errors.New("must be a host and a port, such as 127.0.0.1:8443")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("must be on the loopback interface; to serve other machines, run the three programs separately")
	}
	return nil
}
