// Package vaulttest starts a vault with a real server, for the tests of all packages of the vault.
// A [Kit] has clients for the relevant callers.
package vaulttest

import (
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
)

// Workspace is the workspace of the tests.
const Workspace = "workspaces/acme"

// Everywhere is the parent of requests that concern all workspaces.
const Everywhere = "workspaces/-"

// A Kit is a vault with a real server, and clients for its most frequent callers.
type Kit struct {
	Env     *servertest.Env
	Config  vault.Config
	Vault   *vault.Vault
	Running *servertest.Running

	Owner, Admin, Resolver Client
}

// A Client makes calls as one caller.
type Client struct {
	vaultv1.VaultServiceClient
	Keyring     vaultv1.KeyringServiceClient
	Maintenance vaultv1.MaintenanceServiceClient
	Subject     string
}

// New starts a vault with an empty store.
func New(t testing.TB) *Kit {
	t.Helper()
	folder := t.TempDir()
	k := &Kit{
		Env:    servertest.New(t),
		Config: vault.Config{Store: filepath.Join(folder, "vault.db"), Keys: kek.Config{KeyFile: filepath.Join(folder, "key")}},
	}
	if err := vault.CreateKey(k.Config.Keys.KeyFile); err != nil {
		t.Fatal(err)
	}
	k.Start(t)
	return k
}

// Start opens the vault, for the first time or again, and connects the clients.
func (k *Kit) Start(t testing.TB) {
	t.Helper()
	var err error
	if k.Vault, err = vault.New(t.Context(), k.Config, k.Env.Logger); err != nil {
		t.Fatal(err)
	}
	k.Running = k.Env.Start(t, k.Vault)
	k.Owner = k.As(t, k.Env.Owner(t, "acme"))
	k.Admin = k.As(t, k.Env.SuperAdmin(t))
	k.Resolver = k.As(t, k.Env.Resolver(t))
}

// As returns a client that connects to the vault as a caller.
func (k *Kit) As(t testing.TB, caller servertest.Caller) Client {
	t.Helper()
	conn := k.Env.Dial(t, k.Running.Addr, caller)
	return Client{vaultv1.NewVaultServiceClient(conn), vaultv1.NewKeyringServiceClient(conn), vaultv1.NewMaintenanceServiceClient(conn), caller.Subject}
}
