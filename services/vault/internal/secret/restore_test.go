package secret_test

import (
	"context"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// A preempted store runs a function before the next transaction, after all that the operation read
// before.
type preempted struct {
	kv.Store

	before func()
}

func (s *preempted) Update(ctx context.Context, fn func(kv.Tx) error) error {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
	return s.Store.Update(ctx, fn)
}

// preempted inserts a store under the fixture, which has no background from then on.
func (f *fixture) preempted(t testing.TB) *preempted {
	t.Helper()
	f.Close()
	s := &preempted{Store: f.kv}
	f.kv = s
	f.Store = f.open(t)
	f.Close()
	return s
}

func (f *fixture) beginRestore(t testing.TB) {
	t.Helper()
	if _, err := f.Restores().Begin(t.Context(), changelog.Author{Reason: "r"}); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) release(t testing.TB) {
	t.Helper()
	if _, err := f.Restores().Release(t.Context(), changelog.Author{Reason: "r"}); err != nil {
		t.Fatal(err)
	}
}

// hasRow reports whether a secret has a row, even if it is deleted.
func (f *fixture) hasRow(t testing.TB, id string) bool {
	t.Helper()
	err := f.kv.View(t.Context(), func(r kv.Reader) error {
		_, err := r.Get(secret.SecretKey(name(id)))
		return err
	})
	return err == nil
}

func TestAnEventThatCommitsBeforeAChangeHoldsIt(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "bound", "b")
	if err := f.bindFor(t, "bound", "op", gcm); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"deleted", "forced", "purged", "destroyed", "new"} {
		f.create(t, id, "the value of "+id)
	}
	f.delete(t, "purged", false)
	f.sealedFor(t, "sealed", "a key, long enough", gcm)
	f.createCredential(t, "token", "a.example", "b.example")
	f.createCredential(t, "tokens", "a.example")
	wider := []string{"a.example", "c.example"}
	if _, err := f.Update(t.Context(), secret.Call{}, name("tokens"), secret.Change{Value: value(t, "next"), AllowedHosts: &wider}); err != nil {
		t.Fatal(err)
	}
	store := f.preempted(t)
	first := func(id string) secret.VersionName { return name(id).Version(1) }
	pinning := useFor("bound", "op", gcm)
	pinning.Version = 1
	for what, change := range map[string]func(context.Context) error{
		"Delete": func(ctx context.Context) error {
			return f.Delete(ctx, secret.Call{}, name("deleted"), secret.Deletion{})
		},
		"a forced Delete": func(ctx context.Context) error {
			return f.Delete(ctx, secret.Call{}, name("forced"), secret.Deletion{Force: true})
		},
		"a forced Delete of a deleted secret": func(ctx context.Context) error {
			return f.Delete(ctx, secret.Call{}, name("purged"), secret.Deletion{Force: true})
		},
		"Destroy": func(ctx context.Context) error {
			_, err := f.Destroy(ctx, secret.Call{}, first("destroyed"), secret.Deletion{Force: true})
			return err
		},
		"ReplacePurpose": func(ctx context.Context) error {
			_, err := f.ReplacePurpose(ctx, secret.Call{}, name("sealed"), "", []string{cbc}, nil)
			return err
		},
		"SetSealing": func(ctx context.Context) error {
			_, err := f.SetSealing(ctx, secret.Call{}, "acme", secret.SealingChange{Required: true})
			return err
		},
		"Bind": func(ctx context.Context) error {
			_, _, err := f.Bind(ctx, secret.Call{}, name("new"), "allowlist", useFor("e", "op", gcm))
			return err
		},
		"a Bind that adds a version": func(ctx context.Context) error {
			_, _, err := f.Bind(ctx, secret.Call{}, name("bound"), "allowlist", pinning)
			return err
		},
		"an Update that removes a host": func(ctx context.Context) error {
			_, err := f.Update(ctx, secret.Call{}, name("token"), secret.Change{AllowedHosts: &[]string{"a.example"}})
			return err
		},
		"Restore of a version with fewer hosts": func(ctx context.Context) error {
			_, err := f.Restore(ctx, secret.Call{}, first("tokens"), "")
			return err
		},
	} {
		store.before = func() { f.beginRestore(t) }
		if err := change(t.Context()); !fault.Is(err, restore.ReasonPending) {
			t.Errorf("%s after the commit of an event = %v, want %s", what, err, restore.ReasonPending)
		}
		f.release(t)
		if err := change(t.Context()); err != nil {
			t.Errorf("%s after the release = %v", what, err)
		}
	}
}

func (f *fixture) createCredential(t testing.TB, id string, hosts ...string) {
	t.Helper()
	draft := secret.Draft{Usage: secret.Credential, AllowedHosts: hosts, Value: value(t, "the token "+id)}
	if _, err := f.Create(t.Context(), secret.Call{}, name(id), draft); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventThatCommitsBeforeTheBackgroundActsStopsIt(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "bound", "b")
	if err := f.bindFor(t, "bound", "op", gcm); err != nil {
		t.Fatal(err)
	}
	f.create(t, "gone", "v")
	f.create(t, "many", "value 1 of many")
	f.addVersions(t, "many", 1)
	store := f.preempted(t)
	f.delete(t, "gone", false)
	f.clock.advance(2 * grace)
	f.keep(t, "many", 2)
	for what, act := range map[string]func() error{
		"the purge": func() error { return f.LookAtDeleted(t.Context()) },
		"the update": func() error {
			_, err := f.Update(t.Context(), secret.Call{}, name("many"), secret.Change{Value: value(t, "another")})
			return err
		},
		"the pruning": func() error { return f.PruneAll(t.Context()) },
	} {
		store.before = func() { f.beginRestore(t) }
		if err := act(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if !f.hasRow(t, "gone") || f.left(t, "many")[0] != 1 {
			t.Errorf("%s purged or destroyed something after the commit of an event", what)
		}
	}
	f.release(t)
	if err := f.LookAtDeleted(t.Context()); err != nil {
		t.Error(err)
	}
	f.pruneAll(t)
	if f.hasRow(t, "gone") || f.left(t, "many")[0] == 1 {
		t.Error("nothing is purged or destroyed after the release")
	}
}

func TestNothingIsPurgedWhileChangesAreHeld(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "bound", "b")
	if err := f.bindFor(t, "bound", "op", gcm); err != nil {
		t.Fatal(err)
	}
	f.create(t, "gone", "v")
	f.delete(t, "gone", false)
	f.beginRestore(t)
	f.restart(t, 2*grace)
	look := func() {
		t.Helper()
		if err := f.LookAtDeleted(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if look(); !f.hasRow(t, "gone") {
		t.Error("a deleted secret is purged while changes are held")
	}
	_, err := f.Store.Delete(t.Context(), secret.Call{}, name("gone"), secret.Deletion{Force: true})
	if !fault.Is(err, restore.ReasonPending) {
		t.Errorf("a forced deletion of a deleted secret = %v, want %s", err, restore.ReasonPending)
	}
	f.release(t)
	if look(); f.hasRow(t, "gone") {
		t.Error("a deleted secret is not purged after the hold")
	}
}

// The time of the purge may have passed since the backup, and an endpoint needs the secret.
func TestASecretWhosePurgeIsHeldCanBeBroughtBack(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "bound", "b")
	if err := f.bindFor(t, "bound", "op", gcm); err != nil {
		t.Fatal(err)
	}
	needed := f.create(t, "needed", "v")
	f.bind(t, "needed", "bank", "op")
	late := f.create(t, "late", "w")
	purge := f.delete(t, "needed", true)
	f.delete(t, "late", false)
	f.beginRestore(t)
	f.restart(t, 2*grace)
	if got := f.get(t, "needed"); got.UID != needed.UID || got.DeletedAt.IsZero() || !got.PurgeAt.Equal(purge) {
		t.Errorf("Get = a secret deleted at %v and purged at %v, want a deleted secret with the time of its purge, %v", got.DeletedAt, got.PurgeAt, purge)
	}
	q := secret.Query{Workspace: "acme", ShowDeleted: true, Page: secret.Page{Limit: 10}}
	if list, _, err := f.List(t.Context(), q); err != nil || len(list) != 3 {
		t.Errorf("List returns %d secrets, %v, want 3", len(list), err)
	}
	if back := f.undelete(t, "needed"); back.UID != needed.UID || !back.DeletedAt.IsZero() || back.References != 0 {
		t.Errorf("Undelete = %+v", back)
	}
	f.wantStated(t, "undeleted", needed)
	f.Close() // nothing is purged from now on
	f.release(t)
	if _, err := f.Undelete(t.Context(), secret.Call{}, late.Name); !fault.Is(err, secret.NotFound) || f.exists(t, "late") {
		t.Errorf("Undelete after the hold = %v, want %s, as for Get", err, secret.NotFound)
	}
	if err := f.LookAtDeleted(t.Context()); err != nil || !f.exists(t, "needed") || f.hasRow(t, "late") {
		t.Errorf("after the hold, the secret that was brought back is purged, or the other is not: %v", err)
	}
}
