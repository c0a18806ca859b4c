package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/auth/authtest"
	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestWrongConfigurationFailsAtOnce(t *testing.T) {
	t.Parallel()
	env := servertest.New(t)
	cert, key := env.Files(t, env.Resolver(t))
	tests := []struct {
		name   string
		change func(*client.Config)
		want   string
	}{
		{"no address", func(c *client.Config) { c.Address = "" }, "address"},
		{"a certificate without a key", func(c *client.Config) { c.Certificate = cert }, "together"},
		{"a key without a certificate", func(c *client.Config) { c.Key = key }, "together"},
		{"a certificate that is not there", func(c *client.Config) { c.Certificate, c.Key = cert+"?", key }, "certificate"},
		{"authorities that are not there", func(c *client.Config) { c.CA = "absent.pem" }, "authorities"},
		{"authorities without a certificate", func(c *client.Config) { c.CA = file(t, "x") }, "no certificate"},
		{"a SPIFFE id and the system's authorities", func(c *client.Config) { c.CA, c.ServerName = "", "spiffe://a/b" }, "SPIFFE"},
		{"a negative timeout", func(c *client.Config) { c.Timeout = -1 }, "negative"},
	}
	for _, tt := range tests {
		cfg := client.Config{Address: "127.0.0.1:1", CA: env.TrustFile()}
		tt.change(&cfg)
		if conn, err := client.Dial(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Dial with %s = %v, %v, want an error about %q", tt.name, conn, err, tt.want)
		}
	}
}

func TestCallerIsWhoTheCertificateOrTheTokenNames(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.config.Attempts = 1
	cert, key := k.env.Files(t, k.env.Resolver(t))
	path := file(t, "")
	cfg := k.config
	cfg.Token = client.FileToken(path)
	fromFile := client.NewVault(dial(t, cfg))
	owner, stranger := k.env.Owner(t, "acme").Token, k.env.Stranger(t).Token
	steps := []struct {
		name, token string
		want        error
	}{
		{"a token and a line end", owner + "\n", nil},
		{"another's token", stranger, client.ErrDenied},
		{"nothing", "\n", client.ErrUnauthenticated},
		{"two lines", owner + "\n" + owner, client.ErrUnauthenticated},
		{"the token again", owner, nil},
	}
	for _, step := range steps { // in order: the file is read for each call
		write(t, path, step.token)
		_, err := fromFile.GetSecret(t.Context(), get())
		if !errors.Is(err, step.want) {
			t.Errorf("GetSecret with %s in the token file = %v, want %v", step.name, err, step.want)
		}
		if err != nil && strings.Contains(err.Error(), owner) {
			t.Errorf("with %s in the token file, the error holds the token", step.name)
		}
	}
	cfg.Token = nil
	if _, err := client.NewVault(dial(t, cfg)).GetSecret(t.Context(), get()); !errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("GetSecret of nobody = %v, want %v", err, client.ErrUnauthenticated)
	}
	cfg.Certificate, cfg.Key = cert, key
	if _, err := client.NewVault(dial(t, cfg)).GetSecret(t.Context(), get()); !errors.Is(err, client.ErrDenied) {
		t.Errorf("GetSecret of the resolver = %v, want %v: it has another role", err, client.ErrDenied)
	}
}

func TestFilesAreReadForEachConnection(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	resolver, stranger := k.env.Resolver(t), k.env.Workload(t, "stranger", "")
	cfg := client.Config{Address: k.config.Address, CA: k.env.TrustFile(), Attempts: 1}
	cfg.Certificate, cfg.Key = k.env.Files(t, stranger)
	conn := dial(t, cfg)
	resolve := func() error {
		_, err := vaultv1.NewVaultServiceClient(conn).ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: secretName, Uid: "u"})
		return err
	}
	if err := resolve(); !errors.Is(err, client.ErrDenied) {
		t.Fatalf("ResolveSecret of a stranger = %v, want %v", err, client.ErrDenied)
	}
	if err := authtest.WriteCertificate(cfg.Certificate, cfg.Key, *resolver.Certificate); err != nil {
		t.Fatal(err)
	}
	if err := resolve(); !errors.Is(err, client.ErrDenied) {
		t.Errorf("ResolveSecret on the old connection = %v, want %v", err, client.ErrDenied)
	}
	fresh := dial(t, cfg)
	_, err := vaultv1.NewVaultServiceClient(fresh).ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: secretName, Uid: "u"})
	if errors.Is(err, client.ErrDenied) || errors.Is(err, client.ErrUnauthenticated) {
		t.Errorf("ResolveSecret with the renewed certificate = %v, want the resolver let through", err)
	}
	write(t, cfg.CA, "broken")
	broken, err := client.Dial(cfg)
	if err == nil {
		_ = broken.Close()
		t.Error("Dial with broken authorities succeeds")
	}
}

func TestServerThatIsNotVouchedForIsNotSpokenTo(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := servertest.New(t)
	for name, change := range map[string]func(*client.Config){
		"another authority":   func(c *client.Config) { c.CA = other.TrustFile() },
		"another name":        func(c *client.Config) { c.ServerName = "vault.example" },
		"a SPIFFE id":         func(c *client.Config) { c.ServerName = "spiffe://" + servertest.TrustDomain + "/vault" },
		"the system's anchor": func(c *client.Config) { c.CA = "" },
	} {
		cfg := k.config
		cfg.Attempts = 1
		change(&cfg)
		if _, err := client.NewVault(dial(t, cfg)).GetSecret(t.Context(), get()); !errors.Is(err, client.ErrUnavailable) {
			t.Errorf("GetSecret of a server with %s = %v, want %v", name, err, client.ErrUnavailable)
		}
	}
	if seen := k.script.requests(); len(seen) != 0 {
		t.Errorf("the server got %d requests", len(seen))
	}
}

func TestCallWithoutDeadlineGetsOne(t *testing.T) {
	t.Parallel()
	cfg := client.Config{Address: "127.0.0.1:1", CA: servertest.New(t).TrustFile(), Timeout: 300 * time.Millisecond} // nobody listens
	vault := client.NewVault(dial(t, cfg))
	began := time.Now()
	_, err := vault.GetSecret(t.Context(), get())
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("GetSecret ends after %v with %v, want the deadline of %v kept", took, err, cfg.Timeout)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := vault.GetSecret(ctx, get()); !errors.Is(err, context.Canceled) {
		t.Errorf("GetSecret with a cancelled context = %v, want %v", err, context.Canceled)
	}
}

func TestTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	cfg := client.Config{Token: client.StaticToken("a-token-that-nobody-sees")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		servertest.MustNotHold(t, verb, fmt.Sprintf(verb, cfg), "a-token-that-nobody-sees")
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	servertest.MustNotHold(t, "JSON", string(text), "a-token-that-nobody-sees")
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("dialed", "config", cfg, "token", cfg.Token)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("dialed", "config", cfg, "token", cfg.Token)
	servertest.MustNotHold(t, "a log", logged.String(), "a-token-that-nobody-sees")
}

func TestAnswerMayHoldTheLargestBody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	big := &vaultv1.Secret{Name: secretName, EncryptedValue: &vaultv1.EncryptedValue{Ciphertext: make([]byte, 16<<20)}}
	k.script.answerWith(big)
	got, err := k.vault(t).GetSecret(t.Context(), get())
	if err != nil || proto.Size(got.GetSecret()) != proto.Size(big) {
		t.Errorf("an answer of %d bytes comes as %d bytes, %v", proto.Size(big), proto.Size(got.GetSecret()), err)
	}
}
