//go:build torture

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const demo = "workspaces/demo"

// A secretState is what callers see of a secret. Versions are never removed, so the number of a version
// is its index plus one.
type secretState struct {
	live, deleted bool
	current       uint32
	versions      []vaultv1.VersionState
	// changes is the number of entries in its history, including earlier incarnations of its name.
	changes int
}

func (m secretState) with(edit func(*secretState)) secretState {
	m.versions = slices.Clone(m.versions)
	edit(&m)
	m.changes++
	return m
}

// A secret of the load.
type secret struct {
	subject[secretState]
	id    string
	isKey bool
	// values are the values of the present incarnation, by version.
	values []string
}

func newSecret(id string, isKey bool) *secret {
	return &secret{subject: subject[secretState]{name: demo + "/secrets/" + id}, id: id, isKey: isKey}
}

// message returns the secret with a value.
func (x *secret) message(value string) *vaultv1.Secret {
	m := &vaultv1.Secret{Name: x.name, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}}}
	if m.Usage = vaultv1.Usage_USAGE_KEY; !x.isKey {
		m.Usage = vaultv1.Usage_USAGE_PARAMETER
	}
	return m
}

func newValue() string {
	value := make([]byte, 32)
	_, _ = rand.Read(value)
	return hex.EncodeToString(value)
}

// create stores the first version.
func (x *secret) create(ctx context.Context, o *owned) bool {
	value := newValue()
	x.values = []string{value}
	next := x.now.with(func(m *secretState) {
		m.live, m.current, m.versions = true, 1, []vaultv1.VersionState{vaultv1.VersionState_VERSION_STATE_ENABLED}
	})
	return apply(ctx, o, &x.subject, next, change{what: "CreateSecret", send: func(ctx context.Context, id string) error {
		_, err := o.s.owned.vault.CreateSecret(ctx, &vaultv1.CreateSecretRequest{Parent: demo, SecretId: x.id, Secret: x.message(value), RequestId: id})
		return err
	}})
}

// update adds a version, whose number must be the next one.
func (x *secret) update(ctx context.Context, o *owned) bool {
	value := newValue()
	number := uint32(len(x.now.versions)) + 1
	x.values = append(x.values[:number-1], value)
	next := x.now.with(func(m *secretState) {
		m.current, m.versions = number, append(m.versions, vaultv1.VersionState_VERSION_STATE_ENABLED)
	})
	return apply(ctx, o, &x.subject, next, change{what: "UpdateSecret", send: func(ctx context.Context, id string) error {
		got, err := o.s.owned.vault.UpdateSecret(ctx, &vaultv1.UpdateSecretRequest{Secret: x.message(value), RequestId: id})
		if latest := got.GetSecret().GetLatestVersion(); err == nil && latest != number {
			o.s.t.Errorf("UpdateSecret(%s) returns version %d, want %d", x.name, latest, number)
		}
		return err
	}})
}

// changeVersion disables, enables, destroys, or restores a version, or adds one if it cannot.
func (x *secret) changeVersion(ctx context.Context, o *owned) bool {
	number := uint32(o.rng.IntN(len(x.now.versions)) + 1)
	if x.isKey && number+3 > x.now.current { // endpoints need them
		return x.update(ctx, o)
	}
	name := fmt.Sprintf("%s/versions/%d", x.name, number)
	vault := o.s.owned.vault
	state := x.now.versions[number-1]
	set := func(to vaultv1.VersionState) secretState {
		return x.now.with(func(m *secretState) { m.versions[number-1] = to })
	}
	switch {
	case state == vaultv1.VersionState_VERSION_STATE_DISABLED:
		return apply(ctx, o, &x.subject, set(vaultv1.VersionState_VERSION_STATE_ENABLED), change{what: "EnableSecretVersion", send: func(ctx context.Context, id string) error {
			_, err := vault.EnableSecretVersion(ctx, &vaultv1.EnableSecretVersionRequest{Name: name, RequestId: id})
			return err
		}})
	case state == vaultv1.VersionState_VERSION_STATE_ENABLED && o.rng.IntN(2) == 0:
		return apply(ctx, o, &x.subject, set(vaultv1.VersionState_VERSION_STATE_DISABLED), change{what: "DisableSecretVersion", send: func(ctx context.Context, id string) error {
			_, err := vault.DisableSecretVersion(ctx, &vaultv1.DisableSecretVersionRequest{Name: name, RequestId: id})
			return err
		}})
	case state == vaultv1.VersionState_VERSION_STATE_ENABLED && number != x.now.current && !x.isKey && o.rng.IntN(2) == 0:
		next := x.now.with(func(m *secretState) { m.current = number })
		return apply(ctx, o, &x.subject, next, change{what: "RestoreSecretVersion", send: func(ctx context.Context, id string) error {
			_, err := vault.RestoreSecretVersion(ctx, &vaultv1.RestoreSecretVersionRequest{Name: name, RequestId: id})
			return err
		}})
	case state == vaultv1.VersionState_VERSION_STATE_ENABLED && number != x.now.current:
		return apply(ctx, o, &x.subject, set(vaultv1.VersionState_VERSION_STATE_DESTROYED), change{what: "DestroySecretVersion", send: func(ctx context.Context, id string) error {
			_, err := vault.DestroySecretVersion(ctx, &vaultv1.DestroySecretVersionRequest{Name: name, RequestId: id, Force: true, Reason: "a test"})
			return err
		}})
	}
	return x.update(ctx, o)
}

// remove deletes the secret, or purges it if it is deleted.
func (x *secret) remove(ctx context.Context, o *owned) bool {
	if !x.now.deleted {
		next := x.now.with(func(m *secretState) { m.live, m.deleted = false, true })
		return apply(ctx, o, &x.subject, next, change{what: "DeleteSecret", send: func(ctx context.Context, id string) error {
			_, err := o.s.owned.vault.DeleteSecret(ctx, &vaultv1.DeleteSecretRequest{Name: x.name, RequestId: id})
			return err
		}})
	}
	next := secretState{changes: x.now.changes + 1}
	return apply(ctx, o, &x.subject, next, change{what: "DeleteSecret for good", send: func(ctx context.Context, id string) error {
		_, err := o.s.super.vault.DeleteSecret(ctx, &vaultv1.DeleteSecretRequest{Name: x.name, RequestId: id, Force: true, Reason: "a test"})
		return err
	}})
}

func (x *secret) undelete(ctx context.Context, o *owned) bool {
	next := x.now.with(func(m *secretState) { m.live, m.deleted = true, false })
	return apply(ctx, o, &x.subject, next, change{what: "UndeleteSecret", send: func(ctx context.Context, id string) error {
		_, err := o.s.owned.vault.UndeleteSecret(ctx, &vaultv1.UndeleteSecretRequest{Name: x.name, RequestId: id})
		return err
	}})
}

// observe returns what callers see of a secret.
func (x *secret) observe(ctx context.Context, o *owned) (seen secretState, err error) {
	vault := o.s.owned.vault
	history, err := vault.ListSecretHistory(ctx, &vaultv1.ListSecretHistoryRequest{Name: x.name, PageSize: 1000})
	if err != nil {
		return seen, err
	}
	for _, entry := range history.GetChanges() {
		switch entry.GetAction() {
		case vaultv1.SecretChange_ACTION_BOUND, vaultv1.SecretChange_ACTION_UNBOUND, vaultv1.SecretChange_ACTION_PURPOSE_SEALED:
		default:
			seen.changes++
		}
	}
	got, err := vault.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: x.name})
	if status.Code(err) == codes.NotFound {
		return seen, nil
	}
	if err != nil {
		return seen, err
	}
	seen.deleted = got.GetSecret().GetDeleteTime() != nil
	seen.live, seen.current = !seen.deleted, got.GetSecret().GetCurrentVersion()
	if seen.deleted {
		// The versions cannot be listed, so they are taken from the model until the secret is back.
		seen.versions = x.now.versions
		return seen, nil
	}
	versions, err := vault.ListSecretVersions(ctx, &vaultv1.ListSecretVersionsRequest{Parent: x.name, PageSize: 1000})
	if err != nil {
		return seen, err
	}
	for _, version := range slices.Backward(versions.GetVersions()) {
		seen.versions = append(seen.versions, version.GetState())
	}
	return seen, nil
}

// A secretOwner changes secrets that nothing refers to.
type secretOwner struct {
	owned
	secrets []*secret
}

func (w *secretOwner) work(ctx context.Context) bool {
	x := pick(w.rng, w.secrets)
	if x.pending != nil {
		return false
	}
	switch dice := w.rng.IntN(100); {
	case x.now.deleted && dice < 60:
		return x.undelete(ctx, &w.owned)
	case x.now.deleted:
		return x.remove(ctx, &w.owned)
	case !x.now.live:
		return x.create(ctx, &w.owned)
	case dice < 12 || len(x.now.versions) > 10:
		return x.remove(ctx, &w.owned)
	case dice < 60:
		return x.changeVersion(ctx, &w.owned)
	default:
		return x.update(ctx, &w.owned)
	}
}

// inspect compares a secret and its values with the model.
func (w *secretOwner) inspect(ctx context.Context, x *secret, round int) {
	seen, err := x.observe(ctx, &w.owned)
	if err != nil {
		w.s.t.Errorf("observe %s: %v", x.name, err)
		return
	}
	if x.see(&w.owned, seen); !x.now.live {
		return
	}
	if err := w.resolve(ctx, x, round); err != nil {
		w.s.t.Errorf("resolve %s: %v", x.name, err)
	}
}

// resolve compares the values of the versions, as a workload that holds a binding.
func (w *secretOwner) resolve(ctx context.Context, x *secret, round int) (err error) {
	operation := fmt.Sprintf("check-%s-%d-%d", x.id, round, w.s.run.rounds)
	bound, err := w.s.checker.BindSecret(ctx, &vaultv1.BindSecretRequest{
		Name: x.name, Usage: vaultv1.Usage_USAGE_PARAMETER, Referrer: demo + "/endpoints/checker", OperationId: operation,
	})
	if err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	defer func() {
		if _, failed := w.s.checker.UnbindSecret(ctx, &vaultv1.UnbindSecretRequest{Name: x.name, OperationId: operation}); failed != nil {
			err = fmt.Errorf("unbind: %w", failed)
		}
	}()
	for i, state := range x.now.versions {
		got, err := w.s.checker.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{Name: x.name, Uid: bound.GetBinding().GetUid(), Version: uint32(i + 1)})
		if (err == nil) != (state == vaultv1.VersionState_VERSION_STATE_ENABLED) {
			return fmt.Errorf("version %d, %v: %w", i+1, state, err)
		}
		if err == nil && string(got.GetValue()) != x.values[i] {
			return fmt.Errorf("version %d has another value than stored", i+1)
		}
	}
	return nil
}
