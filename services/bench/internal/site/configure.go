package site

import (
	"fmt"
	"os"
	"path/filepath"
)

// policy gives each caller of the benchmark its role.
const policy = `
people:
  - {issuer: %[1]q, claim: groups, value: admins, role: super_admin}
  - {issuer: %[1]q, claim: groups, value: owners, role: owner, workspaces: [bench]}
workloads:
  - {spiffe_id: "spiffe://%[2]s/sender", role: sender, workspaces: [bench]}
  - {spiffe_id: "spiffe://%[2]s/allowlist", role: resolver, workspaces: ["*"]}
  - {spiffe_id: "spiffe://%[2]s/resolver", role: resolver, workspaces: ["*"]}
  - {spiffe_id: "spiffe://%[2]s/gateway", role: proxy}
`

// serverSettings are those of package server. The limit of a caller is in force but out of reach,
// because a closed loop would only measure the limit otherwise.
const serverSettings = `
listen: %[1]s
metrics_listen: %[2]s
log: {level: info}
access_log: {file: %[3]s/%[4]s.access}
tls: {certificate: %[3]s/%[4]s.crt, key: %[3]s/%[4]s.key, client_trust: %[3]s/ca.pem, trust_domain: %[5]s}
auth:
  policy: %[3]s/policy.yaml
  issuers: [{url: %[6]q, audience: keyward, ca_file: %[3]s/ca.pem, max_token_lifetime: 24h}]
limits: {per_principal: {requests_per_second: 1000000, concurrent: 100000}}
`

const storeSettings = `store: %[1]s/%[2]s.db
key_file: %[1]s/%[2]s.kek
`

const vaultSettings = `vault:
  address: %[1]s
  ca: %[2]s/ca.pem
  certificate: %[2]s/allowlist-client.crt
  key: %[2]s/allowlist-client.key
`

const gatewaySettings = `
listen: %[1]s
metrics_listen: %[2]s
log: {level: info}
tls: {certificate: %[3]s/gateway.crt, key: %[3]s/gateway.key}
client: {certificate: %[3]s/gateway-client.crt, key: %[3]s/gateway-client.key}
ca: %[3]s/ca.pem
vault: %[4]s
allowlist: %[5]s
`

// configure writes the policy and the configuration files.
func (s *Site) configure() error {
	folder, err := filepath.Abs(s.folder)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	for name, text := range map[string]string{
		"policy.yaml":    fmt.Sprintf(policy, s.issuer.URL(), Domain),
		"vault.yaml":     s.ServerSettings(folder, Vault, s.addresses[Vault], s.metrics[Vault]) + fmt.Sprintf(storeSettings, folder, Vault),
		"allowlist.yaml": s.ServerSettings(folder, Allowlist, s.addresses[Allowlist], s.metrics[Allowlist]) + fmt.Sprintf(storeSettings, folder, Allowlist) + fmt.Sprintf(vaultSettings, s.addresses[Vault], folder),
		"gateway.yaml":   fmt.Sprintf(gatewaySettings, s.addresses[Gateway], s.metrics[Gateway], folder, s.addresses[Vault], s.addresses[Allowlist]),
	} {
		if err := os.WriteFile(s.Path(name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

// ServerSettings returns the settings of package server for a program with a name and two
// addresses.
func (s *Site) ServerSettings(folder, name, listen, metrics string) string {
	return fmt.Sprintf(serverSettings, listen, metrics, folder, name, Domain, s.issuer.URL())
}
