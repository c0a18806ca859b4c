package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// A Verdict says whether a request is allowed, or why not.
type Verdict string

// The verdicts; CheckUrlResponse of the contract explains them.
const (
	Allowed          Verdict = "ALLOWED"
	NoEndpoint       Verdict = "NO_ENDPOINT"
	MethodNotAllowed Verdict = "METHOD_NOT_ALLOWED"
	NotActive        Verdict = "NOT_ACTIVE"
	InvalidURL       Verdict = "INVALID_URL"
	ForbiddenAddress Verdict = "FORBIDDEN_ADDRESS"
	Unresolved       Verdict = "UNRESOLVED"
	NotServed        Verdict = "NOT_SERVED"
)

// A Question asks whether a request with a method and URL is allowed.
type Question struct {
	Workspace, Method, URL string
	// Serves, if not nil, holds the IDs of the only endpoints that the caller may use.
	Serves []string
	// Resolve asks for the addresses that the caller may connect to.
	Resolve bool
}

// An Answer is the result of a check.
type Answer struct {
	Verdict Verdict
	// Endpoint is the most specific endpoint that matches the URL, or the zero Name.
	Endpoint Name
	// URL is the normalized URL that was compared, or the zero URL if the URL is invalid.
	URL URL
	// Addresses are those that passed the guard.
	Addresses []netip.Addr
}

// Check reports whether a request with a method and URL is allowed, and by which endpoint. A URL
// matches the endpoint with the same URL, or else the endpoint with the longest path that ends in
// `/*` and covers it. If several endpoints have that URL, the first one by name that allows the
// request decides.
//
// While an endpoint is being changed, and at its first use, a match in memory counts only if the
// store agrees. Check fails with CONTENTION if changes keep interfering. It resolves hosts only of allowed requests, so that callers cannot have arbitrary
// names looked up.
func (r *Registry) Check(ctx context.Context, q Question) (Answer, error) {
	url, err := ParseTarget(q.URL)
	if err != nil {
		return Answer{Verdict: InvalidURL}, nil //nolint:nilerr // the answer is the verdict
	}
	for _, name := range r.matches.late() {
		if err := r.followMatch(ctx, name); err != nil {
			return Answer{}, err
		}
	}
	const attempts = 5
	for range attempts {
		m := r.matches.find(q.Workspace, url, q.Method, q.Serves)
		a := Answer{Verdict: m.verdict, URL: url}
		if m.id == "" {
			return a, nil
		}
		a.Endpoint = Name{Workspace: q.Workspace, ID: m.id}
		if agrees, err := r.agrees(ctx, a.Endpoint, m); err != nil {
			return Answer{}, err
		} else if agrees {
			return r.withAddresses(ctx, q, a)
		}
		if err := r.followMatch(ctx, a.Endpoint); err != nil {
			return Answer{}, err
		}
	}
	return Answer{}, contention()
}

// agrees reports whether the store and a match agree about an endpoint. It reads the store unless
// the match is settled, and decodes the stored record only if that has changed since the matcher
// read it.
func (r *Registry) agrees(ctx context.Context, name Name, seen match) (bool, error) {
	if seen.settled {
		return true, nil
	}
	record, err := r.record(ctx, name, endpointKey(name), nil)
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case r.matches.sum(record) == seen.facts.sum:
		seen.facts.compared.Store(true) // by record
		return true, nil
	}
	e, err := decodeEndpoint(name, record)
	if err != nil {
		return false, err
	}
	return seen.facts.equal(factsOf(e, 0)), nil
}

// present returns an endpoint, or nil if it does not exist.
func (r *Registry) present(ctx context.Context, name Name) (*Endpoint, error) {
	var e *Endpoint
	err := r.kv.View(ctx, func(reader kv.Reader) (err error) {
		e, err = r.lookUp(reader, name)
		return err
	})
	return e, err
}

// followMatch updates the matcher and the indexes that are updated with it from the store for one
// name.
func (r *Registry) followMatch(ctx context.Context, name Name) error {
	err := r.matches.set(name, func() (*facts, error) {
		record, err := r.record(ctx, name, endpointKey(name), nil)
		if errors.Is(err, kv.ErrNotFound) {
			r.followed(name, nil)
			return nil, nil //nolint:nilnil // nil means that the endpoint does not exist
		}
		if err != nil {
			return nil, err
		}
		e, err := decodeEndpoint(name, record)
		if err != nil {
			return nil, err
		}
		r.followed(name, &e)
		f := factsOf(e, r.matches.sum(record))
		f.compared.Store(true) // by record
		return f, nil
	})
	if err != nil {
		return fmt.Errorf("read changed endpoint: %w", err)
	}
	return nil
}

// followed updates the other indexes, one name at a time like the matcher: the newest state wins.
func (r *Registry) followed(name Name, e *Endpoint) {
	r.sharing.set(name, e)
	r.differs.changed()
	r.legacy.set(name, e)
	r.degraded.set(name, e)
}

// withAddresses adds the addresses that the caller may connect to, if the question asks for them
// and the request is allowed.
func (r *Registry) withAddresses(ctx context.Context, q Question, a Answer) (Answer, error) {
	if !q.Resolve || a.Verdict != Allowed {
		return a, nil
	}
	addresses, err := r.guard.Resolve(ctx, a.URL.Host())
	switch {
	case errors.Is(err, dialguard.ErrForbidden):
		a.Verdict = ForbiddenAddress
	case errors.Is(err, dialguard.ErrUnresolved):
		a.Verdict = Unresolved
	case err != nil:
		return Answer{}, fmt.Errorf("resolve host: %w", err)
	default:
		a.Addresses = addresses
	}
	return a, nil
}
