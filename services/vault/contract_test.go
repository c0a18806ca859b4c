package vault_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/internal/secret"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestEveryReasonIsInTheContract(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		string(secret.NotFound), string(secret.Exists), string(secret.InUse), string(secret.VersionNotFound), string(secret.VersionDisabled),
		string(secret.VersionDestroyed), string(secret.UsageNotAllowed), string(secret.HostNotAllowed), string(secret.NotBound), string(secret.PositionOutOfRange),
		string(secret.VersionInUse), string(secret.KeyPurposeFixed), string(secret.NonceBudgetExhausted),
		string(secret.Expired), string(secret.QuotaExceeded),
	} {
		_, ours := vaultv1.ErrorReason_value["ERROR_REASON_"+reason]
		_, shared := commonv1.ErrorReason_value["ERROR_REASON_"+reason]
		if ours == shared {
			t.Errorf("the reason %s is in the vault's errors.proto: %v, in common's: %v; want it in one", reason, ours, shared)
		}
	}
}

func TestConcurrentChangesAreAllOnAnIntactLog(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	var mu sync.Mutex
	changes := 0
	did := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			changes++
		case !slices.Contains([]codes.Code{codes.NotFound, codes.AlreadyExists, codes.FailedPrecondition, codes.Aborted}, status.Code(err)):
			t.Errorf("a change failed: %v", err)
		}
	}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 10 {
				id := fmt.Sprintf("key-%d", i%3) // shared by all workers
				op := fmt.Sprintf("op-%d-%d", worker, i)
				_, err := k.Owner.CreateSecret(t.Context(), vaulttest.CreateRequest(id, "v", op))
				did(err)
				_, err = k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf(id), Value: vaulttest.Text("w")}})
				did(err)
				_, err = k.Resolver.BindSecret(t.Context(), vaulttest.BindRequest(id, "e", op))
				did(err)
				if err == nil { // bound, so the secret cannot be deleted until Unbind
					k.Resolver.Unbind(t, id, op)
					did(nil)
				}
				_, err = k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf(id)})
				did(err)
			}
		})
	}
	wg.Wait()
	history := k.Owner.History(t, "-")
	if len(history) != changes {
		t.Errorf("%d changes succeeded, %d are in the log", changes, len(history))
	}
	for i, change := range history {
		if want := uint64(len(history) - 1 - i); change.GetSequence() != want {
			t.Fatalf("entry %d from the newest has sequence %d, want %d", i, change.GetSequence(), want)
		}
	}
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify = %v", err)
	}
	checkLives(t, history)
}

// checkLives checks that the log, read from its start, never changes a secret that does not exist,
// and never deletes a bound secret.
func checkLives(t *testing.T, newestFirst []*vaultv1.SecretChange) {
	t.Helper()
	alive, bindings, versions := map[string]string{}, map[string]int{}, map[string]uint32{}
	for _, c := range slices.Backward(newestFirst) {
		uid := c.GetUid()
		if c.GetAction() == vaultv1.SecretChange_ACTION_CREATED {
			if alive[c.GetSecret()] != "" {
				t.Errorf("entry %d creates %s, which exists", c.GetSequence(), c.GetSecret())
			}
			alive[c.GetSecret()] = uid
		}
		if alive[c.GetSecret()] != uid {
			t.Errorf("entry %d is about an incarnation that does not exist", c.GetSequence())
		}
		if v := c.GetVersion(); v != 0 {
			if v != versions[uid]+1 {
				t.Errorf("entry %d adds version %d after %d", c.GetSequence(), v, versions[uid])
			}
			versions[uid] = v
		}
		switch c.GetAction() {
		case vaultv1.SecretChange_ACTION_BOUND:
			bindings[uid]++
		case vaultv1.SecretChange_ACTION_UNBOUND:
			bindings[uid]--
		case vaultv1.SecretChange_ACTION_DELETED:
			if bindings[uid] != 0 {
				t.Errorf("entry %d deletes a secret with %d bindings", c.GetSequence(), bindings[uid])
			}
			delete(alive, c.GetSecret())
		}
	}
}

func TestVaultDoesNotStartWithUnusableFiles(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	if _, err := vault.New(t.Context(), vault.Config{}, k.Env.Logger); err == nil {
		t.Error("New without configuration succeeds")
	}
	if _, err := vault.New(t.Context(), k.Config, k.Env.Logger); err == nil {
		t.Error("New with a store that is in use succeeds")
	}
	k.Running.Stop()
	another := k.Config
	another.Keys.KeyFile += "2"
	if _, err := vault.New(t.Context(), another, k.Env.Logger); err == nil {
		t.Error("New without a key file succeeds")
	}
	if err := vault.CreateKey(another.Keys.KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.New(t.Context(), another, k.Env.Logger); err == nil {
		t.Error("New with the key of another vault succeeds")
	}
	if err := vault.CreateKey(k.Config.Keys.KeyFile); err == nil {
		t.Error("CreateKey overwrites a key")
	}
	k.Start(t) // the failures changed nothing
	k.Owner.Create(t, "key", &vaultv1.Secret{})
}
