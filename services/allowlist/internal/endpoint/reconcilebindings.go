package endpoint

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/allowlist/internal/vaultclient"
)

// reconcileBindings reads the bindings of all workspaces, gives up those that are not needed, and
// adds the others to held. It reads the bindings from the vault, and not the registry's own
// records of them: a store that was restored from a backup does not know them all.
func (r *Registry) reconcileBindings(ctx context.Context, found comparison, report func(Discrepancy)) error {
	workspaces, failed := r.workspaces(ctx)
	if ends(ctx, failed) {
		return failed
	}
	failures := []error{failed}
	kept := make(map[string]bool)
	for _, workspace := range workspaces {
		bindings, err := r.bindings(ctx, workspace)
		if ends(ctx, err) {
			return err
		}
		if err != nil {
			found.unknown[workspace] = true
			failures = append(failures, err)
		}
		for _, b := range bindings {
			needed, err := r.needed(ctx, b.Secret, b)
			switch {
			case err != nil:
				kept[b.Secret] = true
			case needed:
				at := grant{b.Secret, b.UID, b.Operation}
				kept[b.Secret], found.held[at], found.portless[at] = true, true, b.Port == 0
			default:
				if err = r.vault.Unbind(ctx, b.Secret, b.Operation); err == nil {
					report(Discrepancy{GivenUp, b.Secret, b.Referrer})
				}
			}
			if ends(ctx, err) {
				return err
			}
			failures = append(failures, err)
		}
	}
	return errors.Join(append(failures, r.forgetUnbound(ctx, found, kept))...)
}

// workspaces returns the workspaces of all endpoints, of all secrets that were ever bound, and of
// the vault, as `workspaces/{workspace}`. A vault that was restored from a backup may have
// bindings in a workspace that is empty by now.
func (r *Registry) workspaces(ctx context.Context) ([]string, error) {
	seen := make(map[string]bool)
	theirs, err := r.vault.Workspaces(ctx)
	for _, workspace := range theirs {
		seen[workspace] = true
	}
	endpoints := r.eachKey(ctx, allEndpoints(), func(key []byte) error {
		name, err := endpointName(key)
		if err == nil {
			seen[name.Parent()] = true
		}
		return err
	})
	bound := r.eachKey(ctx, boundSpace(), func(key []byte) error {
		secret, err := lastText(boundSpace(), key)
		if err == nil {
			seen[workspaceOf(secret)] = true
		}
		return err
	})
	return slices.Sorted(maps.Keys(seen)), errors.Join(err, endpoints, bound)
}

// workspaceOf returns the workspace of a secret, as `workspaces/{workspace}`.
func workspaceOf(secret string) string {
	workspace, _, _ := strings.Cut(secret, "/secrets/")
	return workspace
}

// forgetUnbound removes secrets without bindings from the list of bound secrets.
func (r *Registry) forgetUnbound(ctx context.Context, found comparison, kept map[string]bool) error {
	return r.eachKey(ctx, boundSpace(), func(key []byte) error {
		secret, err := lastText(boundSpace(), key)
		if err != nil || kept[secret] || found.unknown[workspaceOf(secret)] {
			return err
		}
		return r.forget(ctx, secret)
	})
}

// needed reports whether an intent, the queue, or the referrer still needs a binding.
func (r *Registry) needed(ctx context.Context, secret string, b vaultclient.Binding) (bool, error) {
	name, err := ParseName(b.Referrer)
	if err != nil {
		return false, nil //nolint:nilerr // only endpoints need bindings
	}
	needed := false
	err = r.kv.View(ctx, func(reader kv.Reader) error {
		e, err := r.lookUp(reader, name)
		if err == nil {
			needed, err = neededBy(reader, e, grant{secret, b.UID, b.Operation})
		}
		return err
	})
	return needed, err
}

// neededBy is [Registry.needed] for the referrer, which is nil if it does not exist.
func neededBy(reader kv.Reader, e *Endpoint, bound grant) (bool, error) {
	if e != nil && e.Operation == bound.operation && e.SecretUID(bound.secret) == bound.uid {
		return true, nil
	}
	for _, key := range []kv.Key{intentKey(bound.operation), unbindKey(bound.operation)} {
		if _, err := reader.Get(key); err == nil {
			return true, nil
		} else if !errors.Is(err, kv.ErrNotFound) {
			return false, fmt.Errorf("read intent or unbinding: %w", err)
		}
	}
	return false, nil
}

// forget removes a secret without bindings from the list to reconcile, unless a new intent is
// about to bind it.
func (r *Registry) forget(ctx context.Context, secret string) error {
	return r.kv.Update(ctx, func(tx kv.Tx) error {
		seen := 0
		for pair, err := range tx.Scan(kv.Prefix(intentSpace(), batch)) {
			if err != nil {
				return fmt.Errorf("scan intents: %w", err)
			}
			i, err := decodeIntent(pair.Value)
			if err != nil || slices.Contains(i.Secrets, secret) {
				return err
			}
			if seen++; seen == batch {
				return nil // the store is busy; the next comparison may forget it
			}
		}
		return tx.Delete(boundKey(secret))
	})
}
