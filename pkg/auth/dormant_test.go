package auth_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/auth"
)

func TestPolicyWarnings(t *testing.T) {
	t.Parallel()
	around := auth.Surroundings{
		Issuers:      []string{"https://login.example", "https://ci.example/"},
		TrustDomains: []spiffeid.TrustDomain{spiffeid.RequireTrustDomainFromString("keyward.example")},
	}
	vault := around
	vault.NeedsResolver = true
	const (
		ada      = `{issuer: "https://login.example", claim: sub, value: ada, role: owner, workspaces: [a, b]}`
		resolver = `{spiffe_id: "spiffe://keyward.example/allowlist", role: resolver, workspaces: ["*"]}`
		foreign  = `{spiffe_id: "spiffe://other.example/allowlist", role: resolver, workspaces: ["*"]}`
	)
	person := func(issuer string) string {
		return `people: [{issuer: "` + issuer + `", claim: sub, value: ` + canary + `, role: super_admin}]`
	}
	for _, tt := range []struct {
		name   string
		policy string
		around auth.Surroundings
		want   []string // beginnings, with what must follow somewhere after a `…`
	}{
		{"a policy without faults", "people: [" + ada + "]\nworkloads: [" + resolver + "]", vault, nil},
		{"a slash too many", person("https://login.example/"), around, []string{"people[0]: …slashes at the end…https://login.example"}},
		{"a slash too few", person("https://ci.example"), around, []string{"people[0]: …slashes at the end…https://ci.example/"}},
		{"capital letters", person("https://Login.example"), around, []string{"people[0]: …capital letters…https://login.example"}},
		{"an issuer that is not configured", person("https://" + canary + ".example"), around, []string{"people[0]: …issuer is not configured"}},
		{"a path more", person("https://login.example/realm"), around, []string{"people[0]: …issuer is not configured"}},
		{
			"a workload's issuer", `workloads: [{issuer: "https://ci.example", subject: w, role: sender, workspaces: [a]}]`, around,
			[]string{"workloads[0]: …slashes at the end"},
		},
		{"another trust domain", "workloads: [" + foreign + "]", around, []string{"workloads[0]: …trust domain"}},
		{"a trust domain below", `workloads: [{spiffe_id: "spiffe://sub.keyward.example/w", role: proxy}]`, around, []string{"workloads[0]: …trust domain"}},
		{"no trust domain at all", "workloads: [" + resolver + "]", auth.Surroundings{}, []string{"workloads[0]: …trust domain"}},
		{"no resolver", "people: [" + ada + "]", vault, []string{"workloads: …resolver"}},
		{"no resolver where none is needed", "people: [" + ada + "]", around, nil},
		{"a resolver that never matches", "workloads: [" + foreign + "]", vault, []string{"workloads[0]: …trust domain", "workloads: …resolver"}},
		{"the same person twice", "people: [" + ada + ", " + ada + "]", around, []string{"people[1]: …repeats people[0]"}},
		{
			"the same row with its workspaces in another order", "people: [" + ada + ", " + strings.Replace(ada, "a, b", "b, a", 1) + "]", around,
			[]string{"people[1]: …repeats people[0]"},
		},
		{"another workspace", "people: [" + ada + ", " + strings.Replace(ada, "a, b", "a", 1) + "]", around, nil},
		{
			"the same workload three times", "workloads: [" + resolver + ", " + resolver + ", " + resolver + "]", vault,
			[]string{"workloads[1]: …repeats workloads[0]", "workloads[2]: …repeats workloads[0]"},
		},
	} {
		policy, err := auth.ParsePolicy([]byte(tt.policy))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got := policy.Warnings(tt.around)
		ok := len(got) == len(tt.want)
		for i := range min(len(got), len(tt.want)) {
			parts := strings.Split(tt.want[i], "…")
			ok = ok && strings.HasPrefix(got[i], parts[0])
			for _, part := range parts {
				ok = ok && strings.Contains(got[i], part)
			}
		}
		if !ok || strings.Contains(strings.Join(got, " "), canary) {
			t.Errorf("%s: Warnings = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWarningsAreBounded(t *testing.T) {
	t.Parallel()
	row := "- {spiffe_id: \"spiffe://other.example/w\", role: proxy}\n"
	policy, err := auth.ParsePolicy([]byte("workloads:\n" + strings.Repeat(row, 1000)))
	if err != nil {
		t.Fatal(err)
	}
	got := policy.Warnings(auth.Surroundings{})
	if len(got) != 101 || got[100] != "900 more rows have no effect" {
		t.Errorf("Warnings of 1,000 rows are %d, the last is %q", len(got), got[len(got)-1])
	}
}

func TestPolicyThatIsSwappedForNothingHasNoWarnings(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string(nil), (&auth.Policy{}).Warnings(auth.Surroundings{})); diff != "" {
		t.Error(diff)
	}
}
