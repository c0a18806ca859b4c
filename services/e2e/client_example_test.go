package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/keyward/keyward/pkg/client"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// rotateKey is an example of an owner's program: it stores a key, rotates it, and shows the public
// part for the partner.
func rotateKey(ctx context.Context, config client.Config, out io.Writer) error {
	conn, err := client.Dial(config)
	if err != nil {
		return err
	}
	defer conn.Close()
	vault := client.NewVault(conn)

	const name = "workspaces/demo/secrets/example-bank-key"
	if _, err := vault.Store(ctx, name, client.Text("from the partner"), "first key"); err != nil {
		return err
	}
	rotated, err := vault.Rotate(ctx, name, client.Generate(vaultv1.Generate_KIND_EC_P256), "a key of our own")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "version", rotated.GetCurrentVersion())

	got, err := vault.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: name})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, got.GetSecret().GetMaskedValue(), got.GetSecret().GetPublicKey().GetAlgorithm())

	for change, err := range vault.History(ctx, name) {
		if err != nil {
			return err
		}
		fmt.Fprintln(out, change.GetAction(), change.GetReason())
	}

	_, err = vault.GetSecret(ctx, &vaultv1.GetSecretRequest{Name: "workspaces/demo/secrets/absent"})
	fmt.Fprintln(out, errors.Is(err, client.ErrNotFound), client.Reason(err))
	return nil
}

// pay is an example of a sender's program: it encrypts a request, sends it, and decrypts the
// response.
func pay(ctx context.Context, config client.Config, partner string, out io.Writer) error {
	conn, err := client.Dial(config)
	if err != nil {
		return err
	}
	defer conn.Close()
	allowlist := client.NewAllowlist(conn)

	const endpoint = "workspaces/demo/endpoints/example-bank"
	message, err := allowlist.EncryptRequest(ctx, endpoint, []byte(`{"amount":100}`))
	if err != nil {
		return err
	}
	req, err := message.Request(ctx, http.MethodPost, partner)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	sealed, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	plain, err := allowlist.DecryptResponse(ctx, endpoint, sealed, message.Exchange)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "the partner answers", string(plain))
	return nil
}

func Example_owner() {
	s := raise()
	defer s.end()
	check(s, rotateKey(s.Context(), s.config(owner), os.Stdout))
	// Output:
	// version 2
	// •••••••• EC-P256
	// ACTION_UPDATED a key of our own
	// ACTION_CREATED first key
	// true SECRET_NOT_FOUND
}

func Example_sender() {
	s := raise()
	defer s.end()
	s.register()
	partner := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body) // the same, under the same key
	}))
	defer partner.Close()
	check(s, pay(s.Context(), s.config(sender), partner.URL, os.Stdout))
	// Output:
	// the partner answers {"amount":100}
}

// A stage is a standalone for an example. It implements the part of testing.TB that the helpers of
// this package need and that an example does not have.
type stage struct {
	testing.TB
	site     site
	cleanups []func()
}

// raise starts a standalone.
func raise() *stage {
	s := &stage{}
	s.site, _ = standalone(s, s.TempDir())
	return s
}

// end stops it.
func (s *stage) end() {
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
}

// config returns the client configuration of a person.
func (s *stage) config(who person) client.Config {
	return client.Config{
		Address: s.site.vault,
		CA:      filepath.Join(s.site.access, "ca.pem"),
		Token:   client.FileToken(filepath.Join(s.site.access, string(who)+".token")),
	}
}

// register creates the partner's endpoint.
func (s *stage) register() {
	const name = "workspaces/demo/endpoints/example-bank"
	as := func(who person) (client.Vault, client.Allowlist) {
		conn, err := client.Dial(s.config(who))
		check(s, err)
		s.Cleanup(func() { _ = conn.Close() })
		return client.NewVault(conn), client.NewAllowlist(conn)
	}
	vault, allowlist := as(owner)
	_, approver := as(admin)
	key, err := vault.Store(s.Context(), "workspaces/demo/secrets/example-bank-key", client.Generate(vaultv1.Generate_KIND_AES_256), "")
	check(s, err)
	_, err = allowlist.CreateEndpoint(s.Context(), &allowlistv1.CreateEndpointRequest{
		Parent: "workspaces/demo", EndpointId: "example-bank", Endpoint: refersTo("", key.GetName()),
	})
	check(s, err)
	_, err = approver.ApproveEndpoint(s.Context(), &allowlistv1.ApproveEndpointRequest{Name: name})
	check(s, err)
	_, err = allowlist.ActivateEndpoint(s.Context(), &allowlistv1.ActivateEndpointRequest{Name: name})
	check(s, err)
}

// Helper does nothing.
func (*stage) Helper() {}

// Context returns a context that never ends.
func (*stage) Context() context.Context { return context.Background() }

// Cleanup registers a function to call at the end of the example.
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// TempDir returns a folder that is deleted after the run.
func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp(scratch, "example-")
	check(s, err)
	return dir
}

// Fatal ends the run.
func (*stage) Fatal(args ...any) { panic(fmt.Sprint(args...)) }

// Fatalf ends the run.
func (*stage) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
