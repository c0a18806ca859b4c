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

// A secretState is what callers see of a secret. Versions are never removed.
type secretState struct {
	live, deleted bool
	current       uint32
	versions      []version
	// changes is the number of entries in its history, including earlier incarnations of its name.
	changes int
}

// A version of a secret. The number is 0 until it is known.
type version struct {
	number uint32
	state  vaultv1.VersionState
}

// last returns the number of the last version, or 0.
func (m secretState) last() uint32 {
	if len(m.versions) == 0 {
		return 0
	}
	return m.versions[len(m.versions)-1].number
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
	// values are the values of the versions of the present incarnation.
	values []string
	// restored is the last version in the backup that was last restored, or 0. The next one has a number
	// that the model does not know, from least on.
	restored, least uint32
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
	x.values, x.restored = []string{value}, 0
	next := x.now.with(func(m *secretState) {
		m.live, m.current, m.versions = true, 1, []version{{1, vaultv1.VersionState_VERSION_STATE_ENABLED}}
	})
	return apply(ctx, o, &x.subject, next, change{what: "CreateSecret", send: func(ctx context.Context, id string) error {
		_, err := o.s.owned.vault.CreateSecret(ctx, &vaultv1.CreateSecretRequest{Parent: demo, SecretId: x.id, Secret: x.message(value), RequestId: id})
		return err
	}})
}

// update adds a version, whose number must be the next one, unless it is the first after a restore.
func (x *secret) update(ctx context.Context, o *owned) bool {
	value := newValue()
	x.values = append(x.values[:len(x.now.versions)], value)
	next := x.now.with(func(m *secretState) {
		if m.current = m.last() + 1; m.last() == x.restored {
			m.current = 0
		}
		m.versions = append(m.versions, version{m.current, vaultv1.VersionState_VERSION_STATE_ENABLED})
	})
	return apply(ctx, o, &x.subject, next, change{what: "UpdateSecret", send: func(ctx context.Context, id string) error {
		got, err := o.s.owned.vault.UpdateSecret(ctx, &vaultv1.UpdateSecretRequest{Secret: x.message(value), RequestId: id})
		if err != nil {
			return err
		}
		x.learn(o, got.GetSecret().GetLatestVersion())
		if latest, want := got.GetSecret().GetLatestVersion(), x.maybe.last(); latest != want {
			o.s.t.Errorf("UpdateSecret(%s) returns version %d, want %d", x.name, latest, want)
		}
		return nil
	}})
}

// learn completes the expected state with the number of a version that was added after a restore.
func (x *secret) learn(o *owned, number uint32) {
	if len(x.maybe.versions) == 0 || x.maybe.last() != 0 {
		return
	}
	if number < x.least {
		o.s.t.Errorf("%s gets version %d after a restore, want at least %d", x.name, number, x.least)
	}
	x.maybe.current, x.maybe.versions[len(x.maybe.versions)-1].number = number, number
}

// changeVersion disables, enables, destroys, or restores a version, or adds one if it cannot.
func (x *secret) changeVersion(ctx context.Context, o *owned) bool {
	i := o.rng.IntN(len(x.now.versions))
	if x.isKey && i+4 > len(x.now.versions) { // endpoints need them
		return x.update(ctx, o)
	}
	number, state := x.now.versions[i].number, x.now.versions[i].state
	name := fmt.Sprintf("%s/versions/%d", x.name, number)
	vault := o.s.owned.vault
	set := func(to vaultv1.VersionState) secretState {
		return x.now.with(func(m *secretState) { m.versions[i].state = to })
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
	for _, v := range slices.Backward(versions.GetVersions()) {
		seen.versions = append(seen.versions, version{v.GetVersion(), v.GetState()})
	}
	if x.pending != nil && len(seen.versions) == len(x.maybe.versions) {
		x.learn(o, seen.last())
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
	for i, v := range x.now.versions {
		got, err := w.s.checker.ResolveSecret(ctx, &vaultv1.ResolveSecretRequest{Name: x.name, Uid: bound.GetBinding().GetUid(), Version: v.number})
		if (err == nil) != (v.state == vaultv1.VersionState_VERSION_STATE_ENABLED) {
			return fmt.Errorf("version %d, %v: %w", v.number, v.state, err)
		}
		if err == nil && string(got.GetValue()) != x.values[i] {
			return fmt.Errorf("version %d has another value than stored", v.number)
		}
	}
	return nil
}
