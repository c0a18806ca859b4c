package vault_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func hostsOfVersions(t *testing.T, k *kit, id string) [][]string {
	t.Helper()
	var all [][]string
	for _, v := range k.owner.versions(t, id) {
		all = append(all, v.GetAllowedHosts())
	}
	return all
}

func (c client) bindHost(t *testing.T, id, host, operation string, version uint32) error {
	t.Helper()
	return c.bindPort(t, id, host, 443, operation, version)
}

func (c client) bindPort(t *testing.T, id, host string, port uint32, operation string, version uint32) error {
	t.Helper()
	_, err := c.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: nameOf(id), Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: host, Port: port, Version: version,
		Referrer: workspace + "/endpoints/" + operation, OperationId: operation,
	})
	return err
}

func (c client) resolvedHosts(t *testing.T, id, uid string, version uint32) []string {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf(id), Uid: uid, Version: version})
	if err != nil {
		t.Fatalf("ResolveSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetAllowedHosts()
}

// An owner cannot have a value that they do not know sent to a host of their choice.
func TestHostsBelongToAVersion(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	made := k.owner.create(t, "token", &vaultv1.Secret{
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"bank.example", "old.example"}, Value: text("the bank's token, version 1"),
	})
	hosts := func(of ...string) *vaultv1.UpdateSecretRequest {
		return &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: nameOf("token"), AllowedHosts: of}}
	}
	_, err := k.owner.UpdateSecret(t.Context(), hosts("bank.example", "owner.example"))
	wantField(t, "an owner who adds a host", err, "secret.allowed_hosts")
	if _, err := k.owner.UpdateSecret(t.Context(), hosts("bank.example")); err != nil {
		t.Errorf("an owner who takes a host away: %v", err)
	}

	next := hosts("bank.example", "owner.example")
	next.Secret.Value = text("another token, version 2")
	if _, err := k.owner.UpdateSecret(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[0], []string{"bank.example", "owner.example"}) || !slices.Equal(got[1], []string{"bank.example"}) {
		t.Errorf("hosts of versions = %v", got)
	}
	wantError(t, "the version before for the new host", k.resolver.bindHost(t, "token", "owner.example", "a", 1),
		codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED)
	if err := k.resolver.bindHost(t, "token", "owner.example", "b", 0); err != nil {
		t.Errorf("the current version for its host: %v", err)
	}
	if got := k.resolver.resolvedHosts(t, "token", made.GetUid(), 1); !slices.Equal(got, []string{"bank.example"}) {
		t.Errorf("version 1 may go to %v", got)
	}
	_, err = k.owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: versionOf("token", 1)})
	wantError(t, "a restore while its hosts are not those in use", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
	k.resolver.unbind(t, "token", "b")
	if err := k.resolver.bindHost(t, "token", "bank.example", "c", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: versionOf("token", 1)}); err != nil {
		t.Fatal(err)
	}
	change := k.owner.history(t, "token")[0]
	if got := k.owner.get(t, "token").GetAllowedHosts(); !slices.Equal(got, []string{"bank.example"}) || !slices.Equal(change.GetNewAllowedHosts(), got) {
		t.Errorf("hosts after the restore = %v, on the log %v", got, change.GetNewAllowedHosts())
	}
	if got := k.resolver.resolvedHosts(t, "token", made.GetUid(), 0); !slices.Equal(got, []string{"bank.example"}) {
		t.Errorf("the restored version may go to %v", got)
	}
	if _, err := k.admin.UpdateSecret(t.Context(), hosts("bank.example", "new.example")); err != nil {
		t.Errorf("a super admin who adds a host: %v", err)
	}
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[1], []string{"bank.example", "new.example"}) || !slices.Equal(got[0], []string{"bank.example", "owner.example"}) {
		t.Errorf("hosts of versions = %v", got)
	}
}

func TestAVersionThatWaitsBringsItsHostsAlong(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "token", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}})
	_, err := k.owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: nameOf("token"), AllowedHosts: []string{"b.example"}, Value: text("a token for the next host")}, KeepCurrent: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.owner.get(t, "token"); !slices.Equal(got.GetAllowedHosts(), []string{"a.example"}) || got.GetCurrentVersion() != 1 {
		t.Errorf("while it waits: %v", got)
	}
	wantError(t, "its host while it waits", k.resolver.bindHost(t, "token", "b.example", "a", 0),
		codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED)
	if err := k.resolver.bindHost(t, "token", "b.example", "b", 2); err != nil {
		t.Errorf("its host by its number: %v", err)
	}
	k.resolver.unbind(t, "token", "b")
	if _, err := k.owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: versionOf("token", 2)}); err != nil {
		t.Fatal(err)
	}
	if got := k.owner.get(t, "token").GetAllowedHosts(); !slices.Equal(got, []string{"b.example"}) {
		t.Errorf("hosts after the restore = %v", got)
	}
	k.running.Stop()
	k.start(t)
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[0], []string{"b.example"}) || !slices.Equal(got[1], []string{"a.example"}) {
		t.Errorf("hosts of versions after a restart = %v", got)
	}
}
