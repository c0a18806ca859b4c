package client

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A Vault is the vault's generated client with convenience methods.
type Vault struct{ vaultv1.VaultServiceClient }

// NewVault returns the vault at the other end of a connection.
func NewVault(conn grpc.ClientConnInterface) Vault {
	return Vault{vaultv1.NewVaultServiceClient(conn)}
}

// Text returns a value from a string.
func Text(text string) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}}
}

// Data returns a value from bytes.
func Data(data []byte) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: data}}
}

// Generate returns a value that the vault generates and that no one can view.
func Generate(kind vaultv1.Generate_Kind) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}}}
}

// Store makes a value the current version of the named secret,
// `workspaces/{workspace}/secrets/{secret}`. If the secret does not exist, it is created as a KEY.
// The reason is for the change log and may be empty.
func (v Vault) Store(ctx context.Context, name string, value *vaultv1.SecretValue, reason string) (*vaultv1.Secret, error) {
	updated, err := v.Rotate(ctx, name, value, reason)
	if !HasReason(err, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND) {
		return updated, err
	}
	parent, id, _ := strings.Cut(name, "/secrets/")
	created, err := v.CreateSecret(ctx, &vaultv1.CreateSecretRequest{
		Parent: parent, SecretId: id, Secret: &vaultv1.Secret{Value: value}, Reason: reason,
	})
	if errors.Is(err, ErrExists) { // another caller created it first, or it was deleted with a grace
		updated, again := v.Rotate(ctx, name, value, reason)
		if !HasReason(again, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND) {
			return updated, again
		}
	}
	return created.GetSecret(), err
}

// Rotate adds a version to an existing secret and makes it the current one.
func (v Vault) Rotate(ctx context.Context, name string, value *vaultv1.SecretValue, reason string) (*vaultv1.Secret, error) {
	updated, err := v.UpdateSecret(ctx, &vaultv1.UpdateSecretRequest{
		Secret:     &vaultv1.Secret{Name: name, Value: value},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"value"}},
		Reason:     reason,
	})
	return updated.GetSecret(), err
}

// Restore makes a version current again. The secret is
// `workspaces/{workspace}/secrets/{secret}`; the reason, here and below, is for the change
// log and may be empty.
func (v Vault) Restore(ctx context.Context, secret string, version uint32, reason string) (*vaultv1.SecretVersion, error) {
	res, err := v.RestoreSecretVersion(ctx, &vaultv1.RestoreSecretVersionRequest{Name: versionName(secret, version), Reason: reason})
	return res.GetVersion(), err
}

// Enable lets a disabled version be resolved again.
func (v Vault) Enable(ctx context.Context, secret string, version uint32, reason string) (*vaultv1.SecretVersion, error) {
	res, err := v.EnableSecretVersion(ctx, &vaultv1.EnableSecretVersionRequest{Name: versionName(secret, version), Reason: reason})
	return res.GetVersion(), err
}

// Disable keeps a version from being resolved until it is enabled again.
func (v Vault) Disable(ctx context.Context, secret string, version uint32, reason string) (*vaultv1.SecretVersion, error) {
	res, err := v.DisableSecretVersion(ctx, &vaultv1.DisableSecretVersionRequest{Name: versionName(secret, version), Reason: reason})
	return res.GetVersion(), err
}

// Destroy erases the value of a version for good. It fails if the version is in use.
func (v Vault) Destroy(ctx context.Context, secret string, version uint32, reason string) (*vaultv1.SecretVersion, error) {
	res, err := v.DestroySecretVersion(ctx, &vaultv1.DestroySecretVersionRequest{Name: versionName(secret, version), Reason: reason})
	return res.GetVersion(), err
}

func versionName(secret string, version uint32) string {
	return fmt.Sprintf("%s/versions/%d", secret, version)
}

// Secrets iterates over all pages of [vaultv1.VaultServiceClient.ListSecrets]. An error ends the
// iteration.
func (v Vault) Secrets(ctx context.Context, req *vaultv1.ListSecretsRequest) iter.Seq2[*vaultv1.Secret, error] {
	return pages(ctx, req, v.ListSecrets, (*vaultv1.ListSecretsResponse).GetSecrets)
}

// Versions iterates over the versions of a secret, newest first. An error ends the iteration.
func (v Vault) Versions(ctx context.Context, secret string) iter.Seq2[*vaultv1.SecretVersion, error] {
	return pages(ctx, &vaultv1.ListSecretVersionsRequest{Parent: secret}, v.ListSecretVersions,
		(*vaultv1.ListSecretVersionsResponse).GetVersions)
}

// Bindings iterates over the bindings of a secret; `-` as the secret means the whole workspace. An
// error ends the iteration.
func (v Vault) Bindings(ctx context.Context, secret string) iter.Seq2[*vaultv1.Binding, error] {
	return pages(ctx, &vaultv1.ListSecretBindingsRequest{Parent: secret}, v.ListSecretBindings,
		(*vaultv1.ListSecretBindingsResponse).GetBindings)
}

// History iterates over the changes of a secret, newest first; `-` as the secret means the whole
// workspace. An error ends the iteration.
func (v Vault) History(ctx context.Context, secret string) iter.Seq2[*vaultv1.SecretChange, error] {
	return pages(ctx, &vaultv1.ListSecretHistoryRequest{Name: secret}, v.ListSecretHistory,
		(*vaultv1.ListSecretHistoryResponse).GetChanges)
}
