package allowlist_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// A rotation replaces the key of the change log, which the vault follows: messages go on, before and
// after a restart.
func TestKeyringRotatesWhileMessagesGoOn(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Orders(t)
	for range 2 {
		admin := allowlistv1.NewKeyringServiceClient(k.Env.Dial(t, k.Server.Addr, k.Env.SuperAdmin(t)))
		get := func() *keyringv1.Keyring {
			res, err := admin.GetKeyring(t.Context(), &keyringv1.GetKeyringRequest{Parent: "workspaces/-"})
			allowlisttest.Must(t, err)
			return res.GetKeyring()
		}
		before := get()
		res, err := admin.RotateKeyring(t.Context(), &keyringv1.RotateKeyringRequest{Parent: "workspaces/-", Reason: "yearly"})
		allowlisttest.Must(t, err)
		if after := res.GetKeyring(); after.GetLogKey() == before.GetLogKey() || after.GetKeys()[0].GetId() == before.GetKeys()[0].GetId() {
			t.Errorf("the keyring after the rotation = %v, want another key and another log key", after)
		}
		if !k.Uses(t, 1) {
			t.Error("the endpoint does not encrypt after the rotation")
		}
		old := before.GetKeys()[0].GetId()
		_, err = admin.DestroyKey(t.Context(), &keyringv1.DestroyKeyRequest{Parent: "workspaces/-", KeyId: old, Reason: "rotated"})
		if err != nil {
			t.Errorf("DestroyKey(the old key) = %v, want success: the allowlist has no values", err)
		}
		k.Restart(t)
		if !k.Uses(t, 1) {
			t.Error("the endpoint does not encrypt after a restart")
		}
	}
	if err := k.Allowlist.Verify(t.Context()); err != nil {
		t.Errorf("Verify() = %v", err)
	}
}

func TestKeyringIsForSuperAdmins(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for name, caller := range map[string]servertest.Caller{
		"an owner": k.Env.Owner(t, "acme"), "a member": k.Env.Member(t, "acme"), "a sender": k.Env.Sender(t),
	} {
		c := allowlistv1.NewKeyringServiceClient(k.Env.Dial(t, k.Server.Addr, caller))
		_, err := c.RotateKeyring(t.Context(), &keyringv1.RotateKeyringRequest{Parent: "workspaces/-"})
		if status.Code(err) != codes.PermissionDenied || servertest.Reason(err) != "PERMISSION_DENIED" {
			t.Errorf("RotateKeyring by %s = %v, want PERMISSION_DENIED", name, err)
		}
	}
}
