// Package verify finds out whether a host, or a URL, is in the hands of those who
// are meant to hold it: by looking for a proof that only they can have put there.
//
// There are three proofs, made of tokens (token.go):
//
//	DNS        a TXT record below the host's name   shows the host
//	File       a file below /.well-known/           shows the scheme, host and port
//	WebToken   an answer computed from a nonce      shows the URL
//
// A token belongs to a workspace and a host and to one kind of proof, so what one
// tenant publishes proves nothing for another, and a record that everyone can read
// does not give the answer to a nonce away.
//
// # Promises
//
//   - What was found is not repeated, in no answer and no log; a [Outcome] says in
//     one word what is wrong with it.
//   - HTTP goes through a [dialguard.Guard]. Redirects are not followed: who can
//     place one on a host does not therefore hold it.
//   - A web token is a secret between the workspace and the partner. It leaves this
//     package as [sensitive.Bytes] only.
//
// # Expiry
//
// A token establishes a verification in the week that it was made for and in the
// next one. A proof that was accepted stays one for the checks after that, for as
// long as it stays in place: the caller remembers its [Period].
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
	// bound is how long one look may take.
	bound = 5 * time.Second
	// maxBody is the size of the largest body that is read. All proofs are shorter.
	maxBody = 4 << 10
	// atOnce is how many looks are under way at the same time.
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

// A Subject is what is to be proven.
type Subject struct {
	// Workspace is the bare id of the workspace that the proof is for.
	Workspace string
	// Host is a DNS name in its ASCII form, or an IP address.
	Host string
	// Origin is the scheme, the host and the port, unless that is the default.
	Origin string
	// URL is the absolute URL. One that ends in `/*` is asked for without the star.
	URL string
}

// ReasonFailed is the reason of the fault for a proof that is not there or not
// right. Its metadata has the finding.
const ReasonFailed fault.Reason = "VERIFICATION_FAILED"

// An Outcome says why there is no proof.
type Outcome string

// The findings.
const (
	NotFound         Outcome = "NOT_FOUND"
	Mismatch         Outcome = "MISMATCH"
	Unreachable      Outcome = "UNREACHABLE"
	ForbiddenAddress Outcome = "FORBIDDEN_ADDRESS"
	Expired          Outcome = "EXPIRED"
)

func failed(outcome Outcome) error {
	return fault.New(fault.FailedPrecondition, ReasonFailed, "the proof of verification was not found or is not right").
		With("finding", string(outcome))
}

// Options are what a checker works with. All but Roots are required.
type Options struct {
	// Key is what all tokens are derived from. With another key they are others.
	Key [keyring.RootSize]byte
	// Guard decides which addresses are called.
	Guard *dialguard.Guard
	// Resolver looks up TXT records.
	Resolver *net.Resolver
	// Roots are the authorities of partners' certificates. Nil: the system's.
	Roots *x509.CertPool
	Now   func() time.Time
}

// A Checker makes challenges and looks for proofs. It may be used from many
// goroutines.
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

// Check looks for a proof, once, and returns the period that its token is of. A
// token of an accepted period is good whatever its age; zero accepts none beside
// those that have not expired.
//
// Without a proof it fails with VERIFICATION_FAILED and a finding; if the context
// ended, with the context's error.
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
		return 0, errors.New("look for proof: unknown method")
	}
}

// match returns the period whose token fits, the newest first.
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
