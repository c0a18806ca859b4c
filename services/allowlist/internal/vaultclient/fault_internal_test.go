package vaultclient

import (
	"testing"

	"github.com/keyward/keyward/pkg/fault"
	"github.com/keyward/keyward/services/allowlist/internal/witness"
)

// A vault that is killed right after its answer is unavailable for a moment. That is no internal
// error.
func TestAnAnswerOfAnEarlierRunIsAnUnavailableVault(t *testing.T) {
	t.Parallel()
	restarted := fault.New(fault.Unavailable, fault.Unreachable, "the vault restarted").Because(witness.ErrOtherRun)
	if err := translate(t.Context(), "bind", restarted); !fault.Is(err, ReasonVaultUnavailable) {
		t.Errorf("translate() = %v, want VAULT_UNAVAILABLE", err)
	}
}
