// Package auth authenticates callers and authorizes their requests.
//
// # Authentication
//
// An [Authenticator] determines exactly one [Principal] for each request. People present a token
// of a configured OIDC issuer. Workloads present a certificate with a SPIFFE ID, or a token. A
// gateway presents its own certificate, which grants nothing, and forwards the token of the person
// who calls it. Requests with two credentials, or with one that does not verify, are refused. So
// are tokens that are not access tokens, such as ID tokens and logout tokens, and certificates
// that no authority of their own trust domain issued.
//
// # Authorization
//
// A [Policy], a file of the operator, assigns a [Grant] to principals. Nothing in a request, and
// nothing in a token except the identity that it proves, confers a role. The access option of a
// method in the contract states its required roles. A [Guard] reads the options of all registered
// services and refuses to be built if a method has none, so that a forgotten option cannot open a
// method. An option may admit every authenticated caller, but must say so explicitly.
// [Policy.Warnings] lists rows that cannot match any caller.
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
// Both checks come before validation of the request and before any lookup. An unauthorized caller
// therefore learns nothing about existing resources: all refusals are equal, and no field is
// mentioned. There is one exception: callers whose own token omits groups (group overage) learn so
// from the refusal.
//
// Verified claims are cached for some minutes, because verifying a signature costs more than the
// rest of a request. Roles are never cached: they come from the current policy, so that a new
// policy takes effect immediately.
//
// # Guessing
//
// Operators can limit the rate of invalid credentials from one address. Behind a gateway, this is
// the address of the person, not of the gateway.
package auth

import (
	"strings"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// RoleName returns the name of a role in policy files and the change log, such as `owner` or
// `super_admin`.
func RoleName(role accessv1.Role) string {
	return strings.ToLower(strings.TrimPrefix(role.String(), "ROLE_"))
}
