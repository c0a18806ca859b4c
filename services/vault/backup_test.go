package vault_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/server/servertest"
	"github.com/keyward/keyward/pkg/verify"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// backUp calls Backup as a caller.
func backUp(t *testing.T, k *vaulttest.Kit, caller servertest.Caller) ([]byte, error) {
	t.Helper()
	client := vaultv1.NewMaintenanceServiceClient(k.Env.Dial(t, k.Running.Addr, caller))
	stream, err := client.Backup(t.Context(), &maintenancev1.BackupRequest{Parent: "workspaces/-"})
	if err != nil {
		return nil, err
	}
	var file []byte
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return file, nil
		}
		if err != nil {
			return nil, err
		}
		file = append(file, part.GetData()...)
	}
}

func TestBackupIsForSuperAdmins(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for who, caller := range callers(t, k) {
		_, err := backUp(t, k, caller)
		want := codes.PermissionDenied
		switch who {
		case aSuperAdmin:
			want = codes.OK
		case anonymous, aProxy:
			want = codes.Unauthenticated
		}
		if status.Code(err) != want {
			t.Errorf("Backup by %s = %v, want %v", who, err, want)
		}
	}
}

func TestRestoredVaultHasTheSecretsAndKnowsOfIt(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "kept", &vaultv1.Secret{})
	file, err := backUp(t, k, k.Env.SuperAdmin(t))
	if err != nil {
		t.Fatal(err)
	}
	k.Owner.Create(t, "later", &vaultv1.Secret{})

	options := verify.Options{Report: func(f verify.Difference) { t.Errorf("the backup differs: %v", f) }}
	found, err := vault.VerifyBackup(t.Context(), k.Config, bytes.NewReader(file), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Vault.Includes(t.Context(), found.Checkpoint); err != nil {
		t.Errorf("the running log does not extend the head of the backup: %v", err)
	}
	if _, err := vault.Restore(t.Context(), k.Config, bytes.NewReader(file), "a test"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Restore over the data file = %v, want %v", err, fs.ErrExist)
	}
	other := k.Config
	other.Keys.KeyFile = filepath.Join(t.TempDir(), "key")
	if err := vault.CreateKey(other.Keys.KeyFile); err != nil {
		t.Fatal(err)
	}
	if _, err := vault.VerifyBackup(t.Context(), other, bytes.NewReader(file), options); !errors.Is(err, keyring.ErrWrongKey) {
		t.Errorf("VerifyBackup with another key file = %v, want %v", err, keyring.ErrWrongKey)
	}

	restored := &vaulttest.Kit{Env: k.Env, Config: k.Config}
	restored.Config.Store = filepath.Join(t.TempDir(), "vault.db")
	if _, err := vault.Restore(t.Context(), restored.Config, bytes.NewReader(file), "a test"); err != nil {
		t.Fatal(err)
	}
	restored.Start(t)
	if _, err := restored.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("kept")}); err != nil {
		t.Errorf("GetSecret of the restored vault = %v", err)
	}
	_, err = restored.Owner.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: vaulttest.NameOf("later")})
	if status.Code(err) != codes.NotFound {
		t.Errorf("GetSecret of a secret from after the backup = %v", err)
	}
	admin := vaultv1.NewMaintenanceServiceClient(k.Env.Dial(t, restored.Running.Addr, k.Env.SuperAdmin(t)))
	got, err := admin.GetRestore(t.Context(), &vaultv1.GetRestoreRequest{Parent: "workspaces/-"})
	if err != nil || !strings.Contains(got.GetRestore().GetReason(), "a test") {
		t.Errorf("GetRestore = %v, %v, want the restore", got, err)
	}
}
