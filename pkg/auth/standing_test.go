package auth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// choices are the choices of a test, which are the same in each run.
type choices struct{ state [sha256.Size]byte }

func newChoices(seed uint64) *choices {
	c := new(choices)
	binary.BigEndian.PutUint64(c.state[:], seed)
	return c
}

// among returns a number from 0 to n-1.
func (c *choices) among(n int) int {
	c.state = sha256.Sum256(c.state[:])
	return int(binary.BigEndian.Uint32(c.state[:]) % uint32(n))
}

// randomPolicy returns a policy that grants roles to two workloads and, by claims, to people.
func randomPolicy(t testing.TB, random *choices) *Policy {
	t.Helper()
	var text strings.Builder
	text.WriteString("workloads:\n")
	for _, workload := range []string{"a", "b"} {
		for range random.among(40) {
			role, endpoints := []string{"sender", "resolver"}[random.among(2)], ""
			if role == "sender" && random.among(2) == 0 {
				endpoints = fmt.Sprintf(", endpoints: [e%d]", random.among(3))
			}
			workspace := fmt.Sprintf("w%d", random.among(30))
			if random.among(200) == 0 {
				workspace = `"*"`
			}
			fmt.Fprintf(&text, "- {spiffe_id: spiffe://test/%s, role: %s, workspaces: [%s]%s}\n", workload, role, workspace, endpoints)
		}
	}
	text.WriteString("people:\n- {issuer: https://i, claim: sub, value: x, role: owner, workspaces: [w0]}\n")
	for range random.among(60) {
		fmt.Fprintf(&text, "- {issuer: https://i, claim: groups, value: g%d, role: %s, workspaces: [w%d]}\n",
			random.among(4), []string{"owner", "member"}[random.among(2)], random.among(30))
	}
	if random.among(4) == 0 {
		text.WriteString("- {issuer: https://i, claim: sub, value: s, role: super_admin}\n")
	}
	p, err := ParsePolicy([]byte(text.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text.String())
	}
	return p
}

func randomResource(random *choices) Resource {
	name := fmt.Sprintf("workspaces/w%d", random.among(30))
	switch random.among(5) {
	case 0:
		return Resource{}
	case 1:
		name = "workspaces/-"
	case 2:
		name += fmt.Sprintf("/endpoints/e%d", random.among(3))
	}
	t, _ := parseTarget(name)
	return Resource{name, t}
}

// Callers, rules, resources, and policies take turns, so that each remembered decision has the
// chance to be taken for another.
func TestRememberedDecisionsAreThoseOfTheCurrentPolicy(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		random := newChoices(seed)
		policies := []*Policy{randomPolicy(t, random), randomPolicy(t, random), randomPolicy(t, random)}
		rules := []*Rule{
			{roles: []accessv1.Role{accessv1.Role_ROLE_SENDER}},
			{roles: []accessv1.Role{accessv1.Role_ROLE_RESOLVER}},
			{roles: []accessv1.Role{accessv1.Role_ROLE_OWNER, accessv1.Role_ROLE_SUPER_ADMIN}},
			{roles: []accessv1.Role{accessv1.Role_ROLE_MEMBER, accessv1.Role_ROLE_OWNER}},
		}
		people := []*identity{
			{issuer: "https://i", claims: claims{"sub": "s", "groups": []any{"g0", "g1"}}},
			{issuer: "https://i", claims: claims{"sub": "x", "groups": []any{"g1", "g2", "g3"}}},
			{issuer: "https://other", claims: claims{"sub": "s", "groups": []any{"g0"}}},
		}
		for range 500 {
			policy, rule, on := policies[random.among(3)], rules[random.among(len(rules))], randomResource(random)
			var p Principal
			var grants []Grant
			if n := random.among(5); n < len(people) {
				p = policy.principal("person", ByOIDC, "", policy.standing(people[n]))
				grants = policy.claimGrants(people[n].issuer, people[n].claims)
			} else {
				id := "spiffe://test/" + []string{"a", "b"}[n-len(people)]
				p = policy.principal(id, ByMTLS, "", policy.certificateStanding(id))
				if s := policy.certificates[id]; s != nil {
					grants = s.grants
				}
			}
			if diff := cmp.Diff(len(grants), len(p.Grants)); diff != "" {
				t.Fatalf("seed %d: grants (-policy +principal):\n%s", seed, diff)
			}
			if got, want := rule.admits(&p, on), rule.decide(grants, on); got != want {
				t.Fatalf("seed %d: %v admits %s with %v to %q = %v, want %v", seed, rule.roles, p.Subject, grants, on.Name, got, want)
			}
		}
	}
}

func TestDecisionsAreBounded(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	for n := range fewGrants + 1 {
		fmt.Fprintf(&rows, "- {spiffe_id: spiffe://test/a, role: resolver, workspaces: [w%d]}\n", n)
	}
	policy, err := ParsePolicy([]byte("workloads:\n" + rows.String()))
	if err != nil {
		t.Fatal(err)
	}
	p := policy.principal("spiffe://test/a", ByMTLS, "", policy.certificateStanding("spiffe://test/a"))
	rule := &Rule{roles: []accessv1.Role{accessv1.Role_ROLE_RESOLVER}}
	for n := range maxDecisions + 100 {
		name := fmt.Sprintf("workspaces/w%d", n)
		on, _ := parseTarget(name)
		if got := rule.admits(&p, Resource{name, on}); got != (n <= fewGrants) {
			t.Fatalf("admits(%s) = %v", name, got)
		}
	}
	if n := policy.decisions.Len(); n != maxDecisions {
		t.Errorf("the policy remembers %d decisions, want %d", n, maxDecisions)
	}
}

// Another policy is another standing, even of the same token.
func TestStandingBelongsToOnePolicy(t *testing.T) {
	t.Parallel()
	who := &identity{issuer: "https://i", claims: claims{"sub": "x"}, expiry: time.Now().Add(time.Hour)}
	old := randomPolicy(t, newChoices(1))
	before := old.standing(who)
	if before != old.standing(who) {
		t.Error("the standing is not found once")
	}
	next := randomPolicy(t, newChoices(2))
	if after := next.standing(who); after == before || after.policy == before.policy {
		t.Error("the standing in the old policy is used with the next one")
	}
}
