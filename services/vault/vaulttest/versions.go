package vaulttest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A VersionCall is one of the four requests that change a version.
type VersionCall struct {
	Name, Etag, Reason, RequestID string
	Force                         bool
}

// The four changes, by the name of their method.
const (
	Restore = "RestoreSecretVersion"
	Enable  = "EnableSecretVersion"
	Disable = "DisableSecretVersion"
	Destroy = "DestroySecretVersion"
)

// Change makes one of the four requests.
func (c Client) Change(ctx context.Context, method string, v VersionCall, opts ...grpc.CallOption) (*vaultv1.SecretVersion, error) {
	switch method {
	case Restore:
		res, err := c.RestoreSecretVersion(ctx, &vaultv1.RestoreSecretVersionRequest{Name: v.Name, Etag: v.Etag, Reason: v.Reason, RequestId: v.RequestID}, opts...)
		return res.GetVersion(), err
	case Enable:
		res, err := c.EnableSecretVersion(ctx, &vaultv1.EnableSecretVersionRequest{Name: v.Name, Etag: v.Etag, Reason: v.Reason, RequestId: v.RequestID}, opts...)
		return res.GetVersion(), err
	case Disable:
		res, err := c.DisableSecretVersion(ctx, &vaultv1.DisableSecretVersionRequest{Name: v.Name, Etag: v.Etag, Reason: v.Reason, RequestId: v.RequestID}, opts...)
		return res.GetVersion(), err
	default:
		res, err := c.DestroySecretVersion(ctx, &vaultv1.DestroySecretVersionRequest{Name: v.Name, Etag: v.Etag, Reason: v.Reason, RequestId: v.RequestID, Force: v.Force}, opts...)
		return res.GetVersion(), err
	}
}

// MustChange changes a version and fails the test on an error.
func (c Client) MustChange(t testing.TB, method, id string, version uint32) *vaultv1.SecretVersion {
	t.Helper()
	v := VersionCall{Name: VersionOf(id, version)}
	if method == Destroy {
		v.Force, v.Reason = true, "tested"
	}
	changed, err := c.Change(t.Context(), method, v)
	if err != nil {
		t.Fatalf("%s(%s, %d) = %v", method, id, version, err)
	}
	return changed
}

// VersionOf returns the name of a version.
func VersionOf(id string, version uint32) string {
	return fmt.Sprintf("%s/versions/%d", NameOf(id), version)
}

// Versions returns all versions of a secret, newest first.
func (c Client) Versions(t testing.TB, id string) []*vaultv1.SecretVersion {
	t.Helper()
	res, err := c.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: NameOf(id), PageSize: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetVersions()
}

// Rotated stores a secret with one version for each value, in order. The last version is current.
func (k *Kit) Rotated(t testing.TB, id string, values ...string) *vaultv1.Secret {
	t.Helper()
	got := k.Owner.Create(t, id, &vaultv1.Secret{Value: Text(values[0])})
	for _, value := range values[1:] {
		got = k.Owner.Update(t, &vaultv1.Secret{Name: NameOf(id), Value: Text(value)})
	}
	return got
}

// WantStates compares the number, the state, and Current of all versions, newest first.
func (c Client) WantStates(t testing.TB, what, id string, want ...*vaultv1.SecretVersion) {
	t.Helper()
	for i, v := range want {
		v.Version, v.Name = uint32(len(want)-i), VersionOf(id, uint32(len(want)-i))
		if v.GetState() == 0 {
			v.State = vaultv1.VersionState_VERSION_STATE_ENABLED
		}
	}
	other := protocmp.IgnoreFields(&vaultv1.SecretVersion{}, "create_time", "key_id", "use_count", "failure_count", "last_use_time", "weak_reason")
	if diff := cmp.Diff(want, c.Versions(t, id), protocmp.Transform(), other); diff != "" {
		t.Errorf("%s: versions of %s differ (-want +got):\n%s", what, id, diff)
	}
}

// WantUnresolved fails the test unless resolving a version fails with a reason.
func (c Client) WantUnresolved(t testing.TB, what, id, uid string, version uint32, reason fmt.Stringer) {
	t.Helper()
	_, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: NameOf(id), Uid: uid, Version: version, Purpose: Purpose()})
	WantError(t, what, err, codes.FailedPrecondition, reason)
}

// Enabled returns an enabled version.
func Enabled() *vaultv1.SecretVersion { return new(vaultv1.SecretVersion) }

// Disabled returns a disabled version.
func Disabled() *vaultv1.SecretVersion {
	return &vaultv1.SecretVersion{State: vaultv1.VersionState_VERSION_STATE_DISABLED}
}

// Destroyed returns a destroyed version.
func Destroyed() *vaultv1.SecretVersion {
	return &vaultv1.SecretVersion{State: vaultv1.VersionState_VERSION_STATE_DESTROYED}
}

// Current marks a version as the current one and returns it.
func Current(v *vaultv1.SecretVersion) *vaultv1.SecretVersion {
	v.Current = true
	return v
}
