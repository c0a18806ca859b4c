package server

import (
	"fmt"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/telemetry"
)

// CheckFiles reports problems with the files of the configuration, which must have passed Check.
// Set needsResolver for services that need a workload with the role resolver.
func (c Config) CheckFiles(r *filecheck.Report, needsResolver bool) {
	policy, err := loadPolicy(c.Auth.Policy)
	r.Fail(err)
	if err == nil {
		for _, warning := range policy.Warnings(c.surroundings(needsResolver)) {
			r.Warn("auth.policy: " + warning)
		}
	}
	if c.TLS.WorkloadAPI == "" {
		r.KeyPair("tls.certificate, tls.key", c.TLS.Certificate, c.TLS.Key)
	}
	for _, domain := range c.TLS.trustDomains() {
		r.Authorities("client_trust of trust domain "+domain.Name, domain.ClientTrust)
	}
	for i, issuer := range c.Auth.Issuers {
		r.Authorities(fmt.Sprintf("auth.issuers[%d].ca_file", i), issuer.CAFile)
	}
	if c.Metrics.TokenFile != "" {
		r.Fail(new(telemetry.Token).Load(c.Metrics.TokenFile))
	}
	r.AccessLog("access_log.file", c.AccessLog.File)
	r.Authorities("traces.ca_file", c.Telemetry.Traces.CAFile)
}
