package endpoint_test

import (
	"testing"
	"time"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// queued returns an allowlist with a binding of a that waits to be given up, and the names of a and
// b. The entry is not due when the save wakes the worker, which then sleeps for an hour.
func queued(t *testing.T) (k *allowlisttest.Kit, a, b string) {
	t.Helper()
	k = allowlisttest.Make(t, 0, func(k *allowlisttest.Kit) { k.Pace = time.Hour })
	a, b = k.Secret(t, "a"), k.Secret(t, "b")
	k.Owner.Create(t, "orders", allowlisttest.Draft(a))
	k.Steps.Set(func(step string) error {
		if step == "saved" {
			k.Clock.Advance(-time.Hour)
		}
		return nil
	})
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(b)}, "encryption")
	allowlisttest.Must(t, err)
	if k.Stored(t, "unbind") != 1 || len(k.Held(t, a)) != 1 {
		t.Fatal("no binding waits to be given up")
	}
	k.Clock.Advance(time.Hour)
	return k, a, b
}

func TestAnAllowlistThatStopsGivesUpTheBindingsThatAreDue(t *testing.T) {
	t.Parallel()
	k, a, b := queued(t)
	k.Server.Stop()
	if len(k.Held(t, a)) != 0 || len(k.Held(t, b)) != 1 {
		t.Errorf("while the allowlist is down, the vault has the bindings %v and %v, want only one of %s", k.Held(t, a), k.Held(t, b), b)
	}
}

func TestAnAllowlistThatStopsAfterTheVaultGivesUpTheBindingsLater(t *testing.T) {
	t.Parallel()
	k, a, b := queued(t)
	k.VaultServer.Stop()
	k.Server.Stop()
	k.StartVault(t)
	if len(k.Held(t, a)) != 1 {
		t.Fatalf("%s is not bound, although the vault was down", a)
	}
	k.Start(t)
	k.Settle(t, a, 0)
	k.Settle(t, b, 1)
}
