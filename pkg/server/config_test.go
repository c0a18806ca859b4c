package server_test

import (
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/keyward/keyward/pkg/server"
)

// load reads a configuration as the programs do: an unknown name is an error.
func load(t *testing.T, text string) (server.Config, error) {
	t.Helper()
	var cfg server.Config
	decoder := yaml.NewDecoder(strings.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(&cfg)
	return cfg, err
}

func TestConfigIsReadWhole(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, `
listen: 127.0.0.1:8443
metrics_listen: 127.0.0.1:9090
tls: {certificate: c.pem, key: k.pem, client_trust: t.pem, trust_domain: keyward.example}
auth:
  issuers: [{url: https://issuer.example, audience: keyward}]
  policy: policy.yaml
  cache_size: 5
reload_interval: 10s
reflection: authenticated
limits:
  max_receive_bytes: 1000
  default_deadline: 5s
  drain: 1m
  per_principal: {requests_per_second: 50, burst: 100, concurrent: 10}
  per_resolver: {requests_per_second: 0, concurrent: 0}
  failures_per_address: 0.5
log: {level: debug}
traces: {endpoint: "127.0.0.1:4317", insecure: true, ratio: 0.5}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Check(); err != nil {
		t.Errorf("Check() = %v, want nil", err)
	}
	if cfg.Limits.DefaultDeadline != 5*time.Second || cfg.Telemetry.Log.Level != "debug" || *cfg.Telemetry.Traces.Ratio != 0.5 {
		t.Errorf("the configuration was not read whole: %+v", cfg)
	}
}

func TestConfigCheckFindsEverything(t *testing.T) {
	t.Parallel()
	cfg, err := load(t, `
metrics_listen: nowhere
tls: {client_trust: t.pem}
auth:
  issuers: [{url: "http://issuer.example"}]
  cache_size: -1
limits:
  max_receive_bytes: -1
  default_deadline: 2m
  max_connection_age: 61m
  per_principal: {requests_per_second: -1}
  per_resolver: {burst: 5}
  failures_per_address: -1
reflection: maybe
reload_interval: -1s
log: {level: loud}
traces: {endpoint: nowhere, insecure: true, ca_file: ca.pem, ratio: 2}
`)
	if err != nil {
		t.Fatal(err)
	}
	err = cfg.Check()
	if err == nil {
		t.Fatal("Check() = nil, want all findings")
	}
	for _, want := range []string{
		"listen:", "metrics_listen:", "tls.certificate:", "tls.key:", "tls.trust_domain:", "auth.policy:", "auth.cache_size:",
		"auth.issuers[0]: url:", "audience:", "limits.max_receive_bytes:", "limits.default_deadline:", "log.level:",
		"limits.max_connection_age:", "limits.per_principal:", "limits.per_resolver:", "limits.failures_per_address:",
		"reflection:", "reload_interval:",
		"traces.endpoint:", "traces.ratio:", "traces: insecure and ca_file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Check() does not find %q:\n%v", want, err)
		}
	}
}

func TestServerThatNobodyCanCallIsRefused(t *testing.T) {
	t.Parallel()
	cfg := server.Config{
		Listen: "127.0.0.1:0", TLS: server.TLSConfig{Certificate: "c", Key: "k"}, Auth: server.AuthConfig{Policy: "p"},
	}
	if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), "at least one of them") {
		t.Errorf("Check() = %v, want a finding", err)
	}
}
