// Package site runs the three programs of Keyward apart, each with its own certificate and
// configuration file, as an operator would: mutual TLS, a policy, metrics, the request log, and access records.
//
// Everything is in one folder. A store that is already in it is used.
package site

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/services/bench/internal/program"
	"github.com/keyward/keyward/services/standalone/localid"
)

const (
	// Workspace is the workspace of all secrets and endpoints.
	Workspace = "workspaces/bench"
	// Domain is the trust domain of all workloads.
	Domain = "keyward.test"
	// tokenLifetime is longer than any run.
	tokenLifetime = 12 * time.Hour
	// startTime is the time that a program gets to answer its first request.
	startTime = 5 * time.Minute
)

// The names of the programs.
const (
	Vault     = "vault"
	Allowlist = "allowlist"
	Gateway   = "gateway"
)

// A Site is the three programs and the identities of their callers.
type Site struct {
	folder, programs string
	authority        *localid.Authority
	issuer           *localid.Issuer
	issuerServer     *httptest.Server
	addresses        map[string]string
	metrics          map[string]string
	running          map[string]*program.Program
}

// New prepares a site in an existing folder. The programs are in the folder programs. Close the
// site in the end.
func New(ctx context.Context, folder, programs string) (*Site, error) {
	s := &Site{
		folder: folder, programs: programs,
		addresses: make(map[string]string), metrics: make(map[string]string), running: make(map[string]*program.Program),
	}
	if _, err := os.Stat(filepath.Join(programs, Vault)); err != nil {
		return nil, fmt.Errorf("find the programs: %w; make build builds them", err)
	}
	var err error
	if s.authority, err = localid.New(); err != nil {
		return nil, err
	}
	if err := s.startIssuer(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare creates the certificates, the keys, and the configuration files.
func (s *Site) prepare(ctx context.Context) error {
	if err := s.authority.WriteTrust(s.Path("ca.pem")); err != nil {
		return err
	}
	for _, name := range []string{Vault, Allowlist, Gateway} {
		if err := s.Certify(name); err != nil {
			return err
		}
		for _, addresses := range []map[string]string{s.addresses, s.metrics} {
			address, err := program.Address(ctx)
			if err != nil {
				return err
			}
			addresses[name] = address
		}
	}
	if err := s.configure(); err != nil {
		return err
	}
	for _, name := range []string{Vault, Allowlist} {
		if _, err := os.Stat(s.Path(name + ".kek")); err == nil {
			continue
		}
		if err := s.command(ctx, name, "create-key", s.Path(name+".kek")); err != nil {
			return err
		}
	}
	return nil
}

// Path returns the path of a file in the folder of the site.
func (s *Site) Path(name string) string { return filepath.Join(s.folder, name) }

// Certify writes the certificates of a program: one as a server, and one as a workload.
func (s *Site) Certify(name string) error {
	server, err := s.authority.ServerCertificate("127.0.0.1", "localhost")
	if err != nil {
		return err
	}
	workload, err := s.authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + Domain + "/" + name))
	if err != nil {
		return err
	}
	return errors.Join(
		localid.WriteCertificate(s.Path(name+".crt"), s.Path(name+".key"), server),
		localid.WriteCertificate(s.Path(name+"-client.crt"), s.Path(name+"-client.key"), workload))
}

// startIssuer serves the OIDC issuer of people's tokens.
func (s *Site) startIssuer() error {
	cert, err := s.authority.ServerCertificate("127.0.0.1")
	if err != nil {
		return err
	}
	s.issuerServer = httptest.NewUnstartedServer(nil)
	s.issuerServer.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	s.issuer, err = localid.NewIssuer("https://" + s.issuerServer.Listener.Addr().String())
	if err != nil {
		return err
	}
	s.issuerServer.Config.Handler = s.issuer.Handler()
	s.issuerServer.StartTLS()
	return nil
}

// command runs a command of a program and waits for its end.
func (s *Site) command(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, filepath.Join(s.programs, name), args...).CombinedOutput() //nolint:gosec // G204: the operator names the programs
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, args[0], err, out)
	}
	return nil
}

// Start starts a program and waits until it answers. It returns the time from the start of the
// process to the first answer.
func (s *Site) Start(ctx context.Context, name string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	begun := time.Now()
	p, err := program.Start(program.Config{
		Name: name, Path: filepath.Join(s.programs, name), Args: []string{"serve", "--config", s.Path(name + ".yaml")},
		Log: s.Path(name + ".log"), Metrics: s.metrics[name],
	})
	if err != nil {
		return 0, err
	}
	s.running[name] = p
	err = s.await(ctx, name)
	elapsed := time.Since(begun)
	if err == nil && p.Exited() {
		err = errors.New("it has ended")
	}
	if err != nil {
		return 0, fmt.Errorf("start %s (see %s): %w", name, s.Path(name+".log"), err)
	}
	return elapsed, nil
}

// await waits until a program answers.
func (s *Site) await(ctx context.Context, name string) error {
	if name == Gateway {
		return AwaitHTTP(ctx, s.addresses[name], s.ClientTLS(nil))
	}
	return AwaitGRPC(ctx, s.addresses[name], s.ClientTLS(nil))
}

// Stop stops a program.
func (s *Site) Stop(name string) error {
	p, ok := s.running[name]
	if !ok {
		return nil
	}
	delete(s.running, name)
	return p.Stop()
}

// Program returns a running program.
func (s *Site) Program(name string) *program.Program { return s.running[name] }

// Address returns the address of a program.
func (s *Site) Address(name string) string { return s.addresses[name] }

// Close stops all programs.
func (s *Site) Close() error {
	err := errors.Join(s.Stop(Gateway), s.Stop(Allowlist), s.Stop(Vault))
	s.issuerServer.Close()
	return err
}
