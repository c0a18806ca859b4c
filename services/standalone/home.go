package standalone

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/frontdoor"
	"github.com/keyward/keyward/services/frontdoor/gateway"
	"github.com/keyward/keyward/services/standalone/localid"
	"github.com/keyward/keyward/services/vault"
)

const (
	trustDomain = "keyward.local"
	audience    = "keyward"
)

// The workloads that have a certificate.
var (
	allowlistID = spiffeid.RequireFromString("spiffe://" + trustDomain + "/allowlist")
	gatewayID   = spiffeid.RequireFromString("spiffe://" + trustDomain + "/gateway")
)

// A home is the folder of a standalone, with its identities.
type home struct {
	dir         string
	authority   *localid.Authority
	issuer      *localid.Issuer
	signIn      *localid.SignIn
	certificate tls.Certificate
}

// openHome opens the folder and creates missing files.
func openHome(dir string, p *ports) (*home, error) {
	h := &home{dir: dir}
	for _, folder := range []string{dir, h.data(""), h.key(""), h.access("")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("create folder: %w", err)
		}
	}
	if err := h.identify(p); err != nil {
		return nil, err
	}
	if err := h.renew(); err != nil {
		return nil, err
	}
	err := errors.Join(
		createKey(h.key("vault.kek"), h.data("vault.db"), vault.CreateKey),
		createKey(h.key("allowlist.kek"), h.data("allowlist.db"), allowlist.CreateKey))
	if err != nil {
		return nil, err
	}
	return h, h.writePolicy()
}

// createKey creates a key file if it does not exist. It fails if the store already exists: a new
// key could not decrypt that store, and would hide that the old key is missing.
func createKey(path, store string, create func(string) error) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err := os.Stat(store); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("%s is missing: %s cannot be decrypted without it; restore the key file from a backup", path, store), err)
	}
	return create(path)
}

// identify loads the authority and the issuer, and issues a new certificate for the server, so
// that the certificate of an old folder has not expired.
func (h *home) identify(p *ports) (err error) {
	if h.authority, err = localid.LoadOrCreate(h.key("")); err != nil {
		return err
	}
	if h.issuer, err = localid.LoadOrCreateIssuer(h.key(""), p.origin()+"/issuer"); err != nil {
		return err
	}
	if h.signIn, err = newSignIn(h.issuer, p); err != nil {
		return err
	}
	if h.certificate, err = h.authority.ServerCertificate("localhost", "127.0.0.1", "::1"); err != nil {
		return err
	}
	if err := h.authority.WriteTrust(h.access("ca.pem")); err != nil {
		return err
	}
	return localid.WriteCertificate(h.key("server.crt"), h.key("server.key"), h.certificate)
}

func (h *home) data(name string) string   { return filepath.Join(h.dir, "data", name) }
func (h *home) key(name string) string    { return filepath.Join(h.dir, "keys", name) }
func (h *home) access(name string) string { return filepath.Join(h.dir, "access", name) }

// serverConfig returns the gRPC server's configuration, as an operator would write it.
func (h *home) serverConfig(p *ports) server.Config {
	return server.Config{
		Listen: p.grpc.Addr().String(),
		TLS: server.TLSConfig{
			Certificate: h.key("server.crt"), Key: h.key("server.key"),
			ClientTrust: h.access("ca.pem"), TrustDomain: trustDomain,
		},
		Auth: server.AuthConfig{
			Issuers: []auth.IssuerConfig{{
				URL: h.issuer.URL(), Audience: audience, Algorithms: []string{"ES256"}, CAFile: h.access("ca.pem"),
			}},
			Policy: h.access("policy.yaml"),
		},
	}
}

// door returns the front door's handler, which also serves the issuer and the console.
func (h *home) door(p *ports, t *telemetry.Telemetry) (http.Handler, func(), error) {
	own := h.clientTLS(gatewayID)
	conn, err := frontdoor.Dial(p.grpc.Addr().String(), func() *tls.Config { return own })
	if err != nil {
		return nil, nil, err
	}
	host, _, err := net.SplitHostPort(p.json.Addr().String())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	pages, err := h.pages(p)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	handler, err := frontdoor.Handler(gateway.Config{
		AllowedHosts: []string{"localhost", "127.0.0.1", "::1", host},
		Pages:        pages,
		Logger:       t.Log,
	}, conn, conn)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return handler, func() { _ = conn.Close() }, nil
}

// clientTLS returns the TLS configuration with which a workload of this process calls the gRPC
// server. Its certificate is renewed for as long as the process runs.
func (h *home) clientTLS(id spiffeid.ID) *tls.Config {
	cfg := auth.ClientTLSConfig(nil, h.authority.Pool(), spiffeid.ID{})
	cfg.GetClientCertificate = h.authority.WorkloadCertificates(id)
	return cfg
}

func (h *home) doorTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{h.certificate}}
}
