package allowlisttest

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

const Workspace = "workspaces/acme"

// Pace is how often the background tasks look in tests.
const Pace = 20 * time.Millisecond

// A Kit is an allowlist and a vault behind real servers, with clients of those who
// use them most.
type Kit struct {
	Env                        *servertest.Env
	VaultConfig                vault.Config
	Config                     allowlist.Config
	listen                     string
	reconcile                  time.Duration
	Clock                      *clock
	Steps                      *steps
	Store                      *kvtest.FaultyStore
	Metrics                    *prometheus.Registry
	Allowlist                  *allowlist.Allowlist
	VaultServer, Server        *servertest.Running
	Owner, Member, Admin       Client
	Sender                     Client
	Secrets, Bindings, VaultSA vaultv1.VaultServiceClient
}

type Client struct {
	allowlistv1.AllowlistServiceClient
	Subject string
}

func New(t testing.TB) *Kit {
	t.Helper()
	return Make(t, 0)
}

// NewReconciling is a kit whose allowlist compares itself with the vault all the
// time. Other tests go without, so that what it would repair cannot hide in it.
func NewReconciling(t testing.TB) *Kit {
	t.Helper()
	return Make(t, Pace)
}

// Make starts a kit. Configure is called before the allowlist starts.
func Make(t testing.TB, reconcile time.Duration, configure ...func(*Kit)) *Kit {
	t.Helper()
	folder := t.TempDir()
	k := &Kit{Clock: new(clock), Steps: new(steps), listen: "127.0.0.1:0", reconcile: reconcile}
	k.Env = servertest.New(t, func(c *server.Config) {
		c.Listen, c.Limits.Drain = k.listen, 100*time.Millisecond
	})
	k.VaultConfig = vault.Config{Store: filepath.Join(folder, "vault.db"), KeyFile: filepath.Join(folder, "vault.key")}
	Must(t, vault.CreateKey(k.VaultConfig.KeyFile))
	cert, key := k.Env.Files(t, k.Env.Resolver(t))
	k.Config = allowlist.Config{
		Store: filepath.Join(folder, "allowlist.db"), KeyFile: filepath.Join(folder, "allowlist.key"),
		Vault: allowlist.VaultConfig{CA: k.Env.TrustFile(), Certificate: cert, Key: key},
	}
	Must(t, allowlist.CreateKey(k.Config.KeyFile))
	k.StartVault(t)
	for _, change := range configure {
		change(k)
	}
	k.Start(t)
	return k
}

// StartVault opens the vault, for the first time or again, and then where it was.
func (k *Kit) StartVault(t testing.TB) {
	t.Helper()
	v, err := vault.New(t.Context(), k.VaultConfig, k.Env.Logger)
	Must(t, err)
	if k.VaultServer != nil {
		k.listen = k.VaultServer.Addr
	}
	k.VaultServer = k.Env.Start(t, v)
	k.listen, k.Config.Vault.Address = "127.0.0.1:0", k.VaultServer.Addr
	k.Secrets = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Owner(t, "acme")))
	k.VaultSA = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.SuperAdmin(t)))
	k.Bindings = vaultv1.NewVaultServiceClient(k.Env.Dial(t, k.VaultServer.Addr, k.Env.Resolver(t)))
}

// Start opens the allowlist, for the first time or again.
func (k *Kit) Start(t testing.TB) {
	t.Helper()
	k.Metrics = prometheus.NewRegistry()
	a, err := allowlist.Open(t.Context(), k.Config, k.Env.Logger, allowlist.Around{
		Now: k.Clock.Now, Metrics: k.Metrics, Pace: Pace, Reconcile: k.reconcile, Step: k.Steps.step,
		Wrap: func(store kv.Store) kv.Store { // every transaction runs twice, and may be made to fail
			k.Store = kvtest.Faulty(kvtest.Rerun(store))
			return k.Store
		},
	})
	Must(t, err)
	k.Allowlist, k.Server = a, k.Env.Start(t, a)
	k.Owner = k.As(t, k.Env.Owner(t, "acme"))
	k.Member = k.As(t, k.Env.Member(t, "acme"))
	k.Admin = k.As(t, k.Env.SuperAdmin(t))
	k.Sender = k.As(t, k.Env.Sender(t))
}

// Restart closes the allowlist and opens it again.
func (k *Kit) Restart(t testing.TB) {
	t.Helper()
	k.Server.Stop()
	k.Start(t)
}

func (k *Kit) As(t testing.TB, caller servertest.Caller) Client {
	t.Helper()
	return Client{allowlistv1.NewAllowlistServiceClient(k.Env.Dial(t, k.Server.Addr, caller)), caller.Subject}
}

// Secret stores 32 random bytes, or a given value, under an id.
func (k *Kit) Secret(t testing.TB, id string, value ...byte) string {
	t.Helper()
	return k.SecretIn(t, Workspace, id, vaultv1.Usage_USAGE_KEY, value...)
}

func (k *Kit) SecretIn(t testing.TB, parent, id string, usage vaultv1.Usage, value ...byte) string {
	t.Helper()
	if len(value) == 0 {
		value = make([]byte, 32)
		rand.Read(value) // a generated key serves what its kind says, this one anything
	}
	s := &vaultv1.Secret{Usage: usage, Value: &vaultv1.SecretValue{
		Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test",
	}}
	_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: parent, SecretId: id, Secret: s, Reason: "a test"})
	Must(t, err)
	return parent + "/secrets/" + id
}

// Held returns the operations under which anyone is bound to a secret; none for a
// secret that is gone.
func (k *Kit) Held(t testing.TB, secret string) []*vaultv1.Binding {
	t.Helper()
	resp, err := k.Bindings.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	Must(t, err)
	return resp.GetBindings()
}

// Settle waits until a secret has a number of bindings, while the clock runs on so
// that whatever waits for its time gets it.
func (k *Kit) Settle(t testing.TB, secret string, want int) {
	t.Helper()
	Eventually(t, func() bool {
		k.Clock.Advance(time.Second)
		return len(k.Held(t, secret)) == want
	}, "%s has %d bindings, want %d", secret, len(k.Held(t, secret)), want)
}

func NameOf(id string) string { return Workspace + "/endpoints/" + id }

// Encrypted is an encryption of whole bodies under secrets, the first of which encrypts.
func Encrypted(secrets ...string) *allowlistv1.Encryption {
	shared := &allowlistv1.SharedKey{}
	for _, secret := range secrets {
		shared.Keys = append(shared.Keys, &allowlistv1.SecretRef{Name: secret})
	}
	return &allowlistv1.Encryption{Request: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
		Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM, Key: &allowlistv1.Cipher_SharedKey{SharedKey: shared},
	}}}}
}

// Draft is an endpoint that may be created.
func Draft(secrets ...string) *allowlistv1.Endpoint {
	e := &allowlistv1.Endpoint{Methods: []string{"POST"}, Url: "https://api.partner.example/v1"}
	if len(secrets) > 0 {
		e.Encryption = Encrypted(secrets...)
	}
	return e
}

func (c Client) Create(t testing.TB, id string, e *allowlistv1.Endpoint) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: Workspace, EndpointId: id, Endpoint: e})
	if err != nil {
		t.Fatalf("CreateEndpoint(%s) = %v %v", id, err, servertest.Violations(err))
	}
	return resp.GetEndpoint()
}

func (c Client) Get(t testing.TB, id string) *allowlistv1.Endpoint {
	t.Helper()
	resp, err := c.GetEndpoint(t.Context(), &allowlistv1.GetEndpointRequest{Name: NameOf(id)})
	Must(t, err)
	return resp.GetEndpoint()
}

func (c Client) Update(t testing.TB, e *allowlistv1.Endpoint, paths ...string) (*allowlistv1.Endpoint, error) {
	t.Helper()
	resp, err := c.UpdateEndpoint(t.Context(), &allowlistv1.UpdateEndpointRequest{
		Endpoint: e, UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
	})
	return resp.GetEndpoint(), err
}

func (c Client) Delete(t testing.TB, id string) {
	t.Helper()
	_, err := c.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: NameOf(id)})
	Must(t, err)
}

// Activate approves an endpoint and switches it on.
func (k *Kit) Activate(t testing.TB, id string) {
	t.Helper()
	_, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: NameOf(id)})
	Must(t, err)
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: NameOf(id)})
	Must(t, err)
}

func (c Client) History(t testing.TB, name string) []*allowlistv1.EndpointChange {
	t.Helper()
	var all []*allowlistv1.EndpointChange
	req := &allowlistv1.ListEndpointHistoryRequest{Name: name, PageSize: 3}
	for {
		resp, err := c.ListEndpointHistory(t.Context(), req)
		Must(t, err)
		all = append(all, resp.GetChanges()...)
		if req.PageToken = resp.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// WantError fails the test unless err has the code and the reason.
func WantError(t testing.TB, what string, err error, code codes.Code, reason string) {
	t.Helper()
	if got := status.Code(err); got != code || servertest.Reason(err) != reason {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, reason)
	}
}

func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v %v %v", err, servertest.Reason(err), servertest.Violations(err))
	}
}

// Eventually polls until a condition holds.
func Eventually(t testing.TB, holds func() bool, format string, args ...any) {
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

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }

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

func (s *steps) Set(hook func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

func Same(a, b []byte) bool { return bytes.Equal(a, b) }
