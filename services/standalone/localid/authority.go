package localid

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const (
	authorityFile     = "authority.pem"
	authorityLifetime = 10 * 365 * 24 * time.Hour
	serverLifetime    = 365 * 24 * time.Hour
	workloadLifetime  = 24 * time.Hour
	// backdating tolerates a clock that has been set back slightly.
	backdating = 5 * time.Minute
)

// An Authority issues certificates to the servers and workloads of one machine. It is safe for
// concurrent use.
//
// The authority's own certificate constrains it: it can issue certificates only for localhost and
// for the addresses of the loopback interface. A browser that trusts it therefore trusts it for
// nothing else.
type Authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	now  func() time.Time
}

// New creates an authority in memory, for tests.
func New() (*Authority, error) {
	data, err := newAuthority(time.Now())
	if err != nil {
		return nil, err
	}
	return parseAuthority(data)
}

// LoadOrCreate returns the authority that is stored in the folder. It creates the folder and the
// authority on first use.
func LoadOrCreate(dir string) (*Authority, error) {
	data, err := loadOrCreate(dir, authorityFile, func() ([]byte, error) { return newAuthority(time.Now()) })
	if err != nil {
		return nil, fmt.Errorf("load local authority: %w", err)
	}
	a, err := parseAuthority(data)
	if err != nil {
		return nil, fmt.Errorf("read local authority: %w", err)
	}
	return a, nil
}

// Certificate returns the authority's certificate as PEM, for clients to trust.
func (a *Authority) Certificate() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: a.cert.Raw})
}

// WriteTrust writes the authority's certificate to a file.
func (a *Authority) WriteTrust(path string) error { return WriteFile(path, a.Certificate()) }

// Pool returns a new pool that contains only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// ServerCertificate issues a certificate for a server of this machine. The hosts
// are `localhost`, names below it, or addresses of the loopback interface.
func (a *Authority) ServerCertificate(hosts ...string) (tls.Certificate, error) {
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "Keyward local server"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		ip := net.ParseIP(host)
		switch {
		case ip != nil && ip.IsLoopback():
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		case host == "localhost" || strings.HasSuffix(host, ".localhost"):
			leaf.DNSNames = append(leaf.DNSNames, host)
		default:
			return tls.Certificate{}, fmt.Errorf("issue server certificate: %q must be localhost, a name below it, or a loopback address", host)
		}
	}
	if len(hosts) == 0 {
		return tls.Certificate{}, errors.New("issue server certificate: at least one host is required")
	}
	return a.issue(leaf, serverLifetime)
}

// WorkloadCertificate issues a certificate that names a workload by its SPIFFE ID. It is valid for
// a day; see [Authority.WorkloadCertificates] for one that is renewed.
func (a *Authority) WorkloadCertificate(id spiffeid.ID) (tls.Certificate, error) {
	if id.IsZero() || id.Path() == "" {
		return tls.Certificate{}, errors.New("issue workload certificate: the SPIFFE ID must have a path")
	}
	return a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "Keyward local workload"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{id.URL()},
	}, workloadLifetime)
}

// WorkloadCertificates returns a function for tls.Config.GetClientCertificate that returns the
// workload's certificate and issues the next one after two thirds of its lifetime.
func (a *Authority) WorkloadCertificates(id spiffeid.ID) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	var current tls.Certificate
	var renew time.Time
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if !a.now().Before(renew) {
			next, err := a.WorkloadCertificate(id)
			if err != nil {
				return nil, err
			}
			current, renew = next, a.now().Add(workloadLifetime*2/3)
		}
		shown := current
		return &shown, nil
	}
}

func (a *Authority) issue(leaf *x509.Certificate, lifetime time.Duration) (tls.Certificate, error) {
	key, err := newKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	if leaf.SerialNumber, err = serialNumber(); err != nil {
		return tls.Certificate{}, err
	}
	leaf.NotBefore = a.now().Add(-backdating)
	leaf.NotAfter = a.now().Add(lifetime)
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.BasicConstraintsValid = true
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issue certificate: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read issued certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}

// newAuthority returns the PEM of a new key and of its self-signed certificate. They are in one
// file, so that neither exists without the other.
func newAuthority(now time.Time) ([]byte, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	serial, err := serialNumber()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{CommonName: "Keyward local authority"},
		NotBefore:                   now.Add(-backdating),
		NotAfter:                    now.Add(authorityLifetime),
		KeyUsage:                    x509.KeyUsageCertSign,
		IsCA:                        true,
		MaxPathLenZero:              true,
		BasicConstraintsValid:       true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges: []*net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	data, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return append(data, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})...), nil
}

func parseAuthority(data []byte) (*Authority, error) {
	key, rest, err := decodeKey(data)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(rest)
	if block == nil || block.Type != pemCertificate {
		return nil, errors.New("decode certificate: the file contains no PEM block of a certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("decode certificate: %w", err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("decode certificate: it does not match the key")
	}
	return &Authority{key: key, cert: cert, now: time.Now}, nil
}

func serialNumber() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("generate serial number: %w", err)
	}
	return serial, nil
}
