package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// ServerTLSConfig returns the TLS configuration of a server, at least version 1.3. A client may
// connect without a certificate. A client certificate must carry the SPIFFE ID of a trust domain
// in clients and be issued by an authority of that trust domain; the handshake fails with any
// other. Without clients, the server does not request certificates.
//
// A connection survives the expiry of its certificate. A server therefore limits the age of its
// connections.
func ServerTLSConfig(cert tls.Certificate, clients Bundles) *tls.Config {
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		// A resumed connection would skip the check of the certificate.
		SessionTicketsDisabled: true,
	}
	if len(clients) == 0 {
		return cfg
	}
	cfg.ClientAuth = tls.VerifyClientCertIfGiven
	cfg.ClientCAs = clients.all()
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return nil
		}
		id, err := workloadID(state)
		if err != nil {
			return err
		}
		return clients.verify(id, state.PeerCertificates)
	}
	return cfg
}

// ClientTLSConfig returns the TLS configuration of a client for a server whose certificate an
// authority of roots issued. The server must have the SPIFFE ID; if it is zero, the certificate
// must match the dialed name or address. The certificate may be nil.
//
// A client whose certificate is renewed sets GetClientCertificate instead.
func ClientTLSConfig(cert *tls.Certificate, roots *x509.CertPool, server spiffeid.ID) *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	if server.IsZero() {
		return cfg
	}
	// A workload's certificate has an ID and no host name, so the default check would always fail.
	// The code below makes the complete check.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(state tls.ConnectionState) error { return verifyServer(state, roots, server) }
	return cfg
}

// ParseServerName parses the required name of a server: a SPIFFE ID or a host name.
func ParseServerName(name string) (id spiffeid.ID, host string) {
	if id, err := spiffeid.FromString(name); err == nil {
		return id, ""
	}
	return spiffeid.ID{}, name
}

func verifyServer(state tls.ConnectionState, roots *x509.CertPool, want spiffeid.ID) error {
	if len(state.PeerCertificates) == 0 || roots == nil {
		return errors.New("verify server certificate: the certificate or the authorities are missing")
	}
	leaf := state.PeerCertificates[0]
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: poolOf(state.PeerCertificates[1:]),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("verify server certificate: %w", err)
	}
	if id, err := leafID(leaf); err != nil || id != want {
		return errors.New("verify server certificate: it belongs to another workload")
	}
	return nil
}

// workloadID returns the SPIFFE ID of a client's certificate, after the handshake has verified its
// chain.
func workloadID(state tls.ConnectionState) (spiffeid.ID, error) {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return spiffeid.ID{}, errors.New("verify client certificate: it was not issued by a trusted authority")
	}
	return leafID(state.VerifiedChains[0][0])
}

// leafID returns the SPIFFE ID of a certificate, following the rules for leaves in the X.509-SVID
// standard.
func leafID(leaf *x509.Certificate) (spiffeid.ID, error) {
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return spiffeid.ID{}, errors.New("read SPIFFE ID: the certificate is that of an authority")
	}
	id, err := x509svid.IDFromCert(leaf)
	if err != nil || id.Path() == "" {
		// The error of the library quotes the certificate.
		return spiffeid.ID{}, errors.New("read SPIFFE ID: the certificate does not name exactly one workload")
	}
	return id, nil
}
