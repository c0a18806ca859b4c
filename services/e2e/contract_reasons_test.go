package e2e

import (
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A reason has one name on the wire, and so only one declaration.
func TestSharedReasonsAreDeclaredOnce(t *testing.T) {
	t.Parallel()
	shared := commonv1.ErrorReason(0).Descriptor().Values()
	vault, allowlist := vaultv1.ErrorReason(0).Descriptor(), allowlistv1.ErrorReason(0).Descriptor()
	for i := range shared.Len() {
		reason := shared.Get(i)
		if reason.Number() == 0 {
			continue
		}
		if !vault.ReservedNames().Has(reason.Name()) || !allowlist.ReservedNames().Has(reason.Name()) {
			t.Errorf("%s is shared; want its name reserved in the enums of both services", reason.Name())
		}
	}
	for i := range vault.Values().Len() {
		reason := vault.Values().Get(i)
		if reason.Number() != 0 && allowlist.Values().ByName(reason.Name()) != nil {
			t.Errorf("%s is a reason of both services; declare it in common/v1/errors.proto", reason.Name())
		}
	}
}
