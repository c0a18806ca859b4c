package frontdoor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/config"
	"github.com/keyward/keyward/services/frontdoor"
)

func TestTheConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	const start = "listen: 127.0.0.1:1\ntls: {certificate: c, key: k}\nvault: v\nallowlist: a\n"
	for _, tt := range []struct {
		name string
		text string
		want []string // in the error; empty: none
	}{
		{"files", start + "client: {certificate: c, key: k}\nca: a\n", nil},
		{"nothing", "", []string{"listen: ", "tls.certificate: ", "tls.key: ", "vault: ", "allowlist: ", "client.certificate: ", "client.key: ", "ca: "}},
		{"a Workload API", start + `client: {workload_api: "unix:///run/spire/agent.sock"}`, nil},
		{"a Workload API, authorities and names", start + "client: {workload_api: \"unix:///run/a\"}\nca: a\nvault_server_name: spiffe://d/vault\nallowlist_server_name: b\n", nil},
		{"a Workload API and a certificate", start + `client: {workload_api: "unix:///run/a", certificate: c}`, []string{"client.workload_api: "}},
		{"a Workload API over the network", start + `client: {workload_api: "tcp://10.0.0.1:1"}`, []string{"client.workload_api: "}},
	} {
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		var cfg frontdoor.Config
		if err := config.Load(path, &cfg); err != nil {
			t.Errorf("%s: Load = %v", tt.name, err)
		}
		err := cfg.Check()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: Check = %v, want an error: %v", tt.name, err, tt.want)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Check = %v, want it to say %q", tt.name, err, want)
			}
		}
	}
}

// A browser would not trust a workload's certificate.
func TestPeopleAreNotShownAWorkloadsCertificate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "gateway.yaml")
	if err := os.WriteFile(path, []byte(`tls: {workload_api: "unix:///run/a"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.Load(path, new(frontdoor.Config)); err == nil {
		t.Error("Load takes a Workload API for the certificate that people see")
	}
}
