package auth

import (
	"crypto/x509"
	"encoding/pem"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Bundles holds the authorities of each trust domain. An authority is trusted only for workloads
// of its own trust domain.
type Bundles map[spiffeid.TrustDomain][]*x509.Certificate

// ParseAuthorities returns the certificates of a PEM file. It skips other blocks, and fails if
// there is no certificate.
func ParseAuthorities(text []byte) ([]*x509.Certificate, error) {
	var authorities []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" || len(block.Headers) > 0 {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			authorities = append(authorities, cert)
		}
	}
	if len(authorities) == 0 {
		return nil, errors.New("the file contains no certificate")
	}
	return authorities, nil
}

// all returns the authorities of all trust domains, for a first check of a certificate whose trust
// domain is not known yet.
func (b Bundles) all() *x509.CertPool {
	pool := x509.NewCertPool()
	for _, authorities := range b {
		for _, cert := range authorities {
			pool.AddCert(cert)
		}
	}
	return pool
}

// Pool returns the authorities of one trust domain. The pool may be empty.
func (b Bundles) Pool(domain spiffeid.TrustDomain) *x509.CertPool { return poolOf(b[domain]) }

// verify checks that an authority of the workload's own trust domain issued the certificate, the
// first of the chain.
func (b Bundles) verify(id spiffeid.ID, chain []*x509.Certificate) error {
	if _, known := b[id.TrustDomain()]; !known {
		return errors.New("verify client certificate: its trust domain is not configured")
	}
	if _, err := chain[0].Verify(x509.VerifyOptions{
		Roots:         b.Pool(id.TrustDomain()),
		Intermediates: poolOf(chain[1:]),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}); err != nil {
		// The error of the library quotes the certificate.
		return errors.New("verify client certificate: it was not issued by an authority of its trust domain")
	}
	return nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, cert := range certs {
		pool.AddCert(cert)
	}
	return pool
}
