// Package authtest issues certificates and tokens for tests: a certificate [Authority] for
// servers and workloads, and an OIDC [Issuer]. Both live in memory. Production code that
// checks certificates and tokens accepts them like any other.
package authtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// An Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// New creates an authority.
func New() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	// All authorities have the same name. A client does not present a certificate of an authority
	// whose name the server does not list, so different names would hide the behavior under test.
	template := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "Keyward test authority"},
		NotAfter: time.Now().AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageCertSign,
		IsCA:     true,
	}
	cert, err := sign(template, template, key, key)
	if err != nil {
		return nil, err
	}
	return &Authority{key: key, cert: cert}, nil
}

// Certificate returns the authority's certificate as PEM, for clients to trust.
func (a *Authority) Certificate() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// WriteTrust writes the authority's certificate to a file.
func (a *Authority) WriteTrust(path string) error {
	return replace(path, a.Certificate())
}

// Pool returns a new pool that contains only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// ServerCertificate issues a certificate for a server with the host names or addresses.
func (a *Authority) ServerCertificate(hosts ...string) (tls.Certificate, error) {
	leaf := &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	return a.issue(leaf)
}

// WorkloadCertificate issues a certificate that names a workload by its SPIFFE ID.
func (a *Authority) WorkloadCertificate(id spiffeid.ID) (tls.Certificate, error) {
	return a.issue(&x509.Certificate{
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{id.URL()},
	})
}

func (a *Authority) issue(leaf *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("generate key: %w", err)
	}
	leaf.NotAfter = time.Now().Add(24 * time.Hour)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	cert, err := sign(leaf, a.cert, key, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

// sign completes a certificate for a key and has the parent sign it.
func sign(template, parent *x509.Certificate, key, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("generate serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-5 * time.Minute)
	template.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// WriteCertificate writes a certificate and its private key as two PEM files.
func WriteCertificate(certFile, keyFile string, cert tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		return fmt.Errorf("encode key: %w", err)
	}
	if err := replace(keyFile, encode("PRIVATE KEY", key)); err != nil {
		return err
	}
	return replace(certFile, encode("CERTIFICATE", cert.Certificate[0]))
}

// replace atomically writes a file that a running server may read.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
