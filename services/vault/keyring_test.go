package vault_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/keyadmin"
	"github.com/keyward/keyward/pkg/keyring"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func keyringOf(t testing.TB, c vaulttest.Client) *keyringv1.Keyring {
	t.Helper()
	res, err := c.Keyring.GetKeyring(t.Context(), &keyringv1.GetKeyringRequest{Parent: vaulttest.Everywhere})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetKeyring()
}

func rotate(t testing.TB, c vaulttest.Client) *keyringv1.Keyring {
	t.Helper()
	res, err := c.Keyring.RotateKeyring(t.Context(), &keyringv1.RotateKeyringRequest{Parent: vaulttest.Everywhere, Reason: "yearly"})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetKeyring()
}

// rewrapAll rewraps all values and waits for the end.
func rewrapAll(t testing.TB, c vaulttest.Client) *keyringv1.Rewrap {
	t.Helper()
	_, err := c.Keyring.RewrapSecrets(t.Context(), &keyringv1.RewrapSecretsRequest{Parent: vaulttest.Everywhere, Rate: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	for {
		run := keyringOf(t, c).GetRewrap()
		if run.GetState() != keyringv1.Rewrap_STATE_RUNNING {
			return run
		}
		wait(t, 20*time.Millisecond)
	}
}

func wait(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	case <-time.After(d):
	}
}

func destroyKey(t testing.TB, c vaulttest.Client, id string) error {
	t.Helper()
	_, err := c.Keyring.DestroyKey(t.Context(), &keyringv1.DestroyKeyRequest{Parent: vaulttest.Everywhere, KeyId: id, Reason: "rotated"})
	return err
}

// The whole rotation, while callers resolve and store: no call fails, every value remains, and the
// old key can be destroyed.
func TestKeyringRotatesUnderLoad(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	const secrets, callers = 60, 8
	uids := make([]string, secrets)
	for i := range secrets {
		id := fmt.Sprint("key-", i)
		k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(valueOf(i))})
		k.Resolver.Bind(t, id, "endpoint", "op")
		uids[i] = k.Owner.Get(t, id).GetUid()
	}
	old := keyringOf(t, k.Admin)
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var calls atomic.Int64
	for c := range callers {
		group.Go(func() {
			for n := c; ctx.Err() == nil; n += callers {
				i := n % secrets
				if got := k.Resolver.Resolve(t, fmt.Sprint("key-", i), uids[i], 1); got != valueOf(i) {
					t.Errorf("key-%d resolves to another value", i)
				}
				calls.Add(1)
			}
		})
	}
	group.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			k.Owner.Create(t, fmt.Sprint("new-", n), &vaultv1.Secret{Value: vaulttest.Text(valueOf(1000 + n))})
		}
	})
	next := rotate(t, k.Admin)
	if next.GetKeys()[0].GetState() != keyringv1.Key_STATE_PRIMARY || next.GetKeys()[0].GetId() == old.GetKeys()[0].GetId() || next.GetLogKey() == old.GetLogKey() {
		t.Errorf("the keyring after the rotation = %v, want another primary key and another log key", next)
	}
	if run := rewrapAll(t, k.Admin); run.GetState() != keyringv1.Rewrap_STATE_DONE || run.GetFailedCount() != 0 || run.GetRewrappedCount() < secrets {
		t.Errorf("RewrapSecrets = %v, want done, with at least %d versions", run, secrets)
	}
	if err := destroyKey(t, k.Admin, old.GetKeys()[0].GetId()); err != nil {
		t.Errorf("DestroyKey(the old key) = %v", err)
	}
	before := calls.Load()
	for calls.Load() < before+callers {
		wait(t, time.Millisecond)
	}
	stop()
	group.Wait()
	for len(keyringOf(t, k.Admin).GetRoots()) > 1 {
		wait(t, 20*time.Millisecond)
	}
	k.Running.Stop()
	k.Start(t)
	for i := range secrets {
		if got := k.Resolver.Resolve(t, fmt.Sprint("key-", i), uids[i], 0); got != valueOf(i) {
			t.Errorf("key-%d resolves to another value after a restart", i)
		}
	}
	if err := k.Vault.Verify(t.Context()); err != nil {
		t.Errorf("Verify() = %v", err)
	}
}

func valueOf(i int) string { return fmt.Sprintf("value %032d", i) }

func TestKeyOnWhichValuesDependIsKept(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text(valueOf(1))})
	uid := k.Owner.Get(t, "key").GetUid()
	k.Resolver.Bind(t, "key", "endpoint", "op")
	old := keyringOf(t, k.Admin).GetKeys()[0].GetId()
	err := destroyKey(t, k.Admin, old)
	vaulttest.WantError(t, "DestroyKey(the primary key)", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_KEY_IN_USE)
	rotate(t, k.Admin)
	err = destroyKey(t, k.Admin, old)
	vaulttest.WantError(t, "DestroyKey(a key with values)", err, codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_KEY_IN_USE)

	_, err = k.Admin.Keyring.DisableKey(t.Context(), &keyringv1.DisableKeyRequest{Parent: vaulttest.Everywhere, KeyId: old})
	if err != nil {
		t.Fatal(err)
	}
	k.Resolver.WantUnresolved(t, "with a disabled key", "key", uid, 0, commonv1.ErrorReason_ERROR_REASON_KEYRING_KEY_DISABLED)
	if run := rewrapAll(t, k.Admin); run.GetState() != keyringv1.Rewrap_STATE_FAILED || run.GetFailedCount() == 0 {
		t.Errorf("RewrapSecrets with a disabled key = %v, want failed", run)
	}
	_, err = k.Admin.Keyring.EnableKey(t.Context(), &keyringv1.EnableKeyRequest{Parent: vaulttest.Everywhere, KeyId: old})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Resolver.Resolve(t, "key", uid, 0); got != valueOf(1) {
		t.Error("the value is another one after its key was enabled again")
	}
}

// A resolver with a cache hears nothing of a rewrap, because no value changes.
func TestRewrapChangesNoSecret(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	before := k.Rotated(t, "key", valueOf(1), valueOf(2), valueOf(3))
	history := len(k.Owner.History(t, "key"))
	rotate(t, k.Admin)
	if run := rewrapAll(t, k.Admin); run.GetRewrappedCount() < 3 {
		t.Fatalf("RewrapSecrets = %v, want 3 versions", run)
	}
	after := k.Owner.Get(t, "key")
	if after.GetEtag() != before.GetEtag() || !after.GetUpdateTime().AsTime().Equal(before.GetUpdateTime().AsTime()) || len(k.Owner.History(t, "key")) != history {
		t.Errorf("the secret changed from %v to %v", before, after)
	}
	primary := keyringOf(t, k.Admin).GetKeys()[0].GetId()
	for _, v := range k.Owner.Versions(t, "key") {
		if v.GetKeyId() != primary {
			t.Errorf("version %d depends on %s, want the primary key %s", v.GetVersion(), v.GetKeyId(), primary)
		}
	}
}

func TestKeyringIsForSuperAdmins(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	everywhere := vaulttest.Everywhere
	for name, call := range map[string]func(c vaultv1.KeyringServiceClient) error{
		"GetKeyring": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.GetKeyring(t.Context(), &keyringv1.GetKeyringRequest{Parent: everywhere})
			return err
		},
		"RotateKeyring": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.RotateKeyring(t.Context(), &keyringv1.RotateKeyringRequest{Parent: everywhere})
			return err
		},
		"EnableKey": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.EnableKey(t.Context(), &keyringv1.EnableKeyRequest{Parent: everywhere, KeyId: "00000000"})
			return err
		},
		"DisableKey": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.DisableKey(t.Context(), &keyringv1.DisableKeyRequest{Parent: everywhere, KeyId: "00000000"})
			return err
		},
		"DestroyKey": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.DestroyKey(t.Context(), &keyringv1.DestroyKeyRequest{Parent: everywhere, KeyId: "00000000", Reason: "r"})
			return err
		},
		"ReplaceKeyProvider": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.ReplaceKeyProvider(t.Context(), &keyringv1.ReplaceKeyProviderRequest{Parent: everywhere})
			return err
		},
		"RewrapSecrets": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.RewrapSecrets(t.Context(), &keyringv1.RewrapSecretsRequest{Parent: everywhere})
			return err
		},
		"CancelRewrap": func(c vaultv1.KeyringServiceClient) error {
			_, err := c.CancelRewrap(t.Context(), &keyringv1.CancelRewrapRequest{Parent: everywhere})
			return err
		},
	} {
		for who, c := range map[string]vaulttest.Client{"an owner": k.Owner, "a resolver": k.Resolver} {
			vaulttest.WantError(t, name+" by "+who, call(c.Keyring), codes.PermissionDenied, commonv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
		}
	}
	if got := keyringOf(t, k.Admin); len(got.GetKeys()) != 1 || got.GetRewrap() != nil {
		t.Errorf("the keyring after refused calls = %v, want it unchanged", got)
	}
}

func TestProviderOfTheConfigurationOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, uri := range []string{"file:///etc/passwd", "hcvault://attacker.example:8200/transit/keys/k", "file:"} {
		_, err := k.Admin.Keyring.ReplaceKeyProvider(t.Context(), &keyringv1.ReplaceKeyProviderRequest{Parent: vaulttest.Everywhere, Provider: uri})
		vaulttest.WantField(t, "ReplaceKeyProvider("+uri+")", err, "provider")
	}
	if _, err := k.Admin.Keyring.ReplaceKeyProvider(t.Context(), &keyringv1.ReplaceKeyProviderRequest{Parent: vaulttest.Everywhere}); err != nil {
		t.Errorf("ReplaceKeyProvider(the present one) = %v", err)
	}
}

// The reasons are those of the contract.
func TestKeyringReasonsAreInTheContract(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{
		string(keyring.ReasonFull), string(keyring.ReasonNotFound), string(keyring.ReasonInUse), string(keyring.ReasonDestroyed), string(keyadmin.ReasonProvider),
	} {
		if _, found := commonv1.ErrorReason_value["ERROR_REASON_"+reason]; !found {
			t.Errorf("%s is not in common.v1.ErrorReason", reason)
		}
	}
}
