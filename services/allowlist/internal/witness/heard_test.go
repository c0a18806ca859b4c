package witness_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// follower returns a witness of the kit's vault that has verified its head, under an identity of
// its own, and the epoch.
func follower(t *testing.T, k *allowlisttest.Kit) (w *witness.Witness, epoch string) {
	t.Helper()
	store, err := boltkv.Open(filepath.Join(t.TempDir(), "store"), boltkv.Options{})
	allowlisttest.Must(t, err)
	t.Cleanup(func() { allowlisttest.Must(t, store.Close()) })
	changes, err := changelog.New([][32]byte{{1}}, "allowlist", time.Now)
	allowlisttest.Must(t, err)
	store.Attach(changelog.Name, changes)
	w, err = witness.New(t.Context(), witness.Options{
		Vault: vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Workload(t, "second", "resolver"))),
		Store: store, Log: changes, Logger: k.Env.Logger, Metrics: prometheus.NewRegistry(),
	})
	allowlisttest.Must(t, err)
	epoch, err = w.Begin(t.Context())
	allowlisttest.Must(t, err)
	return w, epoch
}

func headOf(t *testing.T, k *allowlisttest.Kit) string {
	t.Helper()
	head, err := k.VaultSA.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	return head.GetCheckpoint()
}

func TestAHeadThatTheWatchStatesIsVerified(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	empty := headOf(t, k)
	k.Secret(t, "first")
	early := headOf(t, k)
	backup := snapshot(t, k)
	k.Secret(t, "forked")
	fork := headOf(t, k)
	k.Secret(t, "forked-more")
	longFork := headOf(t, k)
	swap(t, k, backup)
	k.Secret(t, "second")
	genuine := headOf(t, k)
	unsigned, _, _ := strings.Cut(genuine, "\n\n")

	for name, tt := range map[string]struct {
		head string
		want fault.Reason
	}{
		"the verified head":          {genuine, ""},
		"an older head that is late": {early, ""},
		"an empty head that is late": {empty, ""},
		"a fork of the same size":    {fork, witness.ReasonRolledBack},
		"a longer fork":              {longFork, witness.ReasonRolledBack},
		"a head without a signature": {unsigned + "\n", witness.ReasonRolledBack},
		"a head that is no head":     {"x", witness.ReasonRolledBack},
	} {
		t.Run(name, func(t *testing.T) {
			w, epoch := follower(t, k)
			w.Heard(epoch, tt.head)
			err := w.Follow(t.Context())
			if got := fault.Is(err, tt.want); err != nil && !got || err == nil && tt.want != "" {
				t.Fatalf("Follow() = %v, want %q", err, tt.want)
			}
			if refusal := w.Refusal(); (refusal != nil) != (tt.want != "") {
				t.Errorf("Refusal() = %v, want %q", refusal, tt.want)
			}
			// The genuine head is verified again, whatever was heard.
			if err := w.Follow(t.Context()); err != nil || w.Refusal() != nil {
				t.Errorf("Follow() of the genuine head = %v, %v", err, w.Refusal())
			}
		})
	}
}

func TestAListThatBeganInAnotherEpochIsNotConfirmed(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	w, epoch := follower(t, k)
	allowlisttest.Must(t, w.Confirm(t.Context(), epoch))
	k.VaultServer.Stop()
	k.StartVault(t)
	if err := w.Confirm(t.Context(), epoch); err == nil {
		t.Error("Confirm() accepts a list that another run of the vault may have returned")
	}
	again, err := w.Begin(t.Context())
	if err != nil || again == epoch {
		t.Fatalf("Begin() = %q, %v, want another epoch", again, err)
	}
	allowlisttest.Must(t, w.Confirm(t.Context(), again))
}

func TestAHeadIsNotAcceptedWithoutTheVault(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Orders(t)
	allowlisttest.Must(t, settled(t, k))
	backup := snapshot(t, k)
	k.Rotate(t, secret, 2)
	allowlisttest.Eventually(t, func() bool { return k.Uses(t, 2) }, "the rotation is not in use")
	verified(t, k, secret)
	swap(t, k, backup)
	rolledBack(t, k, 2)
	k.VaultServer.Stop()
	_, err := k.Admin.AcceptVaultCheckpoint(t.Context(), &allowlistv1.AcceptVaultCheckpointRequest{Parent: everywhere, Reason: "no"})
	allowlisttest.WantError(t, "AcceptVaultCheckpoint without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if _, err := k.EncryptOrder(t); servertest.Reason(err) != "VAULT_ROLLED_BACK" {
		t.Errorf("Encrypt = %v, want VAULT_ROLLED_BACK still", err)
	}
	k.StartVault(t)
	k.AcceptVault(t)
	allowlisttest.Must(t, settled(t, k))
}
