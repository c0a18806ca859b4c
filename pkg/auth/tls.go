package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// ServerTLSConfig returns how a server speaks TLS: 1.3 at least. A client may
// come without a certificate. One that shows a certificate must show one with the
// SPIFFE id of a trust domain in clients, for which an authority of that very trust
// domain vouches; with any other the handshake fails. Without clients, certificates
// are not asked for.
//
// A connection lives on when the certificate it was made with expires; a server
// bounds the age of its connections.
func ServerTLSConfig(cert tls.Certificate, clients Bundles) *tls.Config {
	cfg := &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		// A resumed connection would be one whose certificate nobody looked at today.
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

// ClientTLSConfig returns how a client speaks TLS to a server that an authority
// of roots vouches for. The server must show the SPIFFE id; if that is zero, the
// name or address that the client dials. The certificate may be nil.
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
	// A workload's certificate has an id and no host name, so that the default
	// check would always fail. What follows does the whole of it.
	cfg.InsecureSkipVerify = true
	cfg.VerifyConnection = func(state tls.ConnectionState) error { return verifyServer(state, roots, server) }
	return cfg
}

// ParseServerName reads the name that a server's certificate must show: a SPIFFE id, or
// else the name of a host.
func ParseServerName(name string) (id spiffeid.ID, host string) {
	if id, err := spiffeid.FromString(name); err == nil {
		return id, ""
	}
	return spiffeid.ID{}, name
}

func verifyServer(state tls.ConnectionState, roots *x509.CertPool, want spiffeid.ID) error {
	if len(state.PeerCertificates) == 0 || roots == nil {
		return errors.New("verify server certificate: there is none, or nothing to verify it by")
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
		return errors.New("verify server certificate: it is another workload's")
	}
	return nil
}

// workloadID returns the SPIFFE id of a client's certificate, once its chain was
// verified by the handshake.
func workloadID(state tls.ConnectionState) (spiffeid.ID, error) {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return spiffeid.ID{}, errors.New("verify client certificate: no authority vouches for it")
	}
	return leafID(state.VerifiedChains[0][0])
}

// leafID returns the SPIFFE id of a certificate, by the rules for leaves of the
// X.509-SVID standard.
func leafID(leaf *x509.Certificate) (spiffeid.ID, error) {
	if leaf.IsCA || leaf.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) != 0 {
		return spiffeid.ID{}, errors.New("read SPIFFE id: the certificate is an authority's")
	}
	id, err := x509svid.IDFromCert(leaf)
	if err != nil || id.Path() == "" {
		// The library's words quote the certificate.
		return spiffeid.ID{}, errors.New("read SPIFFE id: the certificate does not name exactly one workload")
	}
	return id, nil
}
