package auth_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/keyward/keyward/pkg/auth"
)

const person = `people: [{issuer: https://i, claim: sub, value: ada, role: `

func TestPolicyFindings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, policy, finding string }{
		{"an empty file", "", "empty"},
		{"comments alone", "# nobody yet\n", "empty"},
		{"no YAML", "people: [", "well-formed"},
		{"two documents", "people: []\n---\npeople: []\n", "after the first document"},
		{"a list", "- people", "line 1"},
		{"an unknown list", "persons: []", "line 1: field persons not found"},
		{"an unknown field", "people:\n- issuer: https://i\n  roles: owner\n", "line 3: field roles not found"},
		{"a list for a role", "people:\n- issuer: https://i\n  role: [owner]\n", "line 3"},
		{"an issuer without TLS", `people: [{issuer: http://i, claim: sub, value: ada, role: owner, workspaces: [acme]}]`, "people[0].issuer"},
		{"no claim", `people: [{issuer: https://i, value: ada, role: owner, workspaces: [acme]}]`, "people[0].claim"},
		{"no value", `people: [{issuer: https://i, claim: sub, role: owner, workspaces: [acme]}]`, "people[0].claim and value"},
		{"a workload's role for a person", person + `resolver, workspaces: [acme]}]`, "people[0].role"},
		{"no role for a person", `people: [{issuer: https://i, claim: sub, value: ada, workspaces: [acme]}]`, "people[0].role"},
		{"an owner of nothing", person + `owner}]`, "people[0].workspaces"},
		{"an owner of everything", person + `owner, workspaces: ["*"]}]`, "people[0].workspaces"},
		{"a super admin of one workspace", person + `super_admin, workspaces: [acme]}]`, "people[0].workspaces"},
		{"a workspace that is a path", person + `owner, workspaces: [acme/x]}]`, "people[0].workspaces"},
		{"an empty workspace", person + `owner, workspaces: [""]}]`, "people[0].workspaces"},
		{"a person's role for a workload", `workloads: [{spiffe_id: "spiffe://d/w", role: owner, workspaces: [acme]}]`, "workloads[0].role"},
		{"a workload that nobody is", `workloads: [{role: sender, workspaces: [acme]}]`, "workloads[0].spiffe_id"},
		{"a workload of two kinds", `workloads: [{spiffe_id: "spiffe://d/w", issuer: https://i, subject: w, role: sender, workspaces: [acme]}]`, "workloads[0].spiffe_id"},
		{"a workload without subject", `workloads: [{issuer: https://i, role: sender, workspaces: [acme]}]`, "workloads[0].subject"},
		{"a trust domain for an id", `workloads: [{spiffe_id: "spiffe://d", role: sender, workspaces: [acme]}]`, "workloads[0].spiffe_id"},
		{"a URL for an id", `workloads: [{spiffe_id: "https://d/w", role: sender, workspaces: [acme]}]`, "workloads[0].spiffe_id"},
		{"a resolver of endpoints", `workloads: [{spiffe_id: "spiffe://d/w", role: resolver, workspaces: [acme], endpoints: [e]}]`, "workloads[0].endpoints"},
		{"an endpoint that is a name", `workloads: [{spiffe_id: "spiffe://d/w", role: sender, workspaces: [acme], endpoints: [workspaces/acme/endpoints/e]}]`, "workloads[0].endpoints"},
		{"a proxy by token", `workloads: [{issuer: https://i, subject: w, role: proxy}]`, "workloads[0].role"},
		{"a proxy of a workspace", `workloads: [{spiffe_id: "spiffe://d/w", role: proxy, workspaces: [acme]}]`, "workloads[0].role"},
		{"a proxy that is more", `workloads: [{spiffe_id: "spiffe://d/w", role: proxy}, {spiffe_id: "spiffe://d/w", role: sender, workspaces: [acme]}]`, "another role"},
		{"the second row", `people: [{issuer: https://i, claim: sub, value: ada, role: owner, workspaces: [acme]}, {}]`, "people[1].role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := auth.ParsePolicy([]byte(tt.policy))
			if err == nil || p != nil || !strings.Contains(err.Error(), tt.finding) {
				t.Errorf("ParsePolicy = %v, %v; want an error that says %q", p, err, tt.finding)
			}
		})
	}
}

func TestPolicyNamesAllFindings(t *testing.T) {
	t.Parallel()
	_, err := auth.ParsePolicy([]byte(`{people: [{}], workloads: [{}, {spiffe_id: x, role: y}]}`))
	for _, finding := range []string{"people[0].issuer", "people[0].claim", "people[0].role", "workloads[0].spiffe_id", "workloads[1].spiffe_id", "workloads[1].role"} {
		if err == nil || !strings.Contains(err.Error(), finding) {
			t.Errorf("ParsePolicy = %v, want it to name %s", err, finding)
		}
	}
}

func TestPolicyFindingsDoNotQuoteTheFile(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"a key by mistake":     canary,
		"a list of keys":       "- " + canary + "\n- " + canary,
		"a key for a list":     "people: " + canary,
		"a key for a row":      "people: [" + canary + "]",
		"a key for a field":    canary + ": 1",
		"the same field twice": canary + ": 1\n" + canary + ": 2",
		"a key for a role":     person + canary + "}]",
		"a key for an anchor":  "people: *" + canary,
		"a key for a tag":      "people: !" + canary + " x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.ParsePolicy([]byte(file))
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Errorf("ParsePolicy = %v, want an error that does not quote the file", err)
			}
		})
	}
}

func TestPoliciesTellWhenTheyChange(t *testing.T) {
	t.Parallel()
	policies := auth.NewPolicies(nil)
	changed := make(chan struct{}, 1)
	policies.Notify(changed)
	for range 2 { // without a read in between
		policies.Swap(nil)
	}
	<-changed
	select {
	case <-changed:
		t.Error("two changes are told twice to a channel of one")
	default:
	}
}

func TestPrincipalsKnowOfTheWorkspacesThatTheirRolesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authn := w.authenticator(t)
	w.grant(t, standardPolicy+`
- {issuer: %[1]s, subject: roamer, role: sender, workspaces: [late, "*"]}
- {issuer: %[1]s, subject: olivia, role: sender, workspaces: [zebra, acme]}
`)
	for _, tt := range []struct {
		subject    string
		claims     map[string]any
		want       string
		everywhere bool
	}{
		{"olivia", nil, "acme zebra", false},
		{"oscar", nil, "other", false},
		{"stranger", nil, "", false},
		{"admin", map[string]any{"realm": map[string]any{"groups": "admins"}}, "acme late other zebra", true},
		{"roamer", nil, "acme late other zebra", true},
	} {
		token := "Bearer " + w.token(t, tt.subject, tt.claims)
		p, err := authn.Authenticate(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", token)))
		if err != nil {
			t.Fatal(err)
		}
		if ids, everywhere := p.Workspaces(); strings.Join(ids, " ") != tt.want || everywhere != tt.everywhere {
			t.Errorf("%s: Workspaces() = %v, %v; want %s, %v", tt.subject, ids, everywhere, tt.want, tt.everywhere)
		}
	}
}

// hydra is a few hundred bytes that would be billions of strings if their aliases were followed.
const hydra = `people:
- issuer: &a [x,x,x,x,x,x,x,x,x,x]
  claim: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
  value: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
  role: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]
  workspaces: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]
`

func FuzzParsePolicy(f *testing.F) {
	f.Add([]byte(standardPolicy))
	f.Add([]byte(person + `super_admin}]`))
	f.Add([]byte(hydra))
	f.Add([]byte("people:\n- &x {issuer: *x}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := auth.ParsePolicy(data)
		if (p == nil) == (err == nil) {
			t.Errorf("ParsePolicy = %v, %v; want one of them", p, err)
		}
	})
}
