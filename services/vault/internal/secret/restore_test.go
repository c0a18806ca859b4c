package secret_test

import (
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/restore"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

func TestNothingIsPurgedWhileChangesAreHeld(t *testing.T) {
	t.Parallel()
	f := graced(t)
	f.create(t, "bound", "b")
	if err := f.bindFor(t, "bound", "op", gcm); err != nil {
		t.Fatal(err)
	}
	f.create(t, "gone", "v")
	f.delete(t, "gone", false)
	if _, err := f.Restores().Begin(t.Context(), changelog.Author{Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	f.restart(t, 2*grace)
	stored := func() bool {
		t.Helper()
		if err := f.LookAtDeleted(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := f.kv.View(t.Context(), func(r kv.Reader) error {
			_, err := r.Get(secret.SecretKey(name("gone")))
			return err
		})
		return err == nil
	}
	if !stored() {
		t.Error("a deleted secret is purged while changes are held")
	}
	_, err := f.Store.Delete(t.Context(), secret.Call{}, name("gone"), secret.Deletion{Force: true})
	if !fault.Is(err, restore.ReasonPending) {
		t.Errorf("a forced deletion of a deleted secret = %v, want %s", err, restore.ReasonPending)
	}
	if _, err := f.Restores().Release(t.Context(), changelog.Author{Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	if stored() {
		t.Error("a deleted secret is not purged after the hold")
	}
}
