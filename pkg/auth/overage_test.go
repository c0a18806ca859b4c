package auth_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/auth"
	"github.com/keyward/keyward/pkg/fault"
)

// overages are the claims of tokens without groups, as Microsoft documents them.
var overages = map[string]map[string]any{
	"a reference": {
		"_claim_names":   map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/" + canary}},
	},
	"hasgroups":           {"hasgroups": true},
	"hasgroups in a text": {"hasgroups": "true"},
}

func TestGroupOverageIsNoticed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const byGroups = `people: [{issuer: "%[1]s", claim: groups, value: owners, role: owner, workspaces: [acme]}]`
	const bySubject = `people: [{issuer: "%[1]s", claim: sub, value: olivia, role: owner, workspaces: [acme]}]`
	const byPath = `people: [{issuer: "%[1]s", claim: realm.groups, value: owners, role: owner, workspaces: [acme]}]`
	elsewhere := func(claim string) map[string]any {
		return map[string]any{
			"_claim_names":   map[string]any{claim: "src1"},
			"_claim_sources": overages["a reference"]["_claim_sources"],
		}
	}
	both := elsewhere("groups")
	both["groups"] = []string{"owners"}
	for _, tt := range []struct {
		name   string
		policy string
		claims map[string]any
		want   bool
	}{
		{"a reference", byGroups, elsewhere("groups"), true},
		{"hasgroups", byGroups, overages["hasgroups"], true},
		{"hasgroups in a text", byGroups, overages["hasgroups in a text"], true},
		{"hasgroups that is false", byGroups, map[string]any{"hasgroups": false}, false},
		{"a reference and the groups, too", byGroups, both, false},
		{"a reference to something else", byGroups, elsewhere("address"), false},
		{"a reference to the object of the path", byPath, elsewhere("realm"), true},
		{"a policy that does not use groups", bySubject, elsewhere("groups"), false},
		{"a token without groups", byGroups, nil, false},
	} {
		// One after the other, for they share the policy.
		w.grant(t, tt.policy)
		p, err := w.authn.Authenticate(bearing(t.Context(), "authorization", "Bearer "+w.token(t, "olivia", tt.claims)))
		if err != nil || p.Overage != tt.want {
			t.Errorf("%s: Authenticate = overage %v, %v; want %v", tt.name, p.Overage, err, tt.want)
		}
	}
}

func TestDenialNamesGroupOverage(t *testing.T) {
	t.Parallel()
	guard, err := auth.NewGuard(nil)
	if err != nil {
		t.Fatal(err)
	}
	deny := func(p auth.Principal) *fault.Error {
		t.Helper()
		err := guard.Rule("/s/m").Admit(&p, auth.Resource{})
		f, ok := fault.From(err)
		if !ok || f.Kind != fault.PermissionDenied || f.Reason != fault.Denied {
			t.Fatalf("Admit = %v, want PERMISSION_DENIED", err)
		}
		return f
	}
	refusal := deny(auth.Principal{Subject: "s", Overage: true})
	for _, said := range []string{"group overage", "groups assigned to the application", "app roles"} {
		if !strings.Contains(refusal.Message, said) {
			t.Errorf("the caller reads %q without %q", refusal.Message, said)
		}
	}
	if cause := refusal.Unwrap(); cause == nil || !strings.Contains(cause.Error(), "_claim_names") {
		t.Errorf("the log reads %v without _claim_names", cause)
	}
	if plain := deny(auth.Principal{Subject: "s"}); plain.Message != "permission denied" || plain.Unwrap() != nil {
		t.Errorf("others are refused with %q and %v", plain.Message, plain.Unwrap())
	}
}

func TestGroupOverageIsDeniedOverTheWire(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.grant(t, `people: [{issuer: "%[1]s", claim: groups, value: owners, role: owner, workspaces: [acme]}]`)
	conn := d.dial(t, nil)
	for name, claims := range overages {
		for _, method := range []string{"GetSecret", "WatchSecrets"} {
			headers := []string{"authorization", "Bearer " + d.token(t, "olivia", claims)}
			if code := call(t, conn, d.method(t, method), "workspaces/acme/secrets/s", headers...); code != codes.PermissionDenied {
				t.Errorf("%s: %s = %v, want PermissionDenied", name, method, code)
			}
		}
	}
	groups := map[string]any{"groups": []string{"owners"}}
	headers := []string{"authorization", "Bearer " + d.token(t, "olivia", groups)}
	if code := call(t, conn, d.method(t, "GetSecret"), "workspaces/acme/secrets/s", headers...); code != codes.Unimplemented {
		t.Errorf("GetSecret with groups = %v, want Unimplemented", code)
	}
}
