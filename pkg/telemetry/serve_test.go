package telemetry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/telemetry"
)

func TestMetricsStayOnTheMachineUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		config telemetry.MetricsConfig
		ok     bool
	}{
		{"none", telemetry.MetricsConfig{}, true},
		{"on loopback", telemetry.MetricsConfig{Listen: "127.0.0.1:9090"}, true},
		{"on loopback by name", telemetry.MetricsConfig{Listen: "localhost:9090"}, true},
		{"on loopback of IPv6", telemetry.MetricsConfig{Listen: "[::1]:9090"}, true},
		{"on loopback with a token", telemetry.MetricsConfig{Listen: "127.0.0.1:9090", TokenFile: "t"}, true},
		{"on all interfaces", telemetry.MetricsConfig{Listen: ":9090"}, false},
		{"on all interfaces, written out", telemetry.MetricsConfig{Listen: "0.0.0.0:9090"}, false},
		{"on a name", telemetry.MetricsConfig{Listen: "vault.internal:9090"}, false},
		{"on all interfaces and public", telemetry.MetricsConfig{Listen: ":9090", Public: true}, true},
		{"on all interfaces with a token", telemetry.MetricsConfig{Listen: ":9090", TokenFile: "t"}, true},
		{"public and with a token", telemetry.MetricsConfig{Listen: ":9090", Public: true, TokenFile: "t"}, false},
		{"public and nowhere", telemetry.MetricsConfig{Public: true}, false},
		{"no address", telemetry.MetricsConfig{Listen: "nowhere"}, false},
	}
	for _, tt := range tests {
		if err := tt.config.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: Check() = %v, want OK: %v", tt.name, err, tt.ok)
		}
	}
}

func TestTokenThatIsTooShortIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	for text, ok := range map[string]bool{"": false, "fifteen-letters\n\n": false, "sixteen--letters\n": true} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := new(telemetry.Token).Load(path)
		if (err == nil) != ok {
			t.Errorf("Load() of %d bytes = %v, want OK: %v", len(text), err, ok)
		}
		if err != nil && strings.Contains(err.Error(), "fifteen") {
			t.Errorf("the error quotes the token: %v", err)
		}
	}
}
