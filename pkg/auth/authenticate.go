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

// AddressHeader is the metadata in which a gateway says where a request came
// from. From anybody else it is ignored.
const AddressHeader = "x-keyward-client-address"

const (
	defaultCacheSize = 10_000
	// cacheTime is how long a verified token is remembered at most.
	cacheTime = 5 * time.Minute
	// inMemory is the network of connections within the process.
	inMemory = "bufconn"
)

// A Config is what an [Authenticator] believes.
type Config struct {
	// Issuers are those whose tokens are believed.
	Issuers []IssuerConfig
	// Policies holds the policy of the moment. Required.
	Policies *Policies
	// CacheSize is how many verified tokens are remembered. Default 10,000.
	CacheSize int
	// Failures, if not nil, limits how many credentials that do not verify are
	// looked at for one address.
	Failures *quota.Limiter
	// Now tells the time. Default time.Now.
	Now func() time.Time
}

// An Authenticator finds out who a request comes from. It may be used by many
// goroutines.
type Authenticator struct {
	issuers  map[string]*issuer
	policies *Policies
	verified *lru.Cache[[sha256.Size]byte, remembered]
	failures *quota.Limiter
	now      func() time.Time
}

// remembered is a verified token, and until when that is worth something, unless it
// ends before.
type remembered struct {
	who   *identity
	until time.Time
}

// NewAuthenticator returns an authenticator. It does not call the issuers, which
// need not be up yet.
func NewAuthenticator(cfg Config) (*Authenticator, error) {
	a := &Authenticator{issuers: make(map[string]*issuer), policies: cfg.Policies, failures: cfg.Failures, now: cfg.Now}
	if a.now == nil {
		a.now = time.Now
	}
	if a.policies == nil {
		return nil, errors.New("make authenticator: there is no policy")
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
			return nil, fmt.Errorf("configure issuers[%d]: there is another of this URL", n)
		}
		i, err := newIssuer(issuerCfg, a.now)
		if err != nil {
			return nil, fmt.Errorf("configure issuers[%d]: %w", n, err)
		}
		a.issuers[issuerCfg.URL] = i
	}
	return a, nil
}

// Authenticate returns who the request comes from, with what the policy grants
// them now, which may be nothing. A request without credentials fails with
// CREDENTIALS_MISSING; one with credentials that do not verify, or with more
// than one, with CREDENTIALS_INVALID. Why is for the log and does not quote them.
// An address that sent too many such is refused with RATE_LIMITED for a while.
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
		return Principal{}, refused("there are both a certificate and a token")
	case certificate != "" && !proxied:
		return Principal{
			Subject:        certificate,
			Authentication: ByMTLS,
			Address:        address(ctx, false),
			Grants:         policy.certificateGrants(certificate),
			Known:          policy.workspaces,
		}, nil
	case len(authorization) == 0:
		return Principal{}, fault.New(fault.Unauthenticated, fault.CredentialsMissing, "the request carries no credentials")
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

// verify returns who a token is for. It remembers tokens it has verified, never
// those it has refused.
func (a *Authenticator) verify(ctx context.Context, token, from string) (*identity, error) {
	hash := sha256.Sum256([]byte(token))
	// The token's end is looked at each time. The time until which it is remembered
	// goes by the monotonic clock, which stands still while a machine sleeps.
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

// inspect returns who a token is for, from nothing but the token.
func (a *Authenticator) inspect(ctx context.Context, token string) (*identity, error) {
	p, err := previewToken(token)
	if err != nil {
		return nil, refused(err.Error())
	}
	i := a.issuers[p.issuer]
	if i == nil {
		return nil, refused("the token is of an issuer that is not configured")
	}
	return i.verify(ctx, token, p)
}

// certificateID returns the SPIFFE id that the connection was made with, or
// nothing if the client showed no certificate.
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

// address returns where a request came from. A gateway says it of those it
// speaks for, if it authenticated as a proxy or is part of this process.
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

// parseAddress reads an IP address with or without a port. It is going to be
// logged, so it must be that and no more: a zone could be any text.
func parseAddress(s string) (string, bool) {
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return a.String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil && a.Addr().Zone() == "" {
		return a.String(), true
	}
	return "", false
}

// Unary is the interceptor that puts the principal into the context, or refuses
// the request. Open methods pass without a principal.
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

// refused is the one answer to all bad credentials. Why is for the log.
func refused(why string) *fault.Error {
	return fault.New(fault.Unauthenticated, fault.CredentialsInvalid, "the credentials are not accepted").
		Because(errors.New(why))
}
