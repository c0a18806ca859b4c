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

// maxDeleted is the maximum number of deleted secrets that wait to be processed. The next
// comparison finds any others.
const maxDeleted = 10_000

// An incarnation identifies a secret.
type incarnation struct{ secret, uid string }

// A deletedSecrets holds the secrets that the vault reported as deleted, until the endpoints have
// been checked.
type deletedSecrets struct {
	mu      sync.Mutex
	secrets map[incarnation]string // the reasons, which may be empty
	kick    chan struct{}          // holds one element while secrets wait
}

func newDeletedSecrets() *deletedSecrets {
	return &deletedSecrets{secrets: make(map[incarnation]string), kick: make(chan struct{}, 1)}
}

// SecretDeleted reports that a secret was deleted in the vault, and the reason, which may be empty. It
// returns at once; [Registry.Run] switches off the endpoints that refer to the secret, which then show
// the reason. A secret that is referred to can be deleted only by force, by a super admin.
func (r *Registry) SecretDeleted(secret, uid, reason string) {
	r.tombstone.mu.Lock()
	defer r.tombstone.mu.Unlock()
	if len(r.tombstone.secrets) == maxDeleted {
		return
	}
	r.tombstone.secrets[incarnation{secret, uid}] = reason
	select {
	case r.tombstone.kick <- struct{}{}:
	default: // already signaled
	}
}

func (g *deletedSecrets) take() map[incarnation]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	secrets := g.secrets
	g.secrets = make(map[incarnation]string)
	return secrets
}

func (r *Registry) runDeleted(ctx context.Context, every Intervals) {
	for wait(ctx, every.Sweep, r.tombstone.kick) {
		secrets := r.tombstone.take()
		if err := r.loseAll(ctx, secrets); err != nil {
			r.logFailure(ctx, "switch off what lost its secret", err)
			for l, reason := range secrets {
				r.SecretDeleted(l.secret, l.uid, reason)
			}
			if !wait(ctx, every.Retry, nil) {
				return
			}
		}
	}
}

// loseAll switches off the endpoints that refer to deleted secrets. It reads all endpoints of
// their workspaces. Secrets that were never bound, which are most of the deleted ones, cost one
// read each.
func (r *Registry) loseAll(ctx context.Context, secrets map[incarnation]string) error {
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
			missing := func(ref Reference) bool {
				_, deleted := secrets[incarnation{ref.Secret, ref.UID}]
				return deleted
			}
			i := slices.IndexFunc(e.References, missing)
			if i < 0 {
				return nil
			}
			first := e.References[i]
			_, err = r.switchOff(ctx, *e, secretDeleted(secrets[incarnation{first.Secret, first.UID}]), missing)
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
		return false, fmt.Errorf("read secret: %w", err)
	}
	return true, nil
}
