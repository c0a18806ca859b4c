package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

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
	// inMemory is the network of connections within the process.
	inMemory = "bufconn"
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
	policy := a.policies.current.Load()
	certificate, err := certificateID(ctx)
	if err != nil {
		return Principal{}, err
	}
	authorization := metadata.ValueFromIncomingContext(ctx, "authorization")
	proxied := certificate != "" && policy.proxies[certificate]
	switch {
	case certificate != "" && !proxied && len(authorization) > 0:
		return Principal{}, refused("the request has both a certificate and a token")
	case certificate != "" && !proxied:
		return Principal{
			Subject:        certificate,
			Authentication: ByMTLS,
			Address:        address(ctx, false),
			Grants:         policy.certificateGrants(certificate),
			Known:          policy.workspaces,
		}, nil
	case len(authorization) == 0:
		return Principal{}, fault.New(fault.Unauthenticated, fault.CredentialsMissing, "the request has no credentials")
	}
	token, err := parseBearer(authorization)
	if err != nil {
		return Principal{}, refused(err.Error())
	}
	from := address(ctx, proxied)
	who, err := a.verify(ctx, token, from)
	if err != nil {
		return Principal{}, err
	}
	return Principal{
		Subject:        who.subject,
		Authentication: ByOIDC,
		Address:        from,
		Grants:         policy.claimGrants(who.issuer, who.claims),
		Known:          policy.workspaces,
		Overage:        policy.overage(who.issuer, who.claims),
	}, nil
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

// certificateID returns the SPIFFE ID of the connection, or an empty string if the client
// presented no certificate.
func certificateID(ctx context.Context) (string, error) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", nil
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return "", nil
	}
	id, err := workloadID(info.State)
	if err != nil {
		return "", refused(err.Error())
	}
	return id.String(), nil
}

// address returns the client address of a request. A gateway that authenticated as a proxy, or is
// part of this process, forwards the address of its caller.
func address(ctx context.Context, proxied bool) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	if !proxied && p.Addr.Network() != inMemory {
		return p.Addr.String()
	}
	if said := metadata.ValueFromIncomingContext(ctx, AddressHeader); len(said) == 1 {
		if clean, ok := parseAddress(said[0]); ok {
			return clean
		}
	}
	return p.Addr.String()
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

// Unary is the interceptor that adds the principal to the context or refuses the request. Requests
// to open methods pass without a principal.
func (a *Authenticator) Unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if Open(info.FullMethod) {
		return handler(ctx, req)
	}
	p, err := a.Authenticate(ctx)
	if err != nil {
		return nil, err
	}
	return handler(NewContext(ctx, p), req)
}

// refused is the uniform error for all invalid credentials. The cause is for the log.
func refused(why string) *fault.Error {
	return fault.New(fault.Unauthenticated, fault.CredentialsInvalid, "the credentials are invalid").
		Because(errors.New(why))
}
