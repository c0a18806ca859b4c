package vault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/services/vault"
)

func TestTheDeleteGraceHasBounds(t *testing.T) {
	t.Parallel()
	for grace, ok := range map[time.Duration]bool{
		-1: false, 0: true, time.Second: true, 90 * 24 * time.Hour: true, 90*24*time.Hour + 1: false,
	} {
		cfg := vault.Config{Store: "vault.db", Keys: kek.Config{KeyFile: "vault.kek"}, DeleteGrace: grace}
		if err := cfg.Check(); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "delete_grace") {
			t.Errorf("Check() with a grace of %v = %v, want success: %v", grace, err, ok)
		}
	}
}
