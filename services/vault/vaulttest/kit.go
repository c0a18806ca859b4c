package vaulttest

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/client/cache"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
)

const Workspace = "workspaces/acme"

// A Kit is a vault behind the real server, with clients of those who use it most.
type Kit struct {
	Env     *servertest.Env
	Config  vault.Config
	Vault   *vault.Vault
	Running *servertest.Running

	Owner, Admin, Resolver Client
}

// A Client calls as one caller.
type Client struct {
	vaultv1.VaultServiceClient
	Subject string
}

func New(t testing.TB) *Kit {
	t.Helper()
	folder := t.TempDir()
	k := &Kit{
		Env:    servertest.New(t),
		Config: vault.Config{Store: filepath.Join(folder, "vault.db"), KeyFile: filepath.Join(folder, "key")},
	}
	if err := vault.CreateKey(k.Config.KeyFile); err != nil {
		t.Fatal(err)
	}
	k.Start(t)
	return k
}

// Start opens the vault, for the first time or again, and connects the clients.
func (k *Kit) Start(t testing.TB) {
	t.Helper()
	var err error
	if k.Vault, err = vault.New(t.Context(), k.Config, k.Env.Logger); err != nil {
		t.Fatal(err)
	}
	k.Running = k.Env.Start(t, k.Vault)
	k.Owner = k.As(t, k.Env.Owner(t, "acme"))
	k.Admin = k.As(t, k.Env.SuperAdmin(t))
	k.Resolver = k.As(t, k.Env.Resolver(t))
}

func (k *Kit) As(t testing.TB, caller servertest.Caller) Client {
	t.Helper()
	conn := k.Env.Dial(t, k.Running.Addr, caller)
	return Client{vaultv1.NewVaultServiceClient(conn), caller.Subject}
}

func NameOf(id string) string { return Workspace + "/secrets/" + id }

func VersionOf(id string, version uint32) string {
	return fmt.Sprintf("%s/versions/%d", NameOf(id), version)
}

// Text is a value, which may be weak: most tests are about something else.
func Text(value string) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}, WeakReason: "to be read in a test"}
}

func Generate(kind vaultv1.Generate_Kind) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}}}
}

// Create stores a secret and fails the test if it cannot.
func (c Client) Create(t testing.TB, id string, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	if secret.GetValue() == nil {
		secret.Value = Text("a value that the id is no part of")
	}
	// To draw a large RSA key takes long on a machine that is busy.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := c.CreateSecret(ctx, &vaultv1.CreateSecretRequest{Parent: Workspace, SecretId: id, Secret: secret})
	if err != nil {
		t.Fatalf("CreateSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

func (c Client) Get(t testing.TB, id string) *vaultv1.Secret {
	t.Helper()
	res, err := c.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: NameOf(id)})
	if err != nil {
		t.Fatalf("GetSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

func (c Client) Update(t testing.TB, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	res, err := c.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret})
	if err != nil {
		t.Fatalf("UpdateSecret(%s) = %v", secret.GetName(), err)
	}
	return res.GetSecret()
}

func (c Client) Delete(t testing.TB, id string) {
	t.Helper()
	if _, err := c.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: NameOf(id)}); err != nil {
		t.Fatalf("DeleteSecret(%s) = %v", id, err)
	}
}

func BindRequest(id, endpoint, operation string) *vaultv1.BindSecretRequest {
	return &vaultv1.BindSecretRequest{
		Name: NameOf(id), Usage: vaultv1.Usage_USAGE_KEY,
		Referrer: Workspace + "/endpoints/" + endpoint, OperationId: operation,
		Host: "partner.example", Chains: []string{Chain},
	}
}

// Chain is what the keys of these tests are for, unless they say so.
const Chain = "raw > HMAC-SHA256(of=message)"

// Purpose is how it is asked for.
func Purpose() []byte { return []byte(cache.PurposeOf(Chain)) }

func (c Client) Bind(t testing.TB, id, endpoint, operation string) *vaultv1.Binding {
	t.Helper()
	res, err := c.BindSecret(t.Context(), BindRequest(id, endpoint, operation))
	if err != nil {
		t.Fatalf("BindSecret(%s) = %v", id, err)
	}
	return res.GetBinding()
}

func (c Client) Unbind(t testing.TB, id, operation string) {
	t.Helper()
	_, err := c.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: NameOf(id), OperationId: operation})
	if err != nil {
		t.Fatalf("UnbindSecret(%s) = %v", id, err)
	}
}

func (c Client) Resolve(t testing.TB, id, uid string, version uint32) string {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: NameOf(id), Uid: uid, Version: version, Purpose: Purpose()})
	if err != nil {
		t.Fatalf("ResolveSecret(%s, %d) = %v", id, version, err)
	}
	return string(res.GetValue())
}

// History returns all changes of a secret, newest first.
func (c Client) History(t testing.TB, id string) []*vaultv1.SecretChange {
	t.Helper()
	var all []*vaultv1.SecretChange
	req := &vaultv1.ListSecretHistoryRequest{Name: NameOf(id), PageSize: 1000}
	for {
		res, err := c.ListSecretHistory(t.Context(), req)
		if err != nil {
			t.Fatalf("ListSecretHistory(%s) = %v", id, err)
		}
		all = append(all, res.GetChanges()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			return all
		}
	}
}

// WantError fails the test unless err has the code and the reason.
func WantError(t testing.TB, what string, err error, code codes.Code, reason vaultv1.ErrorReason) {
	t.Helper()
	const prefix = "ERROR_REASON_"
	want := reason.String()[len(prefix):]
	if got := status.Code(err); got != code || servertest.Reason(err) != want {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, want)
	}
}

// WantField fails the test unless err is about one malformed field.
func WantField(t testing.TB, what string, err error, field string) {
	t.Helper()
	WantError(t, what, err, codes.InvalidArgument, vaultv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	violations := servertest.Violations(err)
	if len(violations) != 1 || violations[0].Field != field || violations[0].Description == "" {
		t.Errorf("%s complains about %v, want one violation of %s", what, violations, field)
	}
}
