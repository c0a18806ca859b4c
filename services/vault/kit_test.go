package vault_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
)

const workspace = "workspaces/acme"

// A kit is a vault behind the real server, with clients of those who use it most.
type kit struct {
	env     *servertest.Env
	config  vault.Config
	vault   *vault.Vault
	running *servertest.Running

	owner, admin, resolver client
}

// A client calls as one caller.
type client struct {
	vaultv1.VaultServiceClient
	subject string
}

func newKit(t testing.TB) *kit {
	t.Helper()
	folder := t.TempDir()
	k := &kit{
		env:    servertest.New(t),
		config: vault.Config{Store: filepath.Join(folder, "vault.db"), KeyFile: filepath.Join(folder, "key")},
	}
	if err := vault.CreateKey(k.config.KeyFile); err != nil {
		t.Fatal(err)
	}
	k.start(t)
	return k
}

// start opens the vault, for the first time or again, and connects the clients.
func (k *kit) start(t testing.TB) {
	t.Helper()
	var err error
	if k.vault, err = vault.New(t.Context(), k.config, k.env.Logger); err != nil {
		t.Fatal(err)
	}
	k.running = k.env.Start(t, k.vault)
	k.owner = k.as(t, k.env.Owner(t, "acme"))
	k.admin = k.as(t, k.env.SuperAdmin(t))
	k.resolver = k.as(t, k.env.Resolver(t))
}

func (k *kit) as(t testing.TB, caller servertest.Caller) client {
	t.Helper()
	conn := k.env.Dial(t, k.running.Addr, caller)
	return client{vaultv1.NewVaultServiceClient(conn), caller.Subject}
}

func nameOf(id string) string { return workspace + "/secrets/" + id }

func versionOf(id string, version uint32) string {
	return fmt.Sprintf("%s/versions/%d", nameOf(id), version)
}

// text is a value, which may be weak: most tests are about something else.
func text(value string) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}, WeakReason: "to be read in a test"}
}

func generate(kind vaultv1.Generate_Kind) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}}}
}

// create stores a secret and fails the test if it cannot.
func (c client) create(t testing.TB, id string, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	if secret.GetValue() == nil {
		secret.Value = text("a value that the id is no part of")
	}
	// To draw a large RSA key takes long on a machine that is busy.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := c.CreateSecret(ctx, &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: id, Secret: secret})
	if err != nil {
		t.Fatalf("CreateSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

func (c client) get(t testing.TB, id string) *vaultv1.Secret {
	t.Helper()
	res, err := c.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: nameOf(id)})
	if err != nil {
		t.Fatalf("GetSecret(%s) = %v", id, err)
	}
	return res.GetSecret()
}

func (c client) update(t testing.TB, secret *vaultv1.Secret) *vaultv1.Secret {
	t.Helper()
	res, err := c.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: secret})
	if err != nil {
		t.Fatalf("UpdateSecret(%s) = %v", secret.GetName(), err)
	}
	return res.GetSecret()
}

func (c client) delete(t testing.TB, id string) {
	t.Helper()
	if _, err := c.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: nameOf(id)}); err != nil {
		t.Fatalf("DeleteSecret(%s) = %v", id, err)
	}
}

func bindRequest(id, endpoint, operation string) *vaultv1.BindSecretRequest {
	return &vaultv1.BindSecretRequest{
		Name: nameOf(id), Usage: vaultv1.Usage_USAGE_KEY,
		Referrer: workspace + "/endpoints/" + endpoint, OperationId: operation,
		Host: "partner.example", Chains: []string{chain},
	}
}

// chain is what the keys of these tests are for, unless they say so.
const chain = "raw > HMAC-SHA256(of=message)"

// purpose is how it is asked for.
func purpose() []byte { return purposeOf(chain) }

// purposeOf is how chains are asked for: the SHA-256 of their sorted lines.
func purposeOf(chains ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(chains)), "\n")))
	return sum[:]
}

func (c client) bind(t testing.TB, id, endpoint, operation string) *vaultv1.Binding {
	t.Helper()
	res, err := c.BindSecret(t.Context(), bindRequest(id, endpoint, operation))
	if err != nil {
		t.Fatalf("BindSecret(%s) = %v", id, err)
	}
	return res.GetBinding()
}

func (c client) unbind(t testing.TB, id, operation string) {
	t.Helper()
	_, err := c.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: nameOf(id), OperationId: operation})
	if err != nil {
		t.Fatalf("UnbindSecret(%s) = %v", id, err)
	}
}

func (c client) resolve(t testing.TB, id, uid string, version uint32) string {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: nameOf(id), Uid: uid, Version: version, Purpose: purpose()})
	if err != nil {
		t.Fatalf("ResolveSecret(%s, %d) = %v", id, version, err)
	}
	return string(res.GetValue())
}

// history returns all changes of a secret, newest first.
func (c client) history(t testing.TB, id string) []*vaultv1.SecretChange {
	t.Helper()
	var all []*vaultv1.SecretChange
	req := &vaultv1.ListSecretHistoryRequest{Name: nameOf(id), PageSize: 1000}
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

// wantError fails the test unless err has the code and the reason, a value of an ErrorReason.
func wantError(t testing.TB, what string, err error, code codes.Code, reason fmt.Stringer) {
	t.Helper()
	const prefix = "ERROR_REASON_"
	want := reason.String()[len(prefix):]
	if got := status.Code(err); got != code || servertest.Reason(err) != want {
		t.Errorf("%s = %v %q (%v), want %v %q", what, got, servertest.Reason(err), err, code, want)
	}
}

// wantField fails the test unless err is about one malformed field.
func wantField(t testing.TB, what string, err error, field string) {
	t.Helper()
	wantError(t, what, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	violations := servertest.Violations(err)
	if len(violations) != 1 || violations[0].Field != field || violations[0].Description == "" {
		t.Errorf("%s complains about %v, want one violation of %s", what, violations, field)
	}
}
