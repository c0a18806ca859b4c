package secret_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestNamedVersionIsBoundWhileItIsEnabledOnly(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Rotated(t, "key", "first", "second", "third")
	k.Owner.MustChange(t, vaulttest.Disable, "key", 1)
	k.Owner.MustChange(t, vaulttest.Destroy, "key", 2)
	k.Owner.MustChange(t, vaulttest.Disable, "key", 3)
	bind := func(version uint32, operation string) error {
		req := vaulttest.BindRequest("key", "e", operation)
		req.Version = version
		_, err := k.Resolver.BindSecret(t.Context(), req)
		return err
	}
	vaulttest.WantError(t, "a disabled version", bind(1, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	vaulttest.WantError(t, "a destroyed version", bind(2, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	vaulttest.WantError(t, "the current version by number", bind(3, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("refused bindings left %d references", got)
	}
	if err := bind(0, "op"); err != nil {
		t.Errorf("the current version, whatever it is = %v", err)
	}
	k.Owner.MustChange(t, vaulttest.Enable, "key", 1)
	if err := bind(1, "op2"); err != nil {
		t.Errorf("a version that is enabled again = %v", err)
	}
}
