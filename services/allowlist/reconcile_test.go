package allowlist_test

import (
	"os"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestReconcileSwitchesOffWhatLostItsSecret(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "orders", draft(secret))
	_, err := k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: secret, Force: true, Reason: "leaked"})
	must(t, err)
	eventually(t, func() bool {
		return k.owner.get(t, "orders").GetState() == allowlistv1.Endpoint_STATE_INACTIVE
	}, "the endpoint is still on")
}

func TestReconcileGivesUpWhatNothingNeedsAndRestoresWhatIsMissing(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "orders", draft(secret))
	operation := k.held(t, secret)[0].GetOperationId()
	_, err := k.bindings.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: secret, Usage: vaultv1.Usage_USAGE_KEY, Referrer: nameOf("ghost"), OperationId: "ghost",
		Host: partner, Chains: []string{"raw > AES-256-GCM(iv=random/12,tag=16)"},
	})
	must(t, err)
	_, err = k.bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: secret, OperationId: operation})
	must(t, err)
	eventually(t, func() bool {
		held := k.held(t, secret)
		return len(held) == 1 && held[0].GetOperationId() == operation
	}, "bindings are %v, want the endpoint's alone", k.held(t, secret))
}

func TestReconcileGivesUpWhatABackupThatWasPutBackDoesNotKnow(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	early, late := k.secret(t, "early"), k.secret(t, "late")
	k.owner.create(t, "early", draft(early))
	k.server.Stop()
	backup, err := os.ReadFile(k.config.Store)
	must(t, err)
	k.start(t)
	k.owner.create(t, "late", draft(late))
	k.server.Stop()
	must(t, os.WriteFile(k.config.Store, backup, 0o600))
	k.start(t)
	eventually(t, func() bool { return len(k.held(t, late)) == 0 }, "a secret is bound for an endpoint that is not there")
	_, err = k.secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: late})
	must(t, err)
	if n := len(k.held(t, early)); n != 1 {
		t.Errorf("the endpoint that is there has %d bindings", n)
	}
}

func TestReconcileBindsAgainThoughTheVersionIsGone(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	k.vaultServer.Stop()
	backup, err := os.ReadFile(k.vaultConfig.Store)
	must(t, err)
	k.startVault(t)
	k.rotate(t, secret, 2)
	e := draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Keys[0].Version = 2
	eventually(t, func() bool {
		_, err = k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "orders", Endpoint: e})
		return err == nil
	}, "CreateEndpoint = %v", err)
	k.vaultServer.Stop()
	must(t, os.WriteFile(k.vaultConfig.Store, backup, 0o600))
	k.startVault(t)
	eventually(t, func() bool { return len(k.held(t, secret)) == 1 }, "the secret can be deleted under the endpoint")
}

func TestOneBadReferenceDoesNotKeepOthersFromBeingRestored(t *testing.T) {
	t.Parallel()
	k := newReconcilingKit(t)
	first, second := k.secret(t, "a"), k.secret(t, "b")
	k.owner.create(t, "aaa", draft(first))
	k.owner.create(t, "bbb", draft(second))
	operation := k.held(t, second)[0].GetOperationId()

	// The first endpoint's secret comes back as something that is no key.
	_, err := k.vaultSA.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: first, Force: true, Reason: "leaked"})
	must(t, err)
	k.secretIn(t, workspace, "a", vaultv1.Usage_USAGE_PARAMETER)
	_, err = k.bindings.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: second, OperationId: operation})
	must(t, err)

	eventually(t, func() bool { return len(k.held(t, second)) == 1 }, "the second endpoint's binding is not restored")
	eventually(t, func() bool {
		return k.owner.get(t, "aaa").GetState() == allowlistv1.Endpoint_STATE_INACTIVE
	}, "the endpoint whose secret is another one now is still on")
}
