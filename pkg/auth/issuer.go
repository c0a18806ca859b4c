package auth

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// The bounds of [IssuerConfig.MaxTokenLifetime] and [IssuerConfig.ClockSkew].
const (
	defaultLifetime = time.Hour
	longestLifetime = 28 * time.Hour // Microsoft's with continuous access evaluation
	defaultSkew     = time.Minute
	longestSkew     = 5 * time.Minute
)

// An IssuerConfig configures a trusted OIDC issuer.
type IssuerConfig struct {
	// URL is the issuer's https URL, exactly as in the claim `iss` of its tokens,
	// including a slash at the end if there is one. Required.
	URL string `yaml:"url"`
	// Audience is the audience that a token must name in `aud`. Required.
	Audience string `yaml:"audience"`
	// Algorithms are the signature algorithms that tokens may use: ES256, RS256, PS256, their
	// variants with longer hashes, and EdDSA. Default ES256, RS256, EdDSA and PS256.
	Algorithms []string `yaml:"algorithms"`
	// MaxTokenLifetime is the longest time from a token's issue to its expiry. Nothing
	// revokes a token earlier. At most 28 h. Default 1 h.
	MaxTokenLifetime time.Duration `yaml:"max_token_lifetime"`
	// ClockSkew is how far the issuer's clock may be ahead of the server's, for tokens
	// that are not valid yet. It does not extend a token. At most 5 m. Default 1 m.
	ClockSkew *time.Duration `yaml:"clock_skew"`
	// AllowIDTokens accepts ID tokens too, for issuers whose access tokens look like ID
	// tokens, such as Dex. Then only the audience excludes tokens of other applications.
	AllowIDTokens bool `yaml:"allow_id_tokens"`
	// CAFile is a PEM file with the authorities of the issuer's TLS certificate. Default
	// the system's.
	CAFile string `yaml:"ca_file"`
	// Proxy is the URL of an HTTP proxy to the issuer, such as
	// `http://proxy.internal:3128`. The proxy sees the issuer's host name and no content.
	// The environment has no influence. Default no proxy.
	Proxy string `yaml:"proxy"`
}

// Check returns all errors in the configuration. It opens no files.
func (c IssuerConfig) Check() error {
	var errs []error
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		errs = append(errs, errors.New("url: must be an https URL without user, query, or fragment"))
	}
	if c.Audience == "" {
		errs = append(errs, errors.New("audience: is required"))
	}
	for _, algorithm := range c.Algorithms {
		// Only asymmetric algorithms: a server that verifies must not be able to sign.
		switch algorithm {
		case oidc.ES256, oidc.ES384, oidc.ES512, oidc.RS256, oidc.RS384, oidc.RS512,
			oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA:
		default:
			errs = append(errs, errors.New("algorithms: must be ES256, RS256, PS256, a longer variant of these, or EdDSA"))
		}
	}
	if lifetime := c.bounds().lifetime; lifetime < time.Second || lifetime > longestLifetime {
		errs = append(errs, errors.New("max_token_lifetime: must be from 1s to 28h"))
	}
	if c.Proxy != "" && !validProxy(c.Proxy) {
		errs = append(errs, errors.New("proxy: must have the form http://host:port"))
	}
	if skew := c.bounds().skew; skew < 0 || skew > longestSkew {
		errs = append(errs, errors.New("clock_skew: must be from 0 to 5m"))
	}
	return errors.Join(errs...)
}

// bounds returns the limits of the times in a token.
func (c IssuerConfig) bounds() bounds {
	b := bounds{lifetime: cmp.Or(c.MaxTokenLifetime, defaultLifetime), skew: defaultSkew}
	if c.ClockSkew != nil {
		b.skew = *c.ClockSkew
	}
	return b
}

// algorithms returns the allowed signature algorithms.
func (c IssuerConfig) algorithms() []string {
	if len(c.Algorithms) > 0 {
		return slices.Clone(c.Algorithms)
	}
	return []string{oidc.ES256, oidc.RS256, oidc.EdDSA, oidc.PS256}
}

// authorities reads CAFile. Nil means the authorities of the system.
func (c IssuerConfig) authorities() (*x509.CertPool, error) {
	if c.CAFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, errors.New("read ca_file: there is no certificate in it")
	}
	return pool, nil
}

// validProxy reports whether a URL names a proxy. It has no user, because a password does not
// belong in the configuration. The scheme is http, because TLS ends at the issuer in any case.
func validProxy(text string) bool {
	u, err := url.Parse(text)
	return err == nil && *u == url.URL{Scheme: "http", Host: u.Host} && u.Hostname() != "" && u.Port() != ""
}

// proxy returns the proxy function of a client, or nil without a proxy.
func (c IssuerConfig) proxy() func(*http.Request) (*url.URL, error) {
	if c.Proxy == "" {
		return nil
	}
	return http.ProxyURL(&url.URL{Scheme: "http", Host: strings.TrimPrefix(c.Proxy, "http://")})
}

// newClient returns an HTTP client for one issuer: only the configured proxy, no redirects, a
// timeout, and at most a megabyte.
func (c IssuerConfig) newClient(authorities *x509.CertPool) *http.Client {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: bounded{&http.Transport{
			Proxy:                  c.proxy(),
			TLSClientConfig:        cfg,
			TLSHandshakeTimeout:    fetchTimeout,
			ResponseHeaderTimeout:  fetchTimeout,
			IdleConnTimeout:        time.Minute,
			MaxIdleConns:           2,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded limits the size of responses.
type bounded struct{ next http.RoundTripper }

// RoundTrip sends the request.
func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxDocument)
	}
	return resp, err
}

// issuer verifies the tokens of one issuer.
type issuer struct {
	cfg        IssuerConfig
	url        string
	audience   string
	algorithms []string
	keys       *keySet
	now        func() time.Time

	mu      sync.Mutex
	trusted *x509.CertPool // whom the client of keys trusts; nil: the system's
}

func newIssuer(cfg IssuerConfig, now func() time.Time) (*issuer, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	trusted, err := cfg.authorities()
	if err != nil {
		return nil, err
	}
	return &issuer{
		cfg:        cfg,
		url:        cfg.URL,
		audience:   cfg.Audience,
		algorithms: cfg.algorithms(),
		keys:       newKeySet(cfg.URL, cfg.newClient(trusted), now),
		now:        now,
		trusted:    trusted,
	}, nil
}

// trust replaces the authorities for connections to the issuer.
func (i *issuer) trust(authorities *x509.CertPool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if authorities.Equal(i.trusted) {
		return
	}
	i.trusted = authorities
	i.keys.fetchWith(i.cfg.newClient(authorities))
}

// verify returns the identity of a token, or the reason for a refusal. The reason quotes nothing
// from the token.
func (i *issuer) verify(ctx context.Context, token string, p preview) (*identity, error) {
	if !slices.Contains(i.algorithms, p.algorithm) {
		return nil, refused("the token is signed with an algorithm that is not allowed")
	}
	if err := checkType(p.typ); err != nil {
		return nil, refused(err.Error())
	}
	keys, err := i.keys.find(ctx, p.keyID, p.algorithm)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, refused("the token is not signed with a key of the issuer")
	}
	signature := &signature{keys: oidc.StaticKeySet{PublicKeys: keys}}
	verifier := oidc.NewVerifier(i.url, signature, &oidc.Config{
		ClientID:             i.audience,
		SupportedSigningAlgs: i.algorithms,
		Now:                  i.now,
	})
	verified, err := verifier.Verify(ctx, token)
	if err != nil {
		return nil, refused(signature.explain(err))
	}
	var c claims
	if err := verified.Claims(&c); err != nil {
		return nil, refused("the claims of the token are not a JSON object")
	}
	if err := c.checkKind(p.typ, i.cfg.AllowIDTokens); err != nil {
		return nil, refused(err.Error())
	}
	who, err := newIdentity(i.url, c, i.cfg.bounds(), i.now())
	if err != nil {
		return nil, refused(err.Error())
	}
	return who, nil
}

// signature is the signature of one token and the result of its verification.
type signature struct {
	keys     oidc.StaticKeySet
	verifies bool
}

// VerifySignature returns the payload of a token that one of the keys signed.
func (s *signature) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := s.keys.VerifySignature(ctx, token)
	s.verifies = err == nil
	return payload, err
}

// explain translates an error of the library, which quotes the token, into a constant message.
func (s *signature) explain(err error) string {
	var expired *oidc.TokenExpiredError
	switch {
	case !s.verifies:
		return "the signature of the token does not verify"
	case errors.As(err, &expired):
		return "the token has expired"
	}
	return "the token is malformed, not valid yet, or for another audience"
}
