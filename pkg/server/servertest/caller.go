package servertest

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.yaml.in/yaml/v3"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/server"
)

// A Caller is the credentials of a caller. The zero Caller has none.
type Caller struct {
	// Subject is how the server knows the caller.
	Subject string
	// Token, if not empty, is shown with each call.
	Token string
	// Certificate, if not nil, is shown when connecting.
	Certificate *tls.Certificate
}

// Owner returns a person who owns the workspace of the id.
func (e *Env) Owner(t testing.TB, workspace string) Caller {
	t.Helper()
	return e.person(t, "owner", workspace)
}

// Member returns a person who is a member of the workspace of the id.
func (e *Env) Member(t testing.TB, workspace string) Caller {
	t.Helper()
	return e.person(t, "member", workspace)
}

// SuperAdmin returns a person who owns every workspace.
func (e *Env) SuperAdmin(t testing.TB) Caller {
	t.Helper()
	return e.person(t, "super_admin", "")
}

// Stranger returns a person with a good token of whom the policy says nothing.
func (e *Env) Stranger(t testing.TB) Caller {
	t.Helper()
	return e.Person(t, "stranger", nil)
}

// Person returns a person with a token that carries the claims.
func (e *Env) Person(t testing.TB, subject string, claims map[string]any) Caller {
	t.Helper()
	return Caller{Subject: e.Issuer.URL() + "#" + subject, Token: e.Token(t, subject, claims)}
}

// Token returns a token that is valid for some minutes.
func (e *Env) Token(t testing.TB, subject string, claims map[string]any) string {
	t.Helper()
	token, err := e.Issuer.Sign(subject, Audience, 30*time.Minute, claims)
	check(t, "sign token", err)
	return token
}

// person returns a person whose token claims the role, and makes the policy grant it.
func (e *Env) person(t testing.TB, role, workspace string) Caller {
	t.Helper()
	row := personRow{Issuer: e.Issuer.URL(), Claim: "groups", Value: role + ":" + workspace, Role: role}
	subject := role
	if workspace != "" {
		row.Workspaces = []string{workspace}
		subject += "-of-" + workspace
	}
	e.grant(t, func(p *policy) { p.People = append(p.People, row) })
	return e.Person(t, subject, map[string]any{"groups": []string{"everybody", row.Value}})
}

// Resolver returns the workload that resolves secrets, for all workspaces if none are
// given. It is the same workload however often one asks.
func (e *Env) Resolver(t testing.TB, workspaces ...string) Caller {
	t.Helper()
	return e.Workload(t, "allowlist", "resolver", workspaces...)
}

// Sender returns a workload that sends payloads, for all workspaces if none are given.
func (e *Env) Sender(t testing.TB, workspaces ...string) Caller {
	t.Helper()
	return e.Workload(t, "sender", "sender", workspaces...)
}

// Proxy returns the workload that hands on what others ask, such as the gateway.
func (e *Env) Proxy(t testing.TB) Caller {
	t.Helper()
	return e.Workload(t, "gateway", "proxy")
}

// Workload returns a workload with the name as the path of its SPIFFE id, and has
// the policy grant it the role. Without a role it is one the policy does not know.
func (e *Env) Workload(t testing.TB, name, role string, workspaces ...string) Caller {
	t.Helper()
	return e.workload(t, name, role, workspaces, nil)
}

// EndpointSender returns a sender for the endpoints of the ids in one workspace only.
func (e *Env) EndpointSender(t testing.TB, workspace string, endpoints ...string) Caller {
	t.Helper()
	return e.workload(t, "endpoint-sender", "sender", []string{workspace}, endpoints)
}

func (e *Env) workload(t testing.TB, name, role string, workspaces, endpoints []string) Caller {
	t.Helper()
	id, err := spiffeid.FromString("spiffe://" + TrustDomain + "/" + name)
	check(t, "name workload", err)
	cert, err := e.Authority.WorkloadCertificate(id)
	check(t, "issue workload certificate", err)
	if role != "" {
		row := workloadRow{SPIFFEID: id.String(), Role: role, Workspaces: workspaces, Endpoints: endpoints}
		if len(workspaces) == 0 && role != "proxy" {
			row.Workspaces = []string{"*"}
		}
		e.grant(t, func(p *policy) { p.Workloads = append(p.Workloads, row) })
	}
	return Caller{Subject: id.String(), Certificate: &cert}
}

// Files writes the caller's certificate and key to files and returns their paths.
func (e *Env) Files(t testing.TB, as Caller) (cert, key string) {
	t.Helper()
	f, err := os.CreateTemp(e.dir, "client.*.pem")
	check(t, "create certificate file", err)
	check(t, "close certificate file", f.Close())
	cert, key = f.Name(), f.Name()+".key"
	check(t, "write certificate", authtest.WriteCertificate(cert, key, *as.Certificate))
	return cert, key
}

// policy is the policy file as an operator writes it.
type policy struct {
	People    []personRow   `yaml:"people,omitempty"`
	Workloads []workloadRow `yaml:"workloads,omitempty"`
}

type personRow struct {
	Issuer     string   `yaml:"issuer"`
	Claim      string   `yaml:"claim"`
	Value      string   `yaml:"value"`
	Role       string   `yaml:"role"`
	Workspaces []string `yaml:"workspaces,omitempty"`
}

type workloadRow struct {
	SPIFFEID   string   `yaml:"spiffe_id"`
	Role       string   `yaml:"role"`
	Workspaces []string `yaml:"workspaces,omitempty"`
	Endpoints  []string `yaml:"endpoints,omitempty"`
}

func (p policy) write(path string) error {
	text, err := yaml.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode policy: %w", err)
	}
	return os.WriteFile(path, text, 0o600)
}

// normalize drops duplicate rows.
func (p *policy) normalize() {
	p.People = distinct(p.People)
	p.Workloads = distinct(p.Workloads)
}

func distinct[R any](rows []R) []R {
	var kept []R
	for _, row := range rows {
		if !slices.ContainsFunc(kept, func(k R) bool { return fmt.Sprint(k) == fmt.Sprint(row) }) {
			kept = append(kept, row)
		}
	}
	return kept
}

// grant changes the policy of all servers.
func (e *Env) grant(t testing.TB, change func(*policy)) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	change(&e.policy)
	e.policy.normalize()
	check(t, "write policy", e.policy.write(e.path("policy.yaml")))
	for s := range e.running {
		check(t, "reload", s.Reload())
	}
}

// Revoke empties the policy: no one has a role anymore.
func (e *Env) Revoke(t testing.TB) {
	t.Helper()
	e.grant(t, func(p *policy) { *p = policy{} })
}

// follow has the server reload whenever the policy changes.
func (e *Env) follow(t testing.TB, s *server.Server) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running[s] = true
	// The policy may have grown between the server's start and now.
	check(t, "reload", s.Reload())
}

func (e *Env) forget(s *server.Server) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.running, s)
}

// bearer shows a token with each call.
type bearer string

// GetRequestMetadata returns the header that carries the token.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity keeps the token from a connection in the clear.
func (bearer) RequireTransportSecurity() bool { return true }
