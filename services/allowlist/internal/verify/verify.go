// Package verify checks whether a partner controls a host or a URL, by looking for a proof that
// only the partner can have published.
//
// There are three kinds of proof, made of tokens (token.go):
//
//	DNS        a TXT record below the host's name   proves the host
//	File       a file below /.well-known/           proves the scheme, host, and port
//	WebToken   a response computed from a nonce     proves the URL
//
// A token belongs to a workspace, a host, and one kind of proof. So the proof of one tenant proves
// nothing for another, and a public record does not reveal the response to a nonce.
//
// # Promises
//
//   - Data that was found is never repeated in a response or log; an [Outcome]
//     says in one word what is wrong with it.
//   - HTTP goes through a [dialguard.Guard]. Redirects are not followed: a party
//     that can place a redirect on a host does not necessarily control the host.
//   - A web token is a secret between the workspace and the partner. It leaves
//     this package only as [sensitive.Bytes].
//
// # Expiry
//
// A token can establish a verification in the week that it was created for and in the next one. A
// proof that was accepted stays valid for later checks as long as it stays in place: the caller
// remembers its [Period].
package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

const (
	// bound is the maximum time of one check.
	bound = 5 * time.Second
	// maxBody is the maximum size of a body in bytes. All proofs are shorter.
	maxBody = 4 << 10
	// atOnce is the maximum number of concurrent checks.
	atOnce = 32
)

// A Method is a kind of proof.
type Method string

// The methods, as stored.
const (
	DNS      Method = "dns"
	File     Method = "file"
	WebToken Method = "web_token"
)

// A Subject is the workspace and the URL that a proof is for.
type Subject struct {
	// Workspace is the ID of the workspace, without its collection.
	Workspace string
	// Host is a DNS name in its ASCII form, or an IP address.
	Host string
	// Origin is the scheme, the host, and the port, unless that is the default.
	Origin string
	// URL is the absolute URL. If it ends in `/*`, the request omits the star.
	URL string
}

// ReasonFailed is the reason of the fault for a missing or wrong proof. Its metadata has the
// outcome.
const ReasonFailed fault.Reason = "VERIFICATION_FAILED"

// An Outcome says why a check failed.
type Outcome string

// The outcomes.
const (
	NotFound         Outcome = "NOT_FOUND"
	Mismatch         Outcome = "MISMATCH"
	Unreachable      Outcome = "UNREACHABLE"
	ForbiddenAddress Outcome = "FORBIDDEN_ADDRESS"
	Expired          Outcome = "EXPIRED"
)

func failed(outcome Outcome) error {
	return fault.New(fault.FailedPrecondition, ReasonFailed, "the proof of verification was not found or is wrong").
		With("finding", string(outcome))
}

// Options are the dependencies and settings of a checker. All except Roots are required.
type Options struct {
	// Key is the key from which all tokens are derived. Another key changes them all.
	Key [keyring.RootSize]byte
	// Guard decides which addresses may be called.
	Guard *dialguard.Guard
	// Resolver looks up TXT records.
	Resolver *net.Resolver
	// Roots are the authorities of partners' certificates. If nil, those of the system are used.
	Roots *x509.CertPool
	Now   func() time.Time
}

// A Checker creates challenges and checks proofs. It is safe for concurrent use.
type Checker struct {
	tokens   tokens
	resolver *net.Resolver
	client   *http.Client
	now      func() time.Time
	slots    chan struct{}
}

// NewChecker returns a checker.
func NewChecker(o Options) *Checker {
	return &Checker{
		tokens: tokens{key: o.Key}, resolver: o.Resolver, now: o.Now, slots: make(chan struct{}, atOnce),
		client: o.Guard.HTTPClient(dialguard.HTTPOptions{Roots: o.Roots, Timeout: bound, MaxBody: maxBody}),
	}
}

// Check checks a proof once, and returns the period of its token. A token of the accepted period
// is valid whatever its age; if accepted is zero, only tokens that have not expired are valid.
//
// Without a proof, it fails with VERIFICATION_FAILED and an outcome; if the context ended, with
// the context's error.
func (c *Checker) Check(ctx context.Context, method Method, s Subject, accepted Period) (Period, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	period, err := c.check(ctx, method, s, accepted)
	if err != nil && ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return period, err
}

func (c *Checker) check(ctx context.Context, method Method, s Subject, accepted Period) (Period, error) {
	switch method {
	case DNS:
		return c.checkDNS(ctx, s, accepted)
	case File:
		return c.checkFile(ctx, s, accepted)
	case WebToken:
		return c.checkWeb(ctx, s, accepted)
	default:
		return 0, errors.New("check proof: unknown method")
	}
}

// match returns the newest period whose token fits.
func (c *Checker) match(accepted Period, fits func(Period) bool) (Period, error) {
	now := periodOf(c.now())
	for _, p := range []Period{now, now - 1, accepted} {
		if p > 0 && fits(p) {
			return p, nil
		}
	}
	for p := now - 2; p >= max(now-remembered, 1); p-- {
		if fits(p) {
			return 0, failed(Expired)
		}
	}
	return 0, failed(Mismatch)
}
