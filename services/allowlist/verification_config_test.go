package allowlist_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestTheVerificationConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		config allowlist.VerificationConfig
		want   string // expected in the error; empty: no error
	}{
		{"nothing", allowlist.VerificationConfig{}, ""},
		{"everything", allowlist.VerificationConfig{
			Resolvers:   []string{"10.0.0.2", "10.0.0.2:5353", "fd00::2", "[fd00::2]:53"},
			AllowRanges: []string{"10.20.0.0/16", "fd00::/8", "127.0.0.1/32"}, Recheck: time.Hour, Grace: time.Hour, CAFile: "ca.pem",
		}, ""},
		{"a resolver by name", allowlist.VerificationConfig{Resolvers: []string{"dns.example"}}, "verification.resolvers"},
		{"a range without a length", allowlist.VerificationConfig{AllowRanges: []string{"10.20.0.0"}}, "verification.allow_ranges"},
		{"a range with bits after its prefix", allowlist.VerificationConfig{AllowRanges: []string{"10.20.0.1/16"}}, "verification.allow_ranges"},
		{"an interval that is too short", allowlist.VerificationConfig{Recheck: time.Second}, "verification.recheck"},
		{"an interval that is too long", allowlist.VerificationConfig{Recheck: 30*24*time.Hour + 1}, "verification.recheck"},
		{"a negative interval", allowlist.VerificationConfig{Recheck: -time.Hour}, "verification.recheck"},
		{"a negative grace", allowlist.VerificationConfig{Grace: -time.Hour}, "verification.grace"},
	} {
		err := allowlist.Config{
			Store: "a", Keys: kek.Config{KeyFile: "b"}, Verification: tt.config,
			Vault: allowlist.VaultConfig{Address: "c", CA: "d", Certificate: "e", Key: "f"},
		}.Check()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Check = %v, want an error about %q", tt.name, err, tt.want)
		}
	}
}

func TestAnAuthorityFileThatCannotBeReadStopsTheStart(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	empty := filepath.Join(t.TempDir(), "ca.pem")
	k.Config.Store = filepath.Join(t.TempDir(), "allowlist.db")
	allowlisttest.Must(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for _, path := range []string{empty, empty + ".none"} {
		k.Config.Verification.CAFile = path
		if a, err := allowlist.New(t.Context(), k.Config, k.Env.Logger, nil); err == nil || !strings.Contains(err.Error(), "verification.ca_file") {
			t.Errorf("New with %s = %v, %v, want an error about it", path, a, err)
		}
	}
}
