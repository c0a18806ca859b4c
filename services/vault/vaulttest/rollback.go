package vaulttest

import (
	"os"
	"testing"

	"github.com/keyward/keyward/services/vault"
)

// Snapshot stops the vault, returns its data file, and starts it again.
func (k *Kit) Snapshot(t testing.TB) (file []byte) {
	t.Helper()
	k.Running.Stop()
	file, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	k.Start(t)
	return file
}

// Rollback replaces the data file by an earlier one, without saying so.
func (k *Kit) Rollback(t testing.TB, file []byte) {
	t.Helper()
	k.replace(t, file)
	k.Start(t)
}

// RestoreFile restores an earlier data file as the command does.
func (k *Kit) RestoreFile(t testing.TB, file []byte, reason string) {
	t.Helper()
	k.replace(t, file)
	if err := vault.MarkRestored(t.Context(), k.Config, reason); err != nil {
		t.Fatal(err)
	}
	k.Start(t)
}

func (k *Kit) replace(t testing.TB, file []byte) {
	t.Helper()
	k.Running.Stop()
	if err := os.WriteFile(k.Config.Store, file, 0o600); err != nil {
		t.Fatal(err)
	}
}
