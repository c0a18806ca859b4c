package auth

import (
	"errors"
	"strings"

	"github.com/keyward/keyward/pkg/fault"
)

// Tokens of Microsoft contain at most 200 groups. With more groups, they have no `groups` claim
// but a reference from which the groups can be read: an entry of `_claim_names` (distributed
// claims of OpenID Connect), or `hasgroups` where tokens must be short. Keyward does not follow
// the reference, because it would need its own credentials at the issuer.

// omits reports whether the token states that it omits the claim or the object that contains it.
func (c claims) omits(name string) bool {
	if c.lookup(name) != nil {
		return false
	}
	names, _ := c["_claim_names"].(map[string]any)
	_, elsewhere := names[name]
	root, _, _ := strings.Cut(name, ".")
	if _, rootElsewhere := names[root]; elsewhere || rootElsewhere {
		return true
	}
	// A boolean. Some versions write it as a string.
	return root == "groups" && (c["hasgroups"] == true || strings.EqualFold(c.text("hasgroups"), "true"))
}

// overage reports whether a token omits a claim from which the policy grants roles.
func (p *Policy) overage(issuer string, c claims) bool {
	if c["_claim_names"] == nil && c["hasgroups"] == nil {
		return false
	}
	for name := range p.tokens[issuer] {
		if c.omits(name) {
			return true
		}
	}
	return false
}

// deniedByOverage is the error for a caller whose roles may be in a claim that the token omits. It
// reveals nothing beyond the caller's own token.
func deniedByOverage() *fault.Error {
	return fault.New(fault.PermissionDenied, fault.Denied,
		"the token leaves out the groups of the caller because there are too many (group overage); "+
			"configure the issuer to emit only groups assigned to the application, or app roles").
		Because(errors.New("group overage: the token refers to the claim (_claim_names, hasgroups) from which the policy grants roles"))
}
