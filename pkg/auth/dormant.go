package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// maxWarnings is the maximum number of warnings about a policy.
const maxWarnings = 100

// A policyRow is the part of a row that decides whether it can match a caller.
type policyRow struct {
	place  string // in the file, such as `people[3]`
	role   string
	issuer string               // empty: the row is for a certificate
	domain spiffeid.TrustDomain // of the certificate
	repeat string               // the place of an equal row before it, if there is one
}

// Surroundings is the part of a server's configuration that decides which rows of a policy can
// match.
type Surroundings struct {
	// Issuers are the URLs of the trusted issuers.
	Issuers []string
	// TrustDomains are the trusted trust domains.
	TrustDomains []spiffeid.TrustDomain
	// AnyTrustDomain means that the trust domains are unknown.
	AnyTrustDomain bool
	// NeedsResolver means that the policy needs a row with the role resolver.
	NeedsResolver bool
}

// Warnings returns a sentence for each row that cannot match any caller, for each row that repeats
// another, and for a missing role. Such a policy is valid but probably a mistake. The sentences
// quote the configuration, not the policy.
func (p *Policy) Warnings(around Surroundings) []string {
	var warnings []string
	resolvers := 0
	for _, row := range p.rows {
		why := row.dormant(around)
		if why == "" && row.role == RoleName(accessv1.Role_ROLE_RESOLVER) {
			resolvers++
		}
		if why == "" && row.repeat != "" {
			why = "the row repeats " + row.repeat
		}
		if why != "" {
			warnings = append(warnings, row.place+": "+why)
		}
	}
	if around.NeedsResolver && resolvers == 0 {
		warnings = append(warnings, "workloads: no row gives a workload the role resolver, so no allowlist can use secrets")
	}
	if more := len(warnings) - maxWarnings; more > 0 {
		warnings = append(warnings[:maxWarnings:maxWarnings], fmt.Sprintf("%d more rows have no effect", more))
	}
	return warnings
}

// dormant returns the reason why the row cannot match, or an empty string.
func (r policyRow) dormant(around Surroundings) string {
	if r.issuer == "" {
		if around.AnyTrustDomain || slices.Contains(around.TrustDomains, r.domain) {
			return ""
		}
		return "the row never matches, because the trust domain of its spiffe_id is not configured"
	}
	if slices.Contains(around.Issuers, r.issuer) {
		return ""
	}
	for _, issuer := range around.Issuers {
		if strings.TrimRight(issuer, "/") == strings.TrimRight(r.issuer, "/") {
			return "the row never matches, because its issuer differs in slashes at the end from the configured " + issuer
		}
		if strings.EqualFold(issuer, r.issuer) {
			return "the row never matches, because its issuer differs in capital letters from the configured " + issuer
		}
	}
	return "the row never matches, because its issuer is not configured"
}

// A rowLog collects the rows of a policy file.
type rowLog struct {
	rows   []policyRow
	places map[string]string // of rows, by all that is in them
}

// note adds a row. The content identifies equal rows.
func (l *rowLog) note(row policyRow, content any) {
	key := fmt.Sprintf("%T %q", content, content)
	if l.places == nil {
		l.places = make(map[string]string)
	}
	if row.repeat = l.places[key]; row.repeat == "" {
		l.places[key] = row.place
	}
	l.rows = append(l.rows, row)
}
