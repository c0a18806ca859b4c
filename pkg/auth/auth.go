// Package auth answers two questions about every request: who is calling, and may
// they.
//
// # Who
//
// An [Authenticator] makes exactly one [Principal] of what came with the request.
// People show a token of an OIDC issuer that the server is configured to trust;
// workloads show a certificate with a SPIFFE id, or a token. A gateway shows its
// own certificate, which confers nothing, and hands on the token of the person
// behind it. Two credentials, or one that does not verify, are refused. So are tokens
// that are no access tokens, such as ID tokens and logout tokens, and certificates for
// which no authority of their own trust domain vouches.
//
// # May they
//
// Which principal holds which [Grant] is written in a [Policy], a file of the
// operator's. Nothing in a request, and nothing in a token but the identity it
// proves, confers a role. What a method asks for is written next to it in the
// contract, as its access option; a [Guard] reads the options of all services a
// server has registered and refuses to be built when a method has none, so that
// nothing is open because somebody forgot it. An option may admit whoever is
// authenticated; it has to say so in as many words. [Policy.Warnings] names rows
// that can match no caller.
//
//	people:
//	- {issuer: https://id.example, claim: email, value: ada@example.com, role: owner, workspaces: [payments]}
//	- {issuer: https://id.example, claim: realm_access.roles, value: keyward-admin, role: super_admin}
//	workloads:
//	- {spiffe_id: spiffe://keyward.example/allowlist, role: resolver, workspaces: ["*"]}
//	- {issuer: https://id.example, subject: batch, role: sender, workspaces: [payments], endpoints: [refunds]}
//	- {spiffe_id: spiffe://keyward.example/gateway, role: proxy}
//
// # Order
//
// Both are decided before the request is validated and before anything is looked
// up. So a stranger learns nothing of what exists: not from a refusal, which is
// always the same, and not from the complaint about a field. Only a caller whose own
// token leaves out groups (group overage) reads so in the refusal.
//
// Verified claims are remembered for some minutes, because verifying a signature
// costs more than the rest of a request. Roles are never remembered: they come
// from the policy of the moment, so that a policy that is swapped acts at once.
//
// # Guessing
//
// Bad credentials are looked at for one address at a limited rate, if the operator
// wants it so. Behind a gateway that is the address of the person, not the gateway's.
package auth

import (
	"strings"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// RoleName returns the name of a role as policy files and the change log write
// it, such as `owner` or `super_admin`.
func RoleName(role accessv1.Role) string {
	return strings.ToLower(strings.TrimPrefix(role.String(), "ROLE_"))
}
