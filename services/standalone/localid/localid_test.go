package localid

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

func TestAuthorityIsTheSameAfterRestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "identity")
	first, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := first.ServerCertificate("localhost", "127.0.0.1", "::1", "vault.localhost")
	if err != nil {
		t.Fatal(err)
	}
	second, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"localhost", "127.0.0.1", "::1", "vault.localhost"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: second.Pool(), DNSName: host}); err != nil {
			t.Errorf("Verify(%q) = %v after a restart", host, err)
		}
	}
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "identity")
	authority, err := LoadOrCreate(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreateIssuer(dir, "https://127.0.0.1:1"); err != nil {
		t.Fatal(err)
	}
	cert, err := authority.WorkloadCertificate(spiffeid.RequireFromString("spiffe://local/allowlist"))
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteCertificate(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), cert); err != nil {
		t.Fatal(err)
	}
	if err := authority.WriteTrust(filepath.Join(dir, "trust.pem")); err != nil {
		t.Fatal(err)
	}
	want := map[string]fs.FileMode{
		".": 0o700, "authority.pem": 0o600, "issuer.pem": 0o600, "cert.pem": 0o600, "key.pem": 0o600, "trust.pem": 0o600,
	}
	err = fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err == nil && info.Mode().Perm() != want[path] {
			t.Errorf("%s has mode %v, want %v", path, info.Mode().Perm(), want[path])
		}
		delete(want, path)
		return err
	})
	if err != nil || len(want) != 0 {
		t.Errorf("WalkDir = %v, without %v", err, want)
	}
	if _, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")); err != nil {
		t.Errorf("LoadX509KeyPair = %v", err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	own, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(own)
	_, otherCert := pem.Decode(other)
	for _, tt := range []struct {
		name string
		data []byte
		mode fs.FileMode
		want string
	}{
		{"a file that the group can read", own, 0o640, "0600"},
		{"a file that everyone can read", own, 0o604, "0600"},
		{"an empty file", nil, 0o600, "private key"},
		{"words", []byte("canary"), 0o600, "private key"},
		{"a certificate without a key", rest, 0o600, "private key"},
		{"a key without a certificate", own[:len(own)-len(rest)], 0o600, "certificate"},
		{"a truncated file", own[:len(own)-100], 0o600, "certificate"},
		{"another key's certificate", append(pem.EncodeToMemory(block), otherCert...), 0o600, "does not match the key"},
		{"an invalid key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")}), 0o600, "PKCS #8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, authorityFile)
			if err := os.WriteFile(path, tt.data, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := LoadOrCreate(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("LoadOrCreate = %v, want an error that contains %q and quotes nothing", err, tt.want)
			}
			// An existing file belongs to the operator, even if it is broken.
			if got, err := os.ReadFile(path); err != nil || string(got) != string(tt.data) {
				t.Errorf("the file was changed, %v", err)
			}
		})
	}
	if _, err := LoadOrCreate(filepath.Join("localid.go", "x")); err == nil {
		t.Error("LoadOrCreate accepts a file instead of a folder")
	}
}

func TestNothingIsLeftOfFileThatCannotBeNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), []byte("key")); err == nil {
		t.Error("WriteFile replaced a folder")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d entries are left, %v; want only the folder", len(left), err)
	}
}

func TestAuthorityIsConfinedToTheMachine(t *testing.T) {
	t.Parallel()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, hosts := range [][]string{nil, {"example.com"}, {"localhost", "192.0.2.1"}, {""}, {"localhost.example.com"}, {"notlocalhost"}} {
		if _, err := a.ServerCertificate(hosts...); err == nil {
			t.Errorf("ServerCertificate(%q) succeeded", hosts)
		}
	}
	// Certificates that a stolen key issues for other names are not trusted either.
	forged, err := a.issue(&x509.Certificate{
		DNSNames: []string{"bank.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, err = forged.Leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: "bank.example.com"})
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.CANotAuthorizedForThisName {
		t.Errorf("Verify = %v for a name outside the machine", err)
	}
	if _, err := a.WorkloadCertificate(spiffeid.ID{}); err == nil {
		t.Error("WorkloadCertificate of a zero ID succeeded")
	}
	if _, err := a.WorkloadCertificate(spiffeid.RequireFromString("spiffe://local")); err == nil {
		t.Error("WorkloadCertificate of a trust domain succeeded")
	}
}

func TestAuthorityCannotBeExtended(t *testing.T) {
	t.Parallel()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.ServerCertificate("localhost")
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, leaf.Leaf, key.Public(), leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	between := x509.NewCertPool()
	between.AddCert(leaf.Leaf)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: a.Pool(), Intermediates: between}); err == nil {
		t.Error("a server's certificate can issue another")
	}
}

func TestWorkloadCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	a, err := New()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	a.now = func() time.Time { return now }
	get := a.WorkloadCertificates(spiffeid.RequireFromString("spiffe://local/allowlist"))
	serial := func() string {
		t.Helper()
		cert, err := get(nil)
		if err != nil {
			t.Fatal(err)
		}
		if now.Before(cert.Leaf.NotBefore) || now.After(cert.Leaf.NotAfter) {
			t.Error("the certificate is not valid now")
		}
		return cert.Leaf.SerialNumber.String()
	}
	first := serial()
	now = now.Add(15 * time.Hour)
	if serial() != first {
		t.Error("the certificate was renewed before two thirds of its life")
	}
	now = now.Add(time.Hour)
	if serial() == first {
		t.Error("the certificate was not renewed after two thirds of its life")
	}
}

func TestIssuerConvincesOIDCClient(t *testing.T) {
	t.Parallel()
	authority, err := New()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.ServerCertificate("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/local/issuer"} {
		var handler http.Handler
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
		dir := t.TempDir()
		issuer, err := LoadOrCreateIssuer(dir, "https://"+server.Listener.Addr().String()+path)
		if err != nil {
			t.Fatal(err)
		}
		handler = issuer.Handler()
		server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
		server.StartTLS()
		t.Cleanup(server.Close)

		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}}
		ctx := oidc.ClientContext(context.Background(), client)
		provider, err := oidc.NewProvider(ctx, issuer.URL())
		if err != nil {
			t.Fatal(err)
		}
		// The loaded issuer signs; the created issuer serves the keys.
		again, err := LoadOrCreateIssuer(dir, issuer.URL())
		if err != nil {
			t.Fatal(err)
		}
		token, err := again.Sign("olivia", "keyward", time.Minute, map[string]any{"sub": "root", "exp": 1, "email": "o@example.com"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := provider.Verifier(&oidc.Config{ClientID: "keyward"}).Verify(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Email string `json:"email"`
			ID    string `json:"jti"`
		}
		if err := got.Claims(&claims); err != nil {
			t.Fatal(err)
		}
		if got.Subject != "olivia" || claims.Email != "o@example.com" || claims.ID == "" || got.Expiry.Sub(got.IssuedAt) != time.Minute {
			t.Errorf("token has the claims %+v, %+v", got, claims)
		}
	}
}

func TestIssuerServesPublicKeysOnly(t *testing.T) {
	t.Parallel()
	issuer, err := NewIssuer("https://localhost")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(issuer.keys), `"d"`) || !strings.Contains(string(issuer.keys), `"kid"`) {
		t.Errorf("the key set is %s", issuer.keys)
	}
	for _, url := range []string{"", "http://localhost", "https://", "https://localhost/", "https://localhost?x=1", "https://localhost#x", "localhost", "https://local host"} {
		if _, err := NewIssuer(url); err == nil {
			t.Errorf("NewIssuer(%q) succeeded", url)
		}
	}
}

func TestIssuerServesExactPathsOnly(t *testing.T) {
	t.Parallel()
	issuer, err := NewIssuer("https://localhost:1/issuer")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		method, target string
		served         bool
	}{
		{"GET", "/issuer/keys", true},
		{"HEAD", "/issuer/keys", true},
		{"GET", "/issuer/.well-known/openid-configuration", true},
		{"POST", "/issuer/keys", false},
		{"GET", "/issuer/keys/", false},
		{"GET", "//issuer/keys", false},
		{"GET", "/issuer%2Fkeys", false},
		{"GET", "/issuer/../issuer/keys", false},
		{"GET", "/keys", false},
		{"GET", "/", false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest(tt.method, "https://localhost:1"+tt.target, nil)
		if got := issuer.Page(r) != nil; got != tt.served {
			t.Errorf("Page(%s %s) = %v, want %v", tt.method, tt.target, got, tt.served)
		}
	}
}

func FuzzParseAuthority(f *testing.F) {
	own, err := newAuthority(time.Now())
	if err != nil {
		f.Fatal(err)
	}
	_, rest := pem.Decode(own)
	f.Add(own)
	f.Add(rest)
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := parseAuthority(data)
		if err == nil && !a.key.PublicKey.Equal(a.cert.PublicKey) {
			t.Error("parseAuthority accepts a certificate of another key")
		}
	})
}
