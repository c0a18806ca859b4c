package witness_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/vault"
)

const everywhere = "workspaces/-"

// read returns the content of a data file. The program must be stopped.
func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	allowlisttest.Must(t, err)
	return content
}

// snapshot stops the vault, returns its data file, and starts it again.
func snapshot(t *testing.T, k *allowlisttest.Kit) []byte {
	t.Helper()
	k.VaultServer.Stop()
	defer k.StartVault(t)
	return read(t, k.VaultConfig.Store)
}

// swap stops the vault, replaces its data file, and starts it again.
func swap(t *testing.T, k *allowlisttest.Kit, content []byte) {
	t.Helper()
	k.VaultServer.Stop()
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, content, 0o600))
	k.StartVault(t)
}

// settled encrypts until the result is not that the vault cannot be reached.
func settled(t *testing.T, k *allowlisttest.Kit) error {
	t.Helper()
	var err error
	allowlisttest.Eventually(t, func() bool {
		_, err = k.EncryptOrder(t)
		return servertest.Reason(err) != "VAULT_UNAVAILABLE"
	}, "the vault stays unavailable")
	return err
}

// rolledBack waits until the rollback is noticed, and fails if a message is encrypted with a key of
// the vault that was rolled back. Until the watch is connected again, the genuine version may be
// cached.
func rolledBack(t *testing.T, k *allowlisttest.Kit, genuine int) {
	t.Helper()
	var err error
	allowlisttest.Eventually(t, func() bool {
		var sent *allowlistv1.EncryptResponse
		if sent, err = k.EncryptOrder(t); err == nil && !allowlisttest.Opens(t, genuine, sent.GetBody()) {
			t.Fatal("a message is encrypted with a key of the vault that was rolled back")
		}
		return servertest.Reason(err) == "VAULT_ROLLED_BACK"
	}, "the rollback is not noticed")
	_, err = k.EncryptOrder(t)
	allowlisttest.WantError(t, "Encrypt with a vault that was rolled back", err, codes.Unavailable, "VAULT_ROLLED_BACK")
	if !servertest.Retryable(err) {
		t.Error("VAULT_ROLLED_BACK does not say when to retry")
	}
	if got := k.Metric(t, "keyward_vault_rolled_back"); got != 1 {
		t.Errorf("the metric is %v, want 1", got)
	}
	if _, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: allowlisttest.Workspace, EndpointId: "more", Endpoint: allowlisttest.Draft(allowlisttest.Workspace + "/secrets/key"),
	}); servertest.Reason(err) != "VAULT_ROLLED_BACK" {
		t.Errorf("CreateEndpoint = %v, want VAULT_ROLLED_BACK", err)
	}
	if got := k.Owner.Get(t, "orders"); got.GetState() != allowlistv1.Endpoint_STATE_ACTIVE {
		t.Errorf("GetEndpoint = %v, want it to be active still", got.GetState())
	}
}

// TestNoMessageIsEncryptedWithARolledBackVault replaces the data file of the vault under a running
// allowlist.
func TestNoMessageIsEncryptedWithARolledBackVault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		// change changes the restored vault before the allowlist may use it.
		change  func(t *testing.T, k *allowlisttest.Kit, secret string)
		restart bool
	}{
		{"a shorter log", func(*testing.T, *allowlisttest.Kit, string) {}, false},
		{"a shorter log, and a restart of the allowlist", func(*testing.T, *allowlisttest.Kit, string) {}, true},
		{"a fork of the same size", func(t *testing.T, k *allowlisttest.Kit, secret string) { k.Rotate(t, secret, 5) }, false},
		{"a longer fork", func(t *testing.T, k *allowlisttest.Kit, secret string) {
			for version := range 4 {
				k.Rotate(t, secret, 5+version)
			}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := allowlisttest.New(t)
			secret := k.Orders(t)
			allowlisttest.Must(t, settled(t, k))
			backup := snapshot(t, k)
			k.Rotate(t, secret, 2)
			allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
			genuine := verified(t, k, secret)

			if tt.restart {
				k.Server.Stop()
			}
			swap(t, k, backup)
			tt.change(t, k, secret)
			if tt.restart {
				k.Start(t)
			}
			rolledBack(t, k, 2)
			k.Restart(t)
			rolledBack(t, k, 2)

			accepted := k.AcceptVault(t)
			if accepted.GetOldCheckpoint() != genuine || accepted.GetNewCheckpoint() == genuine {
				t.Errorf("AcceptVaultCheckpoint = %v, want the old and the new head", accepted)
			}
			allowlisttest.Must(t, settled(t, k))
			if got := k.Metric(t, "keyward_vault_rolled_back"); got != 0 {
				t.Errorf("the metric is %v after the confirmation, want 0", got)
			}
			if again := k.AcceptVault(t); again.GetOldCheckpoint() != again.GetNewCheckpoint() {
				t.Errorf("another AcceptVaultCheckpoint = %v, want no change", again)
			}
		})
	}
}

// verified waits until the allowlist has verified the current head of the vault, and returns it.
func verified(t *testing.T, k *allowlisttest.Kit, secret string) string {
	t.Helper()
	head, err := k.VaultSA.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	// It changes nothing, and returns the last verified head.
	got := k.AcceptVault(t)
	if got.GetNewCheckpoint() != head.GetCheckpoint() {
		t.Fatalf("the verified head is %q, want %q", got.GetNewCheckpoint(), head.GetCheckpoint())
	}
	return got.GetNewCheckpoint()
}

func TestAVaultWithAnotherKeyIsRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	allowlisttest.Must(t, settled(t, k))
	k.VaultServer.Stop()
	k.VaultConfig = vault.Config{Store: filepath.Join(t.TempDir(), "vault.db"), Keys: kek.Config{KeyFile: filepath.Join(t.TempDir(), "vault.key")}}
	allowlisttest.Must(t, vault.CreateKey(k.VaultConfig.Keys.KeyFile))
	k.StartVault(t)
	k.Secret(t, "key")
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_vault_rolled_back") == 1 }, "another vault is not noticed without a message")
	rolledBack(t, k, 1)
}

func TestAPinnedKeyRefusesTheFirstVault(t *testing.T) {
	t.Parallel()
	const other = "keyward.dev/vault+d0d888dd+Ac7MFQfcHd1ylZUcKQiI8JWtuQRNG3PWlubfBl1oO9T8"
	k := allowlisttest.Make(t, 0, func(k *allowlisttest.Kit) { k.Config.Vault.LogKey = other })
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, "keyward_vault_rolled_back") == 1 }, "a vault with another key is not refused")
	_, err := k.Admin.AcceptVaultCheckpoint(t.Context(), &allowlistv1.AcceptVaultCheckpointRequest{Parent: everywhere, Reason: "no"})
	allowlisttest.WantError(t, "AcceptVaultCheckpoint", err, codes.Unavailable, "VAULT_ROLLED_BACK")

	head, err := k.VaultSA.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	k.Config.Vault.LogKey = head.GetVerifierKey()
	k.Restart(t)
	k.Orders(t)
	allowlisttest.Must(t, settled(t, k))
}

func TestALostNetworkIsNoRollback(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	for version := 2; version < 4; version++ {
		allowlisttest.Must(t, settled(t, k))
		k.VaultServer.Stop()
		k.Clock.Advance(2 * time.Minute)
		_, err := k.EncryptOrder(t)
		allowlisttest.WantError(t, "Encrypt without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
		k.StartVault(t)
		k.Rotate(t, secret, version)
		allowlisttest.Eventually(t, func() bool { return k.Uses(t, version) }, "version %d is not in use", version)
	}
	if got := k.Metric(t, "keyward_vault_rolled_back"); got != 0 {
		t.Errorf("the metric is %v, want 0", got)
	}
}

func TestTheNewestFileOfTheVaultNeedsNoConfirmation(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	allowlisttest.Must(t, settled(t, k))
	backup := snapshot(t, k)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
	verified(t, k, secret)
	newest := snapshot(t, k)
	swap(t, k, backup)
	rolledBack(t, k, 2)
	swap(t, k, newest)
	allowlisttest.Eventually(t, func() bool {
		_, err := k.EncryptOrder(t)
		return err == nil
	}, "the newest file is refused")
}

// TestARolledBackAllowlistIsRefusedByTheVault replaces the data file of the allowlist.
func TestARolledBackAllowlistIsRefusedByTheVault(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	allowlisttest.Must(t, settled(t, k))
	k.Server.Stop()
	backup := read(t, k.Config.Store)
	k.Start(t)
	k.Owner.Create(t, "later", allowlisttest.Draft())
	allowlisttest.Eventually(t, func() bool { return reported(t, k) }, "the head is not reported")
	k.Server.Stop()
	allowlisttest.Must(t, os.WriteFile(k.Config.Store, backup, 0o600))
	k.Start(t)
	for range 2 {
		_, err := k.EncryptOrder(t)
		allowlisttest.WantError(t, "Encrypt with an allowlist that was rolled back", err, codes.Unavailable, "VAULT_UNAVAILABLE")
		k.VaultServer.Stop()
		k.StartVault(t)
	}
	holder := k.Held(t, allowlisttest.Workspace+"/secrets/key")[0].GetHolder()
	allowlisttest.Eventually(t, func() bool {
		got, err := k.VaultSA.AcceptResolverCheckpoint(t.Context(), &vaultv1.AcceptResolverCheckpointRequest{Parent: everywhere, Resolver: holder, Reason: "restored"})
		return err == nil && got.GetOldCheckpoint() != got.GetNewCheckpoint()
	}, "the vault does not refuse the allowlist")
	allowlisttest.Eventually(t, func() bool {
		_, err := k.EncryptOrder(t)
		return err == nil
	}, "the allowlist is still refused")
}

// reported reports whether the vault has the current head of the allowlist. It reports an older head
// without a proof, which changes nothing and returns the size.
func reported(t *testing.T, k *allowlisttest.Kit) bool {
	t.Helper()
	own, err := k.Admin.GetCheckpoint(t.Context(), &allowlistv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	got, err := k.Bindings.WitnessCheckpoint(t.Context(), &vaultv1.WitnessCheckpointRequest{
		Parent: everywhere, Checkpoint: own.GetCheckpoint(), VerifierKey: own.GetVerifierKey(), OldSize: 1 << 40,
	})
	allowlisttest.Must(t, err)
	return strings.HasPrefix(own.GetCheckpoint(), fmt.Sprintf("keyward.dev/allowlist\n%d\n", got.GetSize()))
}

func TestAMessageWithACachedKeyMakesNoCallToVerify(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	k.Warm(t)
	checks := func() (lines int) {
		for _, line := range k.Env.Log.Lines() {
			if strings.Contains(line, "GetCheckpoint") || strings.Contains(line, "ProveConsistency") {
				lines++
			}
		}
		return lines
	}
	before := checks()
	if before == 0 {
		t.Fatal("the vault logged no verification")
	}
	for range 50 {
		_, err := k.EncryptOrder(t)
		allowlisttest.Must(t, err)
	}
	if made := checks() - before; made > 5 { // the background may verify a head meanwhile
		t.Errorf("50 messages make %d calls to verify the vault", made)
	}
}
