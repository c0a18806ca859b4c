package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"weak"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.yaml.in/yaml/v3"

	"github.com/keyward/keyward/pkg/resource"
	accessv1 "github.com/keyward/keyward/proto/gen/keyward/access/v1"
)

// maxPolicySize is the maximum size of a policy file. A row has about 150 bytes.
const maxPolicySize = 8 << 20

// proxyRole is the role of a gateway. It is not part of the contract, because no method admits it.
const proxyRole = "proxy"

// A Policy assigns roles to principals. It is immutable; a new file is a new Policy.
type Policy struct {
	// tokens holds the grants of tokens by issuer, claim, and value.
	tokens map[string]map[string]map[string][]Grant
	// certificates holds the standing of workloads by SPIFFE ID.
	certificates map[string]*standing
	// proxies are the SPIFFE IDs that may forward the token of another caller.
	proxies map[string]bool
	// workspaces are the IDs of the workspaces that the file names, in order, each once.
	workspaces []string
	// rows are the rows of the file, in order, for [Policy.Warnings].
	rows []policyRow
	// decisions are recent decisions for callers with many grants.
	decisions *lru.Cache[decision, bool]
	// self identifies the policy. It is zero in a policy that grants nothing.
	self weak.Pointer[Policy]
}

type policyFile struct {
	People    []personRow   `yaml:"people"`
	Workloads []workloadRow `yaml:"workloads"`
}

// rows lists the rows of the file.
func (f *policyFile) rows() []policyRow {
	var all rowLog
	for i, row := range f.People {
		row.Workspaces = slices.Sorted(slices.Values(row.Workspaces))
		all.note(policyRow{place: fmt.Sprintf("people[%d]", i), role: row.Role, issuer: row.Issuer}, row)
	}
	for i, row := range f.Workloads {
		row.Workspaces = slices.Sorted(slices.Values(row.Workspaces))
		row.Endpoints = slices.Sorted(slices.Values(row.Endpoints))
		id, _ := spiffeid.FromString(row.SPIFFEID) // zero for rows of tokens
		all.note(policyRow{
			place: fmt.Sprintf("workloads[%d]", i), role: row.Role, issuer: row.Issuer, domain: id.TrustDomain(),
		}, row)
	}
	return all.rows
}

// workspaces lists the workspaces that rows of the file name.
func (f *policyFile) workspaces() []string {
	var ids []string
	for _, row := range f.People {
		ids = append(ids, row.Workspaces...)
	}
	for _, row := range f.Workloads {
		ids = append(ids, row.Workspaces...)
	}
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == Everywhere })
}

type personRow struct {
	Issuer     string   `yaml:"issuer"`
	Claim      string   `yaml:"claim"`
	Value      string   `yaml:"value"`
	Role       string   `yaml:"role"`
	Workspaces []string `yaml:"workspaces"`
}

type workloadRow struct {
	SPIFFEID   string   `yaml:"spiffe_id"`
	Issuer     string   `yaml:"issuer"`
	Subject    string   `yaml:"subject"`
	Role       string   `yaml:"role"`
	Workspaces []string `yaml:"workspaces"`
	Endpoints  []string `yaml:"endpoints"`
}

// ParsePolicy parses a policy file. The error lists all mistakes. A file with a mistake grants
// nothing.
func ParsePolicy(data []byte) (*Policy, error) {
	file, err := decodePolicy(data)
	if err != nil {
		return nil, err
	}
	p := &Policy{
		tokens:       make(map[string]map[string]map[string][]Grant),
		certificates: make(map[string]*standing),
		proxies:      make(map[string]bool),
	}
	p.self = weak.Make(p)
	if p.decisions, err = lru.New[decision, bool](maxDecisions); err != nil {
		return nil, fmt.Errorf("make table of decisions: %w", err)
	}
	var mistakes mistakes
	for i, row := range file.People {
		p.addPerson(row, mistakes.at("people", i))
	}
	for i, row := range file.Workloads {
		p.addWorkload(row, mistakes.at("workloads", i))
	}
	p.rows, p.workspaces = file.rows(), file.workspaces()
	for id := range p.proxies {
		if s := p.certificates[id]; s != nil && len(s.grants) > 0 {
			mistakes.errs = append(mistakes.errs, errors.New("workloads: a proxy must not have another role"))
		}
	}
	if err := errors.Join(mistakes.errs...); err != nil {
		return nil, err
	}
	return p, nil
}

func decodePolicy(data []byte) (*policyFile, error) {
	if len(data) > maxPolicySize {
		return nil, fmt.Errorf("read policy: it is larger than %d bytes", maxPolicySize)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	var file policyFile
	switch err := decoder.Decode(&file); {
	case errors.Is(err, io.EOF):
		// The file is probably being written. Granting nothing would lock out everyone.
		return nil, errors.New("read policy: it is empty")
	case err != nil:
		return nil, withoutContent(err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("read policy: unexpected content after the first document")
	}
	return &file, nil
}

// withoutContent returns the error of the YAML library without quotes from the file, which could
// be another file by mistake, such as a key.
func withoutContent(err error) error {
	var types *yaml.TypeError
	if !errors.As(err, &types) {
		return errors.New("read policy: not well-formed YAML")
	}
	unknown := regexp.MustCompile(`^line \d+: field [a-z_]{1,24} not found`)
	where := regexp.MustCompile(`^line \d+`)
	errs := make([]error, len(types.Errors))
	for i, text := range types.Errors {
		if said := unknown.FindString(text); said != "" {
			errs[i] = fmt.Errorf("read policy: %s", said)
			continue
		}
		errs[i] = fmt.Errorf("read policy: %s: unexpected value", where.FindString(text))
	}
	return errors.Join(errs...)
}

func (p *Policy) addPerson(row personRow, finding func(string)) {
	checkIssuer(row.Issuer, finding)
	if row.Claim == "" || row.Value == "" {
		finding("claim and value: must not be empty")
	}
	var grants []Grant
	switch row.Role {
	case RoleName(accessv1.Role_ROLE_OWNER):
		grants = inWorkspaces(accessv1.Role_ROLE_OWNER, row.Workspaces, nil, finding)
	case RoleName(accessv1.Role_ROLE_MEMBER):
		grants = inWorkspaces(accessv1.Role_ROLE_MEMBER, row.Workspaces, nil, finding)
	case RoleName(accessv1.Role_ROLE_SUPER_ADMIN):
		if len(row.Workspaces) > 0 {
			finding("workspaces: must be empty for a super admin, who has all")
		}
		grants = []Grant{{Role: accessv1.Role_ROLE_SUPER_ADMIN, Workspace: Everywhere}}
	default:
		finding("role: must be owner, member or super_admin")
	}
	if slices.Contains(row.Workspaces, Everywhere) {
		finding("workspaces: only a super_admin has all workspaces")
	}
	p.grantToken(row.Issuer, row.Claim, row.Value, grants)
}

func (p *Policy) addWorkload(row workloadRow, finding func(string)) {
	byCertificate := row.SPIFFEID != ""
	if byCertificate == (row.Issuer != "" || row.Subject != "") {
		finding("spiffe_id, issuer, subject: must be either spiffe_id, or issuer and subject")
		return
	}
	if byCertificate {
		if id, err := spiffeid.FromString(row.SPIFFEID); err != nil || id.Path() == "" {
			finding("spiffe_id: must be the SPIFFE id of a workload, spiffe://trust-domain/path")
		}
	} else {
		checkIssuer(row.Issuer, finding)
		if row.Subject == "" {
			finding("subject: must not be empty")
		}
	}
	if len(row.Endpoints) > 0 && row.Role != RoleName(accessv1.Role_ROLE_SENDER) {
		finding("endpoints: allowed only for a sender")
	}
	var grants []Grant
	switch row.Role {
	case RoleName(accessv1.Role_ROLE_RESOLVER):
		grants = inWorkspaces(accessv1.Role_ROLE_RESOLVER, row.Workspaces, nil, finding)
	case RoleName(accessv1.Role_ROLE_SENDER):
		grants = inWorkspaces(accessv1.Role_ROLE_SENDER, row.Workspaces, row.Endpoints, finding)
	case proxyRole:
		if !byCertificate || len(row.Workspaces) > 0 {
			finding("role: a proxy needs a spiffe_id and has no workspaces")
		}
		p.proxies[row.SPIFFEID] = true
	default:
		finding("role: must be resolver, sender or proxy")
	}
	if byCertificate {
		s := p.certificates[row.SPIFFEID]
		if s == nil {
			s = &standing{policy: p.self}
			p.certificates[row.SPIFFEID] = s
		}
		s.grants = append(s.grants, grants...)
		return
	}
	p.grantToken(row.Issuer, "sub", row.Subject, grants)
}

func (p *Policy) grantToken(issuer, claim, value string, grants []Grant) {
	claims := p.tokens[issuer]
	if claims == nil {
		claims = make(map[string]map[string][]Grant)
		p.tokens[issuer] = claims
	}
	if claims[claim] == nil {
		claims[claim] = make(map[string][]Grant)
	}
	claims[claim][value] = append(claims[claim][value], grants...)
}

func inWorkspaces(role accessv1.Role, workspaces, endpoints []string, finding func(string)) []Grant {
	if len(workspaces) == 0 {
		finding("workspaces: must name at least one")
	}
	for _, id := range endpoints {
		if !resource.ValidID(id) {
			finding("endpoints: must be endpoint IDs")
		}
	}
	grants := make([]Grant, 0, len(workspaces))
	for _, workspace := range workspaces {
		if workspace != Everywhere && !resource.ValidID(workspace) {
			finding("workspaces: must be workspace IDs")
		}
		grants = append(grants, Grant{Role: role, Workspace: workspace, Endpoints: endpoints})
	}
	return grants
}

func checkIssuer(issuer string, finding func(string)) {
	if !strings.HasPrefix(issuer, "https://") {
		finding("issuer: must be the https URL of an issuer")
	}
}

// claimGrants returns the grants of a verified token.
func (p *Policy) claimGrants(issuer string, claims claims) []Grant {
	var grants []Grant
	for claim, values := range p.tokens[issuer] {
		for _, value := range claims.strings(claim) {
			grants = append(grants, values[value]...)
		}
	}
	return grants
}

// mistakes collects the mistakes in a file with their places.
type mistakes struct{ errs []error }

func (f *mistakes) at(list string, row int) func(string) {
	return func(text string) {
		f.errs = append(f.errs, fmt.Errorf("%s[%d].%s", list, row, text))
	}
}

// Policies holds the current policy. The code that reads the operator's file replaces it. Every
// request reads it again.
type Policies struct {
	current atomic.Pointer[Policy]

	mu      sync.Mutex
	changes []chan<- struct{}
}

// NewPolicies returns a holder of a policy. Nil is a policy that grants nothing.
func NewPolicies(p *Policy) *Policies {
	var holder Policies
	holder.Swap(p)
	return &holder
}

// Senders returns the senders of an endpoint in the current policy: SPIFFE IDs, and claims of
// issuers. Two endpoints have the same senders if the lists are equal.
func (p *Policies) Senders(workspace, endpoint string) []string {
	policy := p.current.Load()
	sends := func(grants []Grant) bool {
		return slices.ContainsFunc(grants, func(g Grant) bool {
			return g.Role == accessv1.Role_ROLE_SENDER && (g.Workspace == workspace || g.Workspace == Everywhere) &&
				(len(g.Endpoints) == 0 || slices.Contains(g.Endpoints, endpoint))
		})
	}
	var senders []string
	for id, of := range policy.certificates {
		if sends(of.grants) {
			senders = append(senders, id)
		}
	}
	for issuer, claims := range policy.tokens {
		for claim, values := range claims {
			for value, grants := range values {
				if sends(grants) {
					senders = append(senders, issuer+"\x00"+claim+"\x00"+value)
				}
			}
		}
	}
	slices.Sort(senders)
	return senders
}

// Swap replaces the policy for all requests that are authenticated from now on.
func (p *Policies) Swap(next *Policy) {
	if next == nil {
		next = &Policy{}
	}
	p.current.Store(next)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, changed := range p.changes {
		select {
		case changed <- struct{}{}:
		default: // the receiver has not looked yet
		}
	}
}

// Notify sends to a channel whenever the policy is replaced, unless the channel is full. Give it a
// buffer of one.
func (p *Policies) Notify(changed chan<- struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changes = append(p.changes, changed)
}
