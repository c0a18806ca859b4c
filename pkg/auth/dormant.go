package auth

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// maxWarnings bounds how many warnings a policy gets.
const maxWarnings = 100

// A policyRow is what must be known of a row to tell whether it can match a caller.
type policyRow struct {
	place  string // in the file, such as `people[3]`
	role   string
	issuer string               // empty: the row is for a certificate
	domain spiffeid.TrustDomain // of the certificate
	repeat string               // the place of an equal row before it, if there is one
}

// Surroundings are what a server is configured with that decides which rows of a policy
// can match.
type Surroundings struct {
	// Issuers are the URLs of the issuers whose tokens are believed.
	Issuers []string
	// TrustDomains are the trust domains whose certificates are believed.
	TrustDomains []spiffeid.TrustDomain
	// AnyTrustDomain says that the trust domains are not known.
	AnyTrustDomain bool
	// NeedsResolver says that the server is of little use if no row has the role resolver.
	NeedsResolver bool
}

// Warnings returns a sentence for each row that cannot match any caller, for each that
// repeats another, and for a role that is missing. The policy works as it is, but most
// likely not as it was meant. The sentences quote the configuration, not the policy.
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

// dormant returns why the row cannot match, or nothing.
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

// A rowLog notes the rows of a policy file.
type rowLog struct {
	rows   []policyRow
	places map[string]string // of rows, by all that is in them
}

// note adds a row. The content tells rows apart.
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
