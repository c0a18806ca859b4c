package server

import (
	"fmt"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/telemetry"
)

// CheckFiles reports what is wrong with the files that the configuration names. The
// configuration itself was checked before. Services that are of little use without a
// resolver say so.
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
	r.Authorities("traces.ca_file", c.Telemetry.Traces.CAFile)
}
