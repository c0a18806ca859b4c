package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/dialguard"
)

// A Verdict says whether something may be talked to, or why not.
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

// A Question is whether a method and URL may be talked to.
type Question struct {
	Workspace, Method, URL string
	// Serves, if not nil, are the ids of the only endpoints that the caller may use.
	Serves []string
	// Resolve asks for the addresses that may be connected to.
	Resolve bool
}

// An Answer is what was found.
type Answer struct {
	Verdict Verdict
	// Endpoint is the most specific endpoint that the URL is of; the zero Name for none.
	Endpoint Name
	// URL is the URL as it was compared; the zero URL if it is none.
	URL URL
	// Addresses are those that passed the guard.
	Addresses []netip.Addr
}

// Check tells whether a method and URL may be talked to, and by which endpoint. A
// URL is of the endpoint with the same URL, or else of the one with the longest path
// that ends in `/*` and holds it. Several endpoints may have one URL; then the
// first, by name, that allows the request speaks for them.
//
// What is found in memory counts only if the store agrees. Check fails with
// CONTENTION where changes keep coming in between. A host is resolved for what is
// allowed only, so that nobody can have names looked up that are no partner's.
func (r *Registry) Check(ctx context.Context, q Question) (Answer, error) {
	url, err := ParseTarget(q.URL)
	if err != nil {
		return Answer{Verdict: InvalidURL}, nil //nolint:nilerr // the verdict is the answer
	}
	for _, name := range r.matches.late() {
		if err := r.followMatch(ctx, name); err != nil {
			return Answer{}, err
		}
	}
	const attempts = 5
	for range attempts {
		id, seen, verdict := r.matches.find(q.Workspace, url, q.Method, q.Serves)
		a := Answer{Verdict: verdict, URL: url}
		if id == "" {
			return a, nil
		}
		a.Endpoint = Name{Workspace: q.Workspace, ID: id}
		if agrees, err := r.agrees(ctx, a.Endpoint, seen); err != nil {
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

// agrees reports whether the store knows an endpoint as the matcher does.
func (r *Registry) agrees(ctx context.Context, name Name, seen facts) (bool, error) {
	e, err := r.present(ctx, name)
	if err != nil || e == nil {
		return false, err
	}
	now := factsOf(*e)
	return now.url == seen.url && now.active == seen.active && slices.Equal(now.methods, seen.methods), nil
}

// present returns an endpoint, or nil if it is not there.
func (r *Registry) present(ctx context.Context, name Name) (*Endpoint, error) {
	var e *Endpoint
	err := r.kv.View(ctx, func(reader kv.Reader) (err error) {
		e, err = find(reader, name)
		return err
	})
	return e, err
}

// followMatch makes the matcher, and what is known of unsafe choices, agree with the
// store about a name.
func (r *Registry) followMatch(ctx context.Context, name Name) error {
	err := r.matches.set(name, func() (*Endpoint, error) {
		e, err := r.present(ctx, name)
		if err == nil {
			r.sharing.set(name, e)
			r.differs.changed()
			r.legacy.set(name, e) // one at a time, as the matcher: the newest look wins
		}
		return e, err
	})
	if err != nil {
		return fmt.Errorf("look at what changed: %w", err)
	}
	return nil
}

// withAddresses adds to an answer the addresses that may be connected to, if it was
// asked for them and there is something to allow.
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
