package frontdoor_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/keyward/keyward/services/frontdoor"
)

// load reads a configuration in the same way as the programs: an unknown name is an error.
func load(text string, into *frontdoor.Config) error {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func TestTheConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	const start = "listen: 127.0.0.1:1\ntls: {certificate: c, key: k}\nvault: v\nallowlist: a\n"
	for _, tt := range []struct {
		name string
		text string
		want []string // part of the error; empty if there is no error
	}{
		{"files", start + "client: {certificate: c, key: k}\nca: a\n", nil},
		{"nothing", "", []string{"listen: ", "tls.certificate: ", "tls.key: ", "vault: ", "allowlist: ", "client.certificate: ", "client.key: ", "ca: "}},
		{"a Workload API", start + `client: {workload_api: "unix:///run/spire/agent.sock"}`, nil},
		{"a Workload API, authorities and names", start + "client: {workload_api: \"unix:///run/a\"}\nca: a\nvault_server_name: spiffe://d/vault\nallowlist_server_name: b\n", nil},
		{"a Workload API and a certificate", start + `client: {workload_api: "unix:///run/a", certificate: c}`, []string{"client.workload_api: "}},
		{"larger bodies", start + "client: {certificate: c, key: k}\nca: a\nlimits: {max_receive_bytes: 67108864}\n", nil},
		{"larger bodies than allowed", start + "client: {certificate: c, key: k}\nca: a\nlimits: {max_receive_bytes: 67108865}\n", []string{"limits.max_receive_bytes: "}},
		{"less for all bodies than for two", start + "client: {certificate: c, key: k}\nca: a\nlimits: {max_receive_bytes: 33554432, body_bytes: 67108863}\n", []string{"limits.body_bytes: "}},
		{"no bound for all bodies", start + "client: {certificate: c, key: k}\nca: a\nlimits: {max_receive_bytes: 33554432, body_bytes: 0}\n", nil},
		{"a Workload API over the network", start + `client: {workload_api: "tcp://10.0.0.1:1"}`, []string{"client.workload_api: "}},
	} {
		var cfg frontdoor.Config
		if err := load(tt.text, &cfg); err != nil {
			t.Errorf("%s: load = %v", tt.name, err)
		}
		err := cfg.Check()
		if (err == nil) != (len(tt.want) == 0) {
			t.Errorf("%s: Check = %v, want an error: %v", tt.name, err, tt.want)
		}
		for _, want := range tt.want {
			if err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Check = %v, want it to contain %q", tt.name, err, want)
			}
		}
	}
}

// A browser would not trust a workload's certificate.
func TestPeopleAreNotShownAWorkloadsCertificate(t *testing.T) {
	t.Parallel()
	if err := load(`tls: {workload_api: "unix:///run/a"}`, new(frontdoor.Config)); err == nil {
		t.Error("load accepts a Workload API for the server certificate")
	}
}
