package allowlist_test

import (
	"bytes"
	"crypto/rand"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/vault"
)

const workspace = "workspaces/acme"

// pace is how often the background tasks look in tests.
const pace = 20 * time.Millisecond

// A kit is an allowlist and a vault behind real servers, with clients of those who
// use them most.
type kit struct {
	env                        *servertest.Env
	vaultConfig                vault.Config
	config                     allowlist.Config
	listen                     string
	reconcile                  time.Duration
	clock                      *clock
	steps                      *steps
	store                      *kvtest.FaultyStore
	metrics                    *prometheus.Registry
	allowlist                  *allowlist.Allowlist
	vaultServer, server        *servertest.Running
	owner, member, admin       client
	sender                     client
	secrets, bindings, vaultSA vaultv1.VaultServiceClient
}

type client struct {
	allowlistv1.AllowlistServiceClient
	subject string
}

func newKit(t testing.TB) *kit {
	t.Helper()
	return makeKit(t, 0)
}

// newReconcilingKit is a kit whose allowlist compares itself with the vault all the
// time. Other tests go without, so that what it would repair cannot hide in it.
func newReconcilingKit(t testing.TB) *kit {
	t.Helper()
	return makeKit(t, pace)
}

// makeKit starts a kit. Configure is called before the allowlist starts.
func makeKit(t testing.TB, reconcile time.Duration, configure ...func(*kit)) *kit {
	t.Helper()
	folder := t.TempDir()
	k := &kit{clock: new(clock), steps: new(steps), listen: "127.0.0.1:0", reconcile: reconcile}
	k.env = servertest.New(t, func(c *server.Config) {
		c.Listen, c.Limits.Drain = k.listen, 100*time.Millisecond
	})
	k.vaultConfig = vault.Config{Store: filepath.Join(folder, "vault.db"), KeyFile: filepath.Join(folder, "vault.key")}
	must(t, vault.CreateKey(k.vaultConfig.KeyFile))
	cert, key := k.env.Files(t, k.env.Resolver(t))
	k.config = allowlist.Config{
		Store: filepath.Join(folder, "allowlist.db"), KeyFile: filepath.Join(folder, "allowlist.key"),
		Vault: allowlist.VaultConfig{CA: k.env.TrustFile(), Certificate: cert, Key: key},
	}
	must(t, allowlist.CreateKey(k.config.KeyFile))
	k.startVault(t)
	for _, change := range configure {
		change(k)
	}
	k.start(t)
	return k
}

// startVault opens the vault, for the first time or again, and then where it was.
func (k *kit) startVault(t testing.TB) {
	t.Helper()
	v, err := vault.New(t.Context(), k.vaultConfig, k.env.Logger)
	must(t, err)
	if k.vaultServer != nil {
		k.listen = k.vaultServer.Addr
	}
	k.vaultServer = k.env.Start(t, v)
	k.listen, k.config.Vault.Address = "127.0.0.1:0", k.vaultServer.Addr
	k.secrets = vaultv1.NewVaultServiceClient(k.env.Dial(t, k.vaultServer.Addr, k.env.Owner(t, "acme")))
	k.vaultSA = vaultv1.NewVaultServiceClient(k.env.Dial(t, k.vaultServer.Addr, k.env.SuperAdmin(t)))
	k.bindings = vaultv1.NewVaultServiceClient(k.env.Dial(t, k.vaultServer.Addr, k.env.Resolver(t)))
}

// start opens the allowlist, for the first time or again.
func (k *kit) start(t testing.TB) {
	t.Helper()
	k.metrics = prometheus.NewRegistry()
	a, err := allowlist.Open(t.Context(), k.config, k.env.Logger, allowlist.Around{
		Now: k.clock.now, Metrics: k.metrics, Pace: pace, Reconcile: k.reconcile, Step: k.steps.step,
		Wrap: func(store kv.Store) kv.Store { // every transaction runs twice, and may be made to fail
			k.store = kvtest.Faulty(kvtest.Rerun(store))
			return k.store
		},
	})
	must(t, err)
	k.allowlist, k.server = a, k.env.Start(t, a)
	k.owner = k.as(t, k.env.Owner(t, "acme"))
	k.member = k.as(t, k.env.Member(t, "acme"))
	k.admin = k.as(t, k.env.SuperAdmin(t))
	k.sender = k.as(t, k.env.Sender(t))
}

// restart closes the allowlist and opens it again.
func (k *kit) restart(t testing.TB) {
	t.Helper()
	k.server.Stop()
	k.start(t)
}

func (k *kit) as(t testing.TB, caller servertest.Caller) client {
	t.Helper()
	return client{allowlistv1.NewAllowlistServiceClient(k.env.Dial(t, k.server.Addr, caller)), caller.Subject}
}

// secret stores 32 random bytes, or a given value, under an id.
func (k *kit) secret(t testing.TB, id string, value ...byte) string {
	t.Helper()
	return k.secretIn(t, workspace, id, vaultv1.Usage_USAGE_KEY, value...)
}

func (k *kit) secretIn(t testing.TB, parent, id string, usage vaultv1.Usage, value ...byte) string {
	t.Helper()
	if len(value) == 0 {
		value = make([]byte, 32)
		rand.Read(value) // a generated key serves what its kind says, this one anything
	}
	s := &vaultv1.Secret{Usage: usage, Value: &vaultv1.SecretValue{
		Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test",
	}}
	_, err := k.vaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: parent, SecretId: id, Secret: s, Reason: "a test"})
	must(t, err)
	return parent + "/secrets/" + id
}

// held returns the operations under which anyone is bound to a secret; none for a
// secret that is gone.
func (k *kit) held(t testing.TB, secret string) []*vaultv1.Binding {
	t.Helper()
	resp, err := k.bindings.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	must(t, err)
	return resp.GetBindings()
}

// settle waits until a secret has a number of bindings, while the clock runs on so
// that whatever waits for its time gets it.
func (k *kit) settle(t testing.TB, secret string, want int) {
	t.Helper()
	eventually(t, func() bool {
		k.clock.advance(time.Second)
		return len(k.held(t, secret)) == want
	}, "%s has %d bindings, want %d", secret, len(k.held(t, secret)), want)
}

func nameOf(id string) string { return workspace + "/endpoints/" + id }

// encrypted is an encryption of whole bodies under secrets, the first of which encrypts.
func encrypted(secrets ...string) *allowlistv1.Encryption {
	shared := &allowlistv1.SharedKey{}
	for _, secret := range secrets {
		shared.Keys = append(shared.Keys, &allowlistv1.SecretRef{Name: secret})
	}
	return &allowlistv1.Encryption{Request: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
		Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM, Key: &allowlistv1.Cipher_SharedKey{SharedKey: shared},
	}}}}
}

// draft is an endpoint that may be created.
func draft(secrets ...string) *allowlistv1.Endpoint {
	e := &allowlistv1.Endpoint{Methods: []string{"POST"}, Url: "https://api.partner.example/v1"}
	if len(secrets) > 0 {
		e.Encryption = encrypted(secrets...)
	}
	return e
}

func (c client) create(t testing.TB, id string, e *allowlistv1.Endpoint) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: id, Endpoint: e})
	if err != nil {
		t.Fatalf("CreateEndpoint(%s) = %v %v", id, err, servertest.Violations(err))
	}
	return resp.GetEndpoint()
}

func (c client) get(t testing.TB, id string) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: nameOf(id)})
	must(t, err)
	return resp.GetEndpoint()
}

func (c client) update(t testing.TB, e *allowlistv1.Endpoint, paths ...string) (*allowlistv1.Endpoint, error) {
	t.Helper()
	resp, err := c.UpdateEndpoint(t.Context(), &allowlistv1.UpdateEndpointRequest{
		Endpoint: e, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	})
	return resp.GetEndpoint(), err
}

func (c client) delete(t testing.TB, id string) {
	t.Helper()
	_, err := c.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: nameOf(id)})
	must(t, err)
}

// activate approves an endpoint and switches it on.
func (k *kit) activate(t testing.TB, id string) {
	t.Helper()
	_, err := k.admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: nameOf(id)})
	must(t, err)
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf(id)})
	must(t, err)
}

func (c client) history(t testing.TB, name string) []*allowlistv1.EndpointChange {
	t.Helper()
	var all []*allowlistv1.EndpointChange
	req := &allowlistv1.ListEndpointHistoryRequest{Name: name, PageSize: 3}
	for {
		resp, err := c.ListEndpointHistory(t.Context(), req)
		must(t, err)
		all = append(all, resp.GetChanges()...)
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// wantError fails the test unless err has the code and the reason.
func wantError(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if got := status.Code(err); got != code || servertest.Reason(err) != reason {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, reason)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v %v %v", err, servertest.Reason(err), servertest.Violations(err))
	}
}

// eventually polls until a condition holds.
func eventually(t testing.TB, holds func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf(format, args...)
		case <-tick.C:
		}
	}
}

// clock is a clock that tests put forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// steps lets a test take part between the steps of a save.
type steps struct {
	mu   sync.Mutex
	hook func(string) error
}

func (s *steps) step(name string) error {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(name)
}

func (s *steps) set(hook func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func same(a, b []byte) bool { return bytes.Equal(a, b) }
