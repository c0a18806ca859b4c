// Package allowlisttest starts an allowlist and a vault behind real servers, for the tests of all
// packages of the allowlist. A [Kit] has clients of the important callers, a clock that tests can
// advance, and hooks that make a save fail halfway.
package allowlisttest

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/vault"
)

// Workspace is the workspace of the tests.
const Workspace = "workspaces/acme"

// Pace is the interval of the background tasks in tests, unless [Kit.Pace] is another one.
const Pace = 20 * time.Millisecond

// A Kit is an allowlist and a vault behind real servers, with clients of their most frequent
// callers.
type Kit struct {
	Env                        *servertest.Env
	VaultConfig                vault.Config
	Config                     allowlist.Config
	listen                     string
	reconcile                  time.Duration
	Pace                       time.Duration
	Clock                      *Clock
	Steps                      *Steps
	Store                      *kvtest.FaultyStore
	Metrics                    *prometheus.Registry
	Allowlist                  *allowlist.Allowlist
	VaultServer, Server        *servertest.Running
	Owner, Member, Admin       Client
	Sender                     Client
	Secrets, Bindings, VaultSA vaultv1.VaultServiceClient
}

// A Client calls the allowlist as one caller.
type Client struct {
	allowlistv1.AllowlistServiceClient
	Subject string
}

// New starts a kit that does not reconcile in the background.
func New(t testing.TB) *Kit {
	t.Helper()
	return Make(t, 0)
}

// NewReconciling starts a kit whose allowlist compares itself with the vault all the time. Other
// tests do not use it, so that reconciliation cannot hide a difference that it would repair.
func NewReconciling(t testing.TB) *Kit {
	t.Helper()
	return Make(t, Pace)
}

// Make starts a kit. It calls configure before the allowlist starts.
func Make(t testing.TB, reconcile time.Duration, configure ...func(*Kit)) *Kit {
	t.Helper()
	folder := t.TempDir()
	k := &Kit{Clock: new(Clock), Steps: new(Steps), listen: "127.0.0.1:0", reconcile: reconcile, Pace: Pace}
	k.Env = servertest.New(t, func(c *server.Config) {
		c.Listen, c.Limits.Drain = k.listen, 100*time.Millisecond
	})
	k.VaultConfig = vault.Config{Store: filepath.Join(folder, "vault.db"), Keys: kek.Config{KeyFile: filepath.Join(folder, "vault.key")}}
	Must(t, vault.CreateKey(k.VaultConfig.Keys.KeyFile))
	cert, key := k.Env.Files(t, k.Env.Resolver(t))
	k.Config = allowlist.Config{
		Store: filepath.Join(folder, "allowlist.db"), Keys: kek.Config{KeyFile: filepath.Join(folder, "allowlist.key")},
		Vault: allowlist.VaultConfig{Address: servertest.Address(t), CA: k.Env.TrustFile(), Certificate: cert, Key: key},
	}
	Must(t, allowlist.CreateKey(k.Config.Keys.KeyFile))
	k.StartVault(t)
	for _, change := range configure {
		change(k)
	}
	k.Start(t)
	return k
}

// StartVault opens the vault. When it opens the vault again, the address stays the same.
func (k *Kit) StartVault(t testing.TB) {
	t.Helper()
	v, err := vault.New(t.Context(), k.VaultConfig, k.Env.Logger)
	Must(t, err)
	k.listen = k.Config.Vault.Address
	k.VaultServer = k.Env.Start(t, v)
	k.listen = "127.0.0.1:0"
	k.Secrets = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Owner(t, "acme")))
	k.VaultSA = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.SuperAdmin(t)))
	k.Bindings = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Resolver(t)))
}

// Start opens the allowlist, for the first time or again.
func (k *Kit) Start(t testing.TB) {
	t.Helper()
	k.Metrics = prometheus.NewRegistry()
	a, err := allowlist.Open(t.Context(), k.Config, k.Env.Logger, allowlist.Around{
		Now: k.Clock.Now, Metrics: k.Metrics, Pace: k.Pace, Reconcile: k.reconcile, Step: k.Steps.step,
		Wrap: func(store kv.Store) kv.Store { // every transaction runs twice, and can be made to fail
			k.Store = kvtest.Faulty(kvtest.Rerun(store))
			return k.Store
		},
	})
	Must(t, err)
	k.Allowlist, k.Server = a, k.Env.Start(t, a)
	k.Owner = k.As(t, k.Env.Owner(t, "acme"))
	k.Member = k.As(t, k.Env.Member(t, "acme"))
	k.Admin = k.As(t, k.Env.SuperAdmin(t))
	k.Sender = k.As(t, k.Env.Sender(t))
}

// AcceptVault confirms, as a super admin, that the vault was restored. The vault may just have been
// started.
func (k *Kit) AcceptVault(t testing.TB) *allowlistv1.AcceptVaultCheckpointResponse {
	t.Helper()
	var accepted *allowlistv1.AcceptVaultCheckpointResponse
	Eventually(t, func() (done bool) {
		var err error
		accepted, err = k.Admin.AcceptVaultCheckpoint(t.Context(), &allowlistv1.AcceptVaultCheckpointRequest{Parent: "workspaces/-", Reason: "restored from a backup"})
		return err == nil
	}, "AcceptVaultCheckpoint does not succeed")
	return accepted
}

// Restart closes the allowlist and opens it again.
func (k *Kit) Restart(t testing.TB) {
	t.Helper()
	k.Server.Stop()
	k.Start(t)
}

// As connects to the allowlist as a caller.
func (k *Kit) As(t testing.TB, caller servertest.Caller) Client {
	t.Helper()
	return Client{allowlistv1.NewAllowlistServiceClient(k.Env.Dial(t, k.Server.Addr, caller)), caller.Subject}
}
