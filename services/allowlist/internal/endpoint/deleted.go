package endpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/resource"
)

// maxDeleted is how many deleted secrets wait to be looked at. What comes beyond is left
// to the next comparison.
const maxDeleted = 10_000

// An incarnation identifies a secret.
type incarnation struct{ secret, uid string }

// A deletedSecrets holds the secrets that the vault said were deleted, until the endpoints have
// been looked at.
type missing struct {
	mu      sync.Mutex
	secrets map[incarnation]bool
	kick    chan struct{} // holds one element while there are some
}

func newDeletedSecrets() *missing {
	return &missing{secrets: make(map[incarnation]bool), kick: make(chan struct{}, 1)}
}

// SecretDeleted says that a secret was deleted in the vault. It returns at once; [Registry.Run]
// switches off what refers to it. Only a super admin's force deletes what is referred to.
func (r *Registry) SecretDeleted(secret, uid string) {
	r.tombstone.mu.Lock()
	defer r.tombstone.mu.Unlock()
	if len(r.tombstone.secrets) == maxDeleted {
		return
	}
	r.tombstone.secrets[incarnation{secret, uid}] = true
	select {
	case r.tombstone.kick <- struct{}{}:
	default: // it is known
	}
}

func (g *missing) take() map[incarnation]bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	secrets := g.secrets
	g.secrets = make(map[incarnation]bool)
	return secrets
}

func (r *Registry) runDeleted(ctx context.Context, every Intervals) {
	for wait(ctx, every.Sweep, r.tombstone.kick) {
		secrets := r.tombstone.take()
		if err := r.loseAll(ctx, secrets); err != nil {
			r.logFailure(ctx, "switch off what lost its secret", err)
			for l := range secrets {
				r.SecretDeleted(l.secret, l.uid)
			}
			if !wait(ctx, every.Retry, nil) {
				return
			}
		}
	}
}

// loseAll switches the endpoints off that refer to secrets which are gone. It reads
// all endpoints of their workspaces: but secrets that were never bound, which are
// almost all that get deleted, cost one look each.
func (r *Registry) loseAll(ctx context.Context, secrets map[incarnation]bool) error {
	workspaces := make(map[string]bool)
	for l := range secrets {
		bound, err := r.wasBound(ctx, l.secret)
		if err != nil {
			return err
		}
		if workspace, _, ok := resource.Cut(l.secret, "secrets"); ok && bound {
			workspaces[workspace] = true
		}
	}
	for workspace := range workspaces {
		err := r.eachKey(ctx, endpointSpace(workspace), func(key []byte) error {
			name, err := endpointName(key)
			if err != nil {
				return err
			}
			e, err := r.present(ctx, name)
			if err != nil || e == nil {
				return err
			}
			missing := func(ref Reference) bool { return secrets[incarnation{ref.Secret, ref.UID}] }
			if !slices.ContainsFunc(e.References, missing) {
				return nil
			}
			_, err = r.switchOff(ctx, *e, secretLost, missing)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wasBound reports whether a secret may be referred to by an endpoint.
func (r *Registry) wasBound(ctx context.Context, secret string) (bool, error) {
	err := r.kv.View(ctx, func(reader kv.Reader) error {
		_, err := reader.Get(boundKey(secret))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for secret: %w", err)
	}
	return true, nil
}
