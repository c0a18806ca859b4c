package allowlist_test

import (
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/services/allowlist"
)

func TestTheWayToTheVaultIsChecked(t *testing.T) {
	t.Parallel()
	const api = "unix:///run/spire/agent.sock"
	for _, tt := range []struct {
		name   string
		config allowlist.VaultConfig
		want   []string // expected in the error; empty: no error
	}{
		{"files", allowlist.VaultConfig{Address: "a", CA: "c", Certificate: "d", Key: "e"}, nil},
		{"nothing", allowlist.VaultConfig{}, []string{"vault.address: ", "vault.ca: ", "vault.certificate: ", "vault.key: "}},
		{"a Workload API", allowlist.VaultConfig{Address: "a", WorkloadAPI: api}, nil},
		{"a Workload API and authorities", allowlist.VaultConfig{Address: "a", WorkloadAPI: api, CA: "c"}, nil},
		{"a Workload API and a certificate", allowlist.VaultConfig{Address: "a", WorkloadAPI: api, Certificate: "d", Key: "e"}, []string{"vault.workload_api: "}},
		{"a Workload API over the network", allowlist.VaultConfig{Address: "a", WorkloadAPI: "tcp://10.0.0.1:8081"}, []string{"vault.workload_api: "}},
		{"a Workload API and no address", allowlist.VaultConfig{WorkloadAPI: api}, []string{"vault.address: "}},
	} {
		err := allowlist.Config{Store: "a", Keys: kek.Config{KeyFile: "b"}, Vault: tt.config}.Check()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: Check = %v, want an error: %v", tt.name, err, tt.want)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Check = %v, want an error with %q", tt.name, err, want)
			}
		}
	}
}
