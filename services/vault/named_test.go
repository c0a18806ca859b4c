package vault_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
)

func TestNamedVersionIsBoundWhileItIsEnabledOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.rotated(t, "key", "first", "second", "third")
	k.owner.must(t, disable, "key", 1)
	k.owner.must(t, destroy, "key", 2)
	k.owner.must(t, disable, "key", 3)
	bind := func(version uint32, operation string) error {
		req := bindRequest("key", "e", operation)
		req.Version = version
		_, err := k.resolver.BindSecret(t.Context(), req)
		return err
	}
	wantError(t, "a disabled version", bind(1, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	wantError(t, "a destroyed version", bind(2, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DESTROYED)
	wantError(t, "the current version by number", bind(3, "op"), codes.FailedPrecondition, commonv1.ErrorReason_ERROR_REASON_VERSION_DISABLED)
	if got := k.owner.get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("refused bindings left %d references", got)
	}
	if err := bind(0, "op"); err != nil {
		t.Errorf("the current version, whatever it is = %v", err)
	}
	k.owner.must(t, enable, "key", 1)
	if err := bind(1, "op2"); err != nil {
		t.Errorf("a version that is enabled again = %v", err)
	}
}
