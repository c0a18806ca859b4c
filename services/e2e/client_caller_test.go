package e2e

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/standalone/localid"
)

// dialVault connects the Go client to the vault.
func (c *constellation) dialVault(cfg client.Config) client.Vault {
	c.t.Helper()
	cfg.Address, cfg.CA, cfg.Attempts = c.vault, c.path("ca.pem"), 1
	conn, err := client.Dial(cfg)
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return client.NewVault(conn)
}

func TestServerKnowsTheGoClientByItsTokenOrCertificate(t *testing.T) {
	t.Parallel()
	c := apart(t)
	const name = "workspaces/demo/secrets/key"
	_, err := c.vaultOf(owner).Store(t.Context(), name, client.Text("a value of the owner"), "")
	check(t, err)
	get := &vaultv1.GetSecretRequest{Name: name}

	path := c.path("renewed.token")
	check(t, os.WriteFile(path, nil, 0o600))
	byToken := c.dialVault(client.Config{Token: client.FileToken(path)})
	good, other := readFile(t, c.path("owner.token")), readFile(t, c.path("sender.token"))
	for _, step := range []struct {
		name, token string
		want        error
	}{
		{"a token and a line end", good + "\n", nil},
		{"the token of a caller without a role", other, client.ErrDenied},
		{"nothing", "\n", client.ErrUnauthenticated},
		{"two lines", good + "\n" + good, client.ErrUnauthenticated},
		{"the token again", good, nil},
	} { // in order, because the client reads the file for each call
		check(t, os.WriteFile(path, []byte(step.token), 0o600))
		_, err := byToken.GetSecret(t.Context(), get)
		if !errors.Is(err, step.want) {
			t.Errorf("GetSecret with %s in the token file = %v, want %v", step.name, err, step.want)
		}
		if err != nil && strings.Contains(err.Error(), good) {
			t.Errorf("with %s in the token file, the error contains the token", step.name)
		}
	}
	if _, err := c.dialVault(client.Config{}).GetSecret(t.Context(), get); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("GetSecret without credentials = %v, want %v", err, client.ErrUnauthenticated)
	}

	// The client reads the certificate and the key for each connection.
	cfg := client.Config{Certificate: c.path("renewed.crt"), Key: c.path("renewed.key")}
	show := func(workload string) client.Vault {
		cert, err := c.authority().WorkloadCertificate(spiffeid.RequireFromString("spiffe://" + apartDomain + "/" + workload))
		check(t, err)
		check(t, localid.WriteCertificate(cfg.Certificate, cfg.Key, cert))
		return c.dialVault(cfg)
	}
	resolve := func(vault client.Vault) error {
		_, err := vault.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: name, Uid: "u"})
		return err
	}
	old := show("stranger")
	if err := resolve(old); client.Reason(err) != "PERMISSION_DENIED" {
		t.Fatalf("ResolveSecret of a stranger = %v, want PERMISSION_DENIED", err)
	}
	renewed := show("allowlist")
	if err := resolve(old); client.Reason(err) != "PERMISSION_DENIED" {
		t.Errorf("ResolveSecret on the old connection = %v, want PERMISSION_DENIED", err)
	}
	if err := resolve(renewed); client.Reason(err) != "SECRET_NOT_FOUND" {
		t.Errorf("ResolveSecret of a resolver = %v, want SECRET_NOT_FOUND: the uid is another", err)
	}
	if _, err := renewed.GetSecret(t.Context(), get); !errors.Is(err, client.ErrDenied) {
		t.Errorf("GetSecret of a resolver = %v, want %v", err, client.ErrDenied)
	}
}

func TestErrorsOfServersAreTyped(t *testing.T) {
	t.Parallel()
	c := apart(t)
	vault := c.vaultOf(owner)
	_, err := vault.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: "workspaces/demo/secrets/absent"})
	var e *client.Error
	if !errors.As(err, &e) || e.Reason != "SECRET_NOT_FOUND" || e.RequestID == "" || !errors.Is(err, client.ErrNotFound) {
		t.Errorf("GetSecret of an absent secret = %v, want SECRET_NOT_FOUND and a request ID", err)
	}
	_, err = vault.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: "workspaces/demo", SecretId: "key", Secret: &vaultv1.Secret{}})
	wrong := func(v client.Violation) bool { return v.Field == "secret.value" }
	if !errors.As(err, &e) || !errors.Is(err, client.ErrInvalid) || !slices.ContainsFunc(e.Violations, wrong) {
		t.Errorf("CreateSecret without a value = %v, want a violation of secret.value", err)
	}
	stream, err := vault.WatchSecrets(t.Context(), &vaultv1.WatchSecretsRequest{Parent: "workspaces/demo"})
	if err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, client.ErrDenied) || client.Reason(err) != "PERMISSION_DENIED" {
		t.Errorf("WatchSecrets of an owner = %v, want %v", err, client.ErrDenied)
	}
}
