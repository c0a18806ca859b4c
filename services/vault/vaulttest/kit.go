// Package vaulttest starts a vault behind a real server, for the tests of all packages
// of the vault. A [Kit] has clients of the callers that matter.
package vaulttest

import (
	"path/filepath"
	"testing"

	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
)

// Workspace is where the tests work.
const Workspace = "workspaces/acme"

// A Kit is a vault behind the real server, with clients of those who use it most.
type Kit struct {
	Env     *servertest.Env
	Config  vault.Config
	Vault   *vault.Vault
	Running *servertest.Running

	Owner, Admin, Resolver Client
}

// A Client calls as one caller.
type Client struct {
	vaultv1.VaultServiceClient
	Subject string
}

// New starts a vault with an empty store.
func New(t testing.TB) *Kit {
	t.Helper()
	folder := t.TempDir()
	k := &Kit{
		Env:    servertest.New(t),
		Config: vault.Config{Store: filepath.Join(folder, "vault.db"), KeyFile: filepath.Join(folder, "key")},
	}
	if err := vault.CreateKey(k.Config.KeyFile); err != nil {
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

// As connects to the vault as a caller.
func (k *Kit) As(t testing.TB, caller servertest.Caller) Client {
	t.Helper()
	conn := k.Env.Dial(t, k.Running.Addr, caller)
	return Client{vaultv1.NewVaultServiceClient(conn), caller.Subject}
}
