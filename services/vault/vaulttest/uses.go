package vaulttest

import (
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// ReportRequest returns a report of uses.
func ReportRequest(id string, uses ...*vaultv1.SecretUse) *vaultv1.ReportSecretUsesRequest {
	return &vaultv1.ReportSecretUsesRequest{Parent: Workspace, ReportId: id, Uses: uses}
}

// UseOf returns the use of one version.
func UseOf(id, uid string, version uint32, used uint64) *vaultv1.SecretUse {
	return &vaultv1.SecretUse{Secret: NameOf(id), Uid: uid, Version: version, Used: used}
}

// Report reports uses and fails the test on an error.
func (c Client) Report(t testing.TB, id string, uses ...*vaultv1.SecretUse) {
	t.Helper()
	if _, err := c.ReportSecretUses(t.Context(), ReportRequest(id, uses...)); err != nil {
		t.Fatalf("ReportSecretUses(%s) = %v", id, err)
	}
}

// Uses returns the shown uses of a secret's versions, newest first.
func (c Client) Uses(t testing.TB, id string) []*vaultv1.SecretVersion {
	t.Helper()
	res, err := c.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: NameOf(id)})
	if err != nil {
		t.Fatal(err)
	}
	shown := make([]*vaultv1.SecretVersion, len(res.GetVersions()))
	for i, v := range res.GetVersions() {
		shown[i] = &vaultv1.SecretVersion{UseCount: v.GetUseCount(), FailureCount: v.GetFailureCount(), LastUseTime: v.GetLastUseTime()}
	}
	return shown
}
