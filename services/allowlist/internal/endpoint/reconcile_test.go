package endpoint_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestReconcileSwitchesOffWhatLostItsSecret(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool {
		return k.Owner.Get(t, "orders").GetState() == allowlistv1.Endpoint_STATE_INACTIVE
	}, "the endpoint is still on")
	if got := k.Owner.Get(t, "orders").GetStateReason(); !strings.Contains(got, "was deleted: leaked;") {
		t.Errorf("the endpoint does not show why: %q", got)
	}
}

func TestReconcileGivesUpWhatNothingNeedsAndRestoresWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	operation := k.Held(t, secret)[0].GetOperationId()
	_, err := k.Bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: allowlisttest.NameOf("ghost"), OperationId: "ghost",
		Host: allowlisttest.Partner, Chains: []string{"raw > AES-256-GCM(iv=random/12,tag=16)"},
	})
	allowlisttest.Must(t, err)
	_, err = k.Bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool {
		held := k.Held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "bindings are %v, want the endpoint's alone", k.Held(t, secret))
}

func TestReconcileGivesUpWhatABackupThatWasPutBackDoesNotKnow(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	early, late := k.Secret(t, "early"), k.Secret(t, "late")
	k.Owner.Create(t, "early", allowlisttest.Draft(early))
	k.Server.Stop()
	backup, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	k.Start(t)
	k.Owner.Create(t, "late", allowlisttest.Draft(late))
	k.Server.Stop()
	allowlisttest.Must(t, os.WriteFile(k.Config.Store, backup, 0o600))
	k.Start(t)
	allowlisttest.Eventually(t, func() bool {
		// The vault refuses the allowlist as soon as it has reported the older head.
		_, err := k.VaultSA.AcceptResolverCheckpoint(t.Context(), &vaultv1.AcceptResolverCheckpointRequest{
			Parent: "workspaces/-", Resolver: k.Held(t, early)[0].GetHolder(), Reason: "restored from a backup",
		})
		allowlisttest.Must(t, err)
		return len(k.Held(t, late)) == 0
	}, "a secret is bound for an endpoint that does not exist")
	_, err = k.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: late})
	allowlisttest.Must(t, err)
	if n := len(k.Held(t, early)); n != 1 {
		t.Errorf("the existing endpoint has %d bindings", n)
	}
}

func TestReconcileBindsAgainThoughTheVersionIsGone(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.VaultServer.Stop()
	backup, err := os.ReadFile(k.VaultConfig.Store)
	allowlisttest.Must(t, err)
	k.StartVault(t)
	k.Rotate(t, secret, 2)
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = 2
	allowlisttest.Eventually(t, func() bool {
		_, err = k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: e})
		return err == nil
	}, "CreateEndpoint = %v", err)
	k.VaultServer.Stop()
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, backup, 0o600))
	k.StartVault(t)
	k.AcceptVault(t)
	allowlisttest.Eventually(t, func() bool { return len(k.Held(t, secret)) == 1 }, "the secret can be deleted under the endpoint")
}

func TestOneBadReferenceDoesNotKeepOthersFromBeingRestored(t *testing.T) {
	t.Parallel()
	k := allowlisttest.NewReconciling(t)
	first, second := k.Secret(t, "a"), k.Secret(t, "b")
	k.Owner.Create(t, "aaa", allowlisttest.Draft(first))
	k.Owner.Create(t, "bbb", allowlisttest.Draft(second))
	operation := k.Held(t, second)[0].GetOperationId()

	// The first endpoint's secret is created again, but not as a key.
	_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: first, Force: true, Reason: "leaked"})
	allowlisttest.Must(t, err)
	k.SecretIn(t, allowlisttest.Workspace, "a", vaultv1.Usage_USAGE_PARAMETER)
	_, err = k.Bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: second, OperationId: operation})
	allowlisttest.Must(t, err)

	allowlisttest.Eventually(t, func() bool { return len(k.Held(t, second)) == 1 }, "the second endpoint's binding is not restored")
	allowlisttest.Eventually(t, func() bool {
		return k.Owner.Get(t, "aaa").GetState() == allowlistv1.Endpoint_STATE_INACTIVE
	}, "the endpoint whose secret is another one now is still on")
}

func TestAnEndpointIsSavedAgainAfterItsSecretWasBroughtBack(t *testing.T) {
	t.Parallel()
	k := allowlisttest.Make(t, allowlisttest.Pace, func(k *allowlisttest.Kit) {
		k.VaultServer.Stop()
		k.VaultConfig.DeleteGrace = time.Hour
		k.StartVault(t)
	})
	secret := k.Secret(t, "key")
	k.Active(t, "orders", allowlisttest.Draft(secret))
	k.Server.Stop() // and misses the event
	_, err := k.VaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	allowlisttest.Must(t, err)
	k.Start(t)
	allowlisttest.Eventually(t, func() bool {
		e := k.Owner.Get(t, "orders")
		return e.GetState() == allowlistv1.Endpoint_STATE_INACTIVE && strings.Contains(e.GetStateReason(), "was deleted: leaked;")
	}, "the endpoint does not show why it is off")
	_, err = k.Secrets.UndeleteSecret(t.Context(), &vaultv1.UndeleteSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "ActivateEndpoint before a save", err, codes.NotFound, "SECRET_NOT_FOUND")
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secret)}, "encryption")
	allowlisttest.Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
}
