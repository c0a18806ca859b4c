package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/quota"
)

// AddressHeader is the metadata with the client address that a gateway forwards. It is ignored
// from other callers.
const AddressHeader = "x-keyward-client-address"

const (
	defaultCacheSize = 10_000
	// cacheTime is the maximum time for which a verified token is cached.
	cacheTime = 5 * time.Minute
)

// A Config configures an [Authenticator].
type Config struct {
	// Issuers are the trusted issuers of tokens.
	Issuers []IssuerConfig
	// Policies holds the current policy. Required.
	Policies *Policies
	// CacheSize is the maximum number of cached verified tokens. Default: 10,000.
	CacheSize int
	// Failures, if not nil, limits the rate of invalid credentials from one address.
	Failures *quota.Limiter
	// Now returns the current time. Default: time.Now.
	Now func() time.Time
}

// An Authenticator determines the principal of a request. It is safe for concurrent use.
type Authenticator struct {
	issuers  map[string]*issuer
	policies *Policies
	verified *lru.Cache[[sha256.Size]byte, remembered]
	failures *quota.Limiter
	now      func() time.Time
}

// remembered is a verified token in the cache, with the time until which the entry is valid. The
// token may expire earlier.
type remembered struct {
	who   *identity
	until time.Time
}

// NewAuthenticator returns an authenticator. It does not contact the issuers, which may be
// unavailable at this time.
func NewAuthenticator(cfg Config) (*Authenticator, error) {
	a := &Authenticator{issuers: make(map[string]*issuer), policies: cfg.Policies, failures: cfg.Failures, now: cfg.Now}
	if a.now == nil {
		a.now = time.Now
	}
	if a.policies == nil {
		return nil, errors.New("create authenticator: no policy")
	}
	size := cfg.CacheSize
	if size == 0 {
		size = defaultCacheSize
	}
	var err error
	if a.verified, err = lru.New[[sha256.Size]byte, remembered](size); err != nil {
		return nil, fmt.Errorf("make cache of tokens: %w", err)
	}
	for n, issuerCfg := range cfg.Issuers {
		if a.issuers[issuerCfg.URL] != nil {
			return nil, fmt.Errorf("configure issuers[%d]: duplicate URL", n)
		}
		i, err := newIssuer(issuerCfg, a.now)
		if err != nil {
			return nil, fmt.Errorf("configure issuers[%d]: %w", n, err)
		}
		a.issuers[issuerCfg.URL] = i
	}
	return a, nil
}

// Authenticate returns the principal of the request with its grants in the current policy, which
// may be none. A request without credentials fails with CREDENTIALS_MISSING. Invalid credentials,
// or more than one, fail with CREDENTIALS_INVALID. The cause is for the log and does not quote the
// credentials. An address that sent too many invalid credentials is refused with RATE_LIMITED for
// some time.
func (a *Authenticator) Authenticate(ctx context.Context) (Principal, error) {
	policy, from := a.policies.current.Load(), connectionOf(ctx)
	if from.err != nil {
		return Principal{}, refused(from.err.Error())
	}
	authorization := metadata.ValueFromIncomingContext(ctx, "authorization")
	proxied := from.workload != "" && policy.proxies[from.workload]
	switch {
	case from.workload != "" && !proxied && len(authorization) > 0:
		return Principal{}, refused("the request has both a certificate and a token")
	case from.workload != "" && !proxied:
		return policy.principal(from.workload, ByMTLS, from.caller(ctx, false), policy.certificateStanding(from.workload)), nil
	case len(authorization) == 0:
		return Principal{}, fault.New(fault.Unauthenticated, fault.CredentialsMissing, "the request has no credentials")
	}
	token, err := parseBearer(authorization)
	if err != nil {
		return Principal{}, refused(err.Error())
	}
	address := from.caller(ctx, proxied)
	who, err := a.verify(ctx, token, address)
	if err != nil {
		return Principal{}, err
	}
	return policy.principal(who.subject, ByOIDC, address, policy.standing(who)), nil
}

// principal returns a caller with its standing in the policy.
func (p *Policy) principal(subject, authentication, address string, s *standing) Principal {
	return Principal{
		Subject: subject, Authentication: authentication, Address: address,
		Grants: s.grants, Known: p.workspaces, Overage: s.overage, standing: s, policy: p,
	}
}

// verify returns the identity of a token. It caches verified tokens and never caches refused ones.
func (a *Authenticator) verify(ctx context.Context, token, from string) (*identity, error) {
	hash := sha256.Sum256([]byte(token))
	// The expiry of the token is checked each time. The expiry of the cache entry uses the monotonic
	// clock, which stops while a machine sleeps.
	if known, ok := a.verified.Get(hash); ok && a.now().Before(known.until) && a.now().Before(known.who.expiry) {
		return known.who, nil
	}
	who, err := a.examine(ctx, token, from)
	if err != nil {
		return nil, err
	}
	a.verified.Add(hash, remembered{who: who, until: a.now().Add(cacheTime)})
	return who, nil
}

// inspect returns the identity of a token without the cache.
func (a *Authenticator) inspect(ctx context.Context, token string) (*identity, error) {
	p, err := previewToken(token)
	if err != nil {
		return nil, refused(err.Error())
	}
	i := a.issuers[p.issuer]
	if i == nil {
		return nil, refused("the issuer of the token is not configured")
	}
	return i.verify(ctx, token, p)
}

// parseAddress parses an IP address with or without a port. The address will be logged, so nothing
// else is accepted: a zone could be any text.
func parseAddress(s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil && a.Addr().Zone() == "" {
		return a.String(), true
	}
	return "", false
}

// refused is the uniform error for all invalid credentials. The cause is for the log.
func refused(why string) *fault.Error {
	return fault.New(fault.Unauthenticated, fault.CredentialsInvalid, "the credentials are invalid").
		Because(errors.New(why))
}
