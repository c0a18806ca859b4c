// Package cases has the calls that the benchmark measures, and the secrets and endpoints that they
// need.
package cases

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// ValueSize is the size of the value of a secret in bytes.
const ValueSize = 256

const (
	// fillers is the number of callers that fill a store.
	fillers = 256
	// maxBound is the number of secrets that can be resolved.
	maxBound = 1000
	// maxActive is the number of endpoints that are active, in addition to the one for messages.
	maxActive = 1000
)

// A World is a site with content.
type World struct {
	site               *site.Site
	secrets, endpoints int
	bound              []rows.Secret // the secrets that can be resolved
	created            atomic.Uint64 // by the case CreateSecret

	Owner, Sender, Resolver site.Caller
	admin                   site.Caller
}

// New returns the world of a site that has, or will have, some secrets and endpoints.
func New(s *site.Site, secrets, endpoints int) (w *World, err error) {
	w = &World{site: s, secrets: secrets, endpoints: endpoints}
	// IDs of a store that is used again must not repeat.
	w.created.Store(uint64(time.Now().UnixNano()))
	var errs [4]error
	w.Owner, errs[0] = s.Owner()
	w.admin, errs[1] = s.Admin()
	w.Sender, errs[2] = s.Sender()
	w.Resolver, errs[3] = s.Resolver()
	return w, errors.Join(errs[:]...)
}

// dial connects to a program several times, which spreads the work of the client.
func (w *World) dial(name string, caller site.Caller) (conn *grpc.ClientConn, err error) {
	return site.Dial(w.site.Address(name), caller.TLS, caller.Token)
}

// each calls do for the numbers from 0 to n with many callers at the same time.
func each(ctx context.Context, n int, do func(context.Context, int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(fillers, n) {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
