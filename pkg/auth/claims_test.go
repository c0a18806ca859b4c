package auth_test

import (
	"testing"
)

// TestClaimsAreFoundWhereIssuersPutThem reads roles from tokens as issuers shape them.
func TestClaimsAreFoundWhereIssuersPutThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	clients := func(roles map[string]any) map[string]any { return map[string]any{"resource_access": roles} }
	owner := map[string]any{"roles": []any{"owner"}}
	other := map[string]any{"roles": []any{"other"}}
	for _, tt := range []struct {
		name   string
		claim  string
		claims map[string]any
		want   bool
	}{
		{"Microsoft's app roles", "roles", map[string]any{"roles": []any{"member", "owner"}}, true},
		{"a claim named by a URL, as Auth0's", "https://acme.example/roles", map[string]any{"https://acme.example/roles": []any{"owner"}}, true},
		{"Keycloak's roles of a realm", "realm_access.roles", map[string]any{"realm_access": owner}, true},
		{"Keycloak's roles of a client", "resource_access.keyward.roles", clients(map[string]any{"keyward": owner}), true},
		{"of a client with dots in its ID", "resource_access.keyward.example.roles", clients(map[string]any{"keyward.example": owner}), true},
		{"of a client that is a URL", "resource_access.https://keyward.example/api.roles", clients(map[string]any{"https://keyward.example/api": owner}), true},
		{"of a client whose ID begins another's", "resource_access.keyward.example.roles", clients(map[string]any{"keyward": other, "keyward.example": owner}), true},
		{"of a client whose ID looks like the path", "resource_access.keyward.roles", clients(map[string]any{"keyward": owner, "keyward.roles": other}), true},
		{"of another client", "resource_access.keyward.roles", clients(map[string]any{"keyward.example": owner, "other": owner}), false},
		{"of a client that ends so", "resource_access.keyward.roles", clients(map[string]any{"my.keyward": owner}), false},
		{"of a client outside of its place", "resource_access.keyward.roles", map[string]any{"keyward": owner}, false},
		{"of no client", "resource_access.keyward.roles", clients(map[string]any{"keyward": nil}), false},
		{"an empty step", "resource_access..roles", clients(map[string]any{"keyward": owner}), false},
	} {
		// One after the other, for they share the policy.
		w.grant(t, `people: [{issuer: "%[1]s", claim: "`+tt.claim+`", value: owner, role: owner, workspaces: [acme]}]`)
		p, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", tt.claims)))
		if err != nil || (len(p.Grants) == 1) != tt.want {
			t.Errorf("%s: Authenticate = %v, %v; want a role: %v", tt.name, p.Grants, err, tt.want)
		}
	}
}
