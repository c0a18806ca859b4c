package api_test

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func hostsOfVersions(t *testing.T, k *vaulttest.Kit, id string) [][]string {
	t.Helper()
	var all [][]string
	for _, v := range k.Owner.Versions(t, id) {
		all = append(all, v.GetAllowedHosts())
	}
	return all
}

func bindHost(t *testing.T, c vaulttest.Client, id, host, operation string, version uint32) error {
	t.Helper()
	return bindPort(t, c, id, host, 443, operation, version)
}

func bindPort(t *testing.T, c vaulttest.Client, id, host string, port uint32, operation string, version uint32) error {
	t.Helper()
	_, err := c.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: vaulttest.NameOf(id), Usage: vaultv1.Usage_USAGE_CREDENTIAL, Host: host, Port: port, Version: version,
		Referrer: vaulttest.Workspace + "/endpoints/" + operation, OperationId: operation,
	})
	return err
}

func resolvedHosts(t *testing.T, c vaulttest.Client, id, uid string, version uint32) []string {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: vaulttest.NameOf(id), Uid: uid, Version: version})
	if err != nil {
		t.Fatalf("ResolveSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetAllowedHosts()
}

// An owner cannot have an unknown value sent to a host of their choice.
func TestHostsBelongToAVersion(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "token", &vaultv1.Secret{
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"bank.example", "old.example"}, Value: vaulttest.Text("the bank's token, version 1"),
	})
	hosts := func(of ...string) *vaultv1.UpdateSecretRequest {
		return &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("token"), AllowedHosts: of}}
	}
	_, err := k.Owner.UpdateSecret(t.Context(), hosts("bank.example", "owner.example"))
	vaulttest.WantField(t, "an owner who adds a host", err, "secret.allowed_hosts")
	if _, err := k.Owner.UpdateSecret(t.Context(), hosts("bank.example")); err != nil {
		t.Errorf("an owner who removes a host: %v", err)
	}

	next := hosts("bank.example", "owner.example")
	next.Secret.Value = vaulttest.Text("another token, version 2")
	if _, err := k.Owner.UpdateSecret(t.Context(), next); err != nil {
		t.Fatal(err)
	}
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[0], []string{"bank.example", "owner.example"}) || !slices.Equal(got[1], []string{"bank.example"}) {
		t.Errorf("hosts of versions = %v", got)
	}
	vaulttest.WantError(t, "the previous version for the new host", bindHost(t, k.Resolver, "token", "owner.example", "a", 1),
		codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED)
	if err := bindHost(t, k.Resolver, "token", "owner.example", "b", 0); err != nil {
		t.Errorf("the current version for its host: %v", err)
	}
	if got := resolvedHosts(t, k.Resolver, "token", made.GetUid(), 1); !slices.Equal(got, []string{"bank.example"}) {
		t.Errorf("version 1 may go to %v", got)
	}
	_, err = k.Owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf("token", 1)})
	vaulttest.WantError(t, "a restore of a version without the hosts in use", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_SECRET_IN_USE)
	k.Resolver.Unbind(t, "token", "b")
	if err := bindHost(t, k.Resolver, "token", "bank.example", "c", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf("token", 1)}); err != nil {
		t.Fatal(err)
	}
	change := k.Owner.History(t, "token")[0]
	if got := k.Owner.Get(t, "token").GetAllowedHosts(); !slices.Equal(got, []string{"bank.example"}) || !slices.Equal(change.GetNewAllowedHosts(), got) {
		t.Errorf("hosts after the restore = %v, in the log %v", got, change.GetNewAllowedHosts())
	}
	if got := resolvedHosts(t, k.Resolver, "token", made.GetUid(), 0); !slices.Equal(got, []string{"bank.example"}) {
		t.Errorf("the restored version may go to %v", got)
	}
	if _, err := k.Admin.UpdateSecret(t.Context(), hosts("bank.example", "new.example")); err != nil {
		t.Errorf("a super admin who adds a host: %v", err)
	}
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[1], []string{"bank.example", "new.example"}) || !slices.Equal(got[0], []string{"bank.example", "owner.example"}) {
		t.Errorf("hosts of versions = %v", got)
	}
}

func TestAVersionThatWaitsBringsItsHostsAlong(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "token", &vaultv1.Secret{Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example"}})
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: vaulttest.NameOf("token"), AllowedHosts: []string{"b.example"}, Value: vaulttest.Text("a token for the next host")}, KeepCurrent: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Owner.Get(t, "token"); !slices.Equal(got.GetAllowedHosts(), []string{"a.example"}) || got.GetCurrentVersion() != 1 {
		t.Errorf("while it is not current: %v", got)
	}
	vaulttest.WantError(t, "its host while it is not current", bindHost(t, k.Resolver, "token", "b.example", "a", 0),
		codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_HOST_NOT_ALLOWED)
	if err := bindHost(t, k.Resolver, "token", "b.example", "b", 2); err != nil {
		t.Errorf("its host, with the version number: %v", err)
	}
	k.Resolver.Unbind(t, "token", "b")
	if _, err := k.Owner.RestoreSecretVersion(t.Context(), &vaultv1.RestoreSecretVersionRequest{Name: vaulttest.VersionOf("token", 2)}); err != nil {
		t.Fatal(err)
	}
	if got := k.Owner.Get(t, "token").GetAllowedHosts(); !slices.Equal(got, []string{"b.example"}) {
		t.Errorf("hosts after the restore = %v", got)
	}
	k.Running.Stop()
	k.Start(t)
	if got := hostsOfVersions(t, k, "token"); !slices.Equal(got[0], []string{"b.example"}) || !slices.Equal(got[1], []string{"a.example"}) {
		t.Errorf("hosts of versions after a restart = %v", got)
	}
}
