package client_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/keyward/keyward/pkg/client"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func TestWrongConfigurationFailsAtOnce(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := files(t, a.server(t))
	tests := []struct {
		name   string
		change func(*client.Config)
		want   string
	}{
		{"no address", func(c *client.Config) { c.Address = "" }, "address"},
		{"a certificate without a key", func(c *client.Config) { c.Certificate = cert }, "together"},
		{"a key without a certificate", func(c *client.Config) { c.Key = key }, "together"},
		{"a missing certificate", func(c *client.Config) { c.Certificate, c.Key = cert+"?", key }, "certificate"},
		{"missing authorities", func(c *client.Config) { c.CA = "absent.pem" }, "authorities"},
		{"authorities without a certificate", func(c *client.Config) { c.CA = file(t, "x") }, "no certificate"},
		{"a SPIFFE ID and the system's authorities", func(c *client.Config) { c.CA, c.ServerName = "", "spiffe://a/b" }, "SPIFFE"},
		{"a SPIFFE ID without a path", func(c *client.Config) { c.ServerName = "spiffe://a" }, "server name"},
		{"a SPIFFE ID with a query", func(c *client.Config) { c.ServerName = "spiffe://a/b?c" }, "server name"},
		{"a negative timeout", func(c *client.Config) { c.Timeout = -1 }, "negative"},
	}
	for _, tt := range tests {
		cfg := client.Config{Address: "127.0.0.1:1", CA: a.file}
		tt.change(&cfg)
		if conn, err := client.Dial(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Dial with %s = %v, %v, want an error about %q", tt.name, conn, err, tt.want)
		}
	}
}

func TestServerThatIsNotVouchedForIsNotSpokenTo(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := newAuthority(t)
	for name, change := range map[string]func(*client.Config){
		"another authority":   func(c *client.Config) { c.CA = other.file },
		"another name":        func(c *client.Config) { c.ServerName = "vault.example" },
		"a SPIFFE ID":         func(c *client.Config) { c.ServerName = "spiffe://keyward.test/vault" },
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

func TestServerIsKnownByItsSPIFFEID(t *testing.T) {
	t.Parallel()
	const id = "spiffe://keyward.test/vault"
	k := newKit(t)
	k.config.ServerName, k.config.Attempts = id, 1
	other, caller := newAuthority(t), workload(t, id)
	caller.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	signer := workload(t, id)
	signer.KeyUsage = x509.KeyUsageCertSign
	for _, tt := range []struct {
		name   string
		cert   tls.Certificate
		accept bool
	}{
		{"the workload", k.issue(t, workload(t, id)), true},
		{"another workload", k.issue(t, workload(t, id+"2")), false},
		{"a workload of another trust domain", k.issue(t, workload(t, "spiffe://other.test/vault")), false},
		{"a workload with two IDs", k.issue(t, workload(t, id, id+"2")), false},
		{"a host", k.server(t), false},
		{"a workload that is not a server", k.issue(t, caller), false},
		{"a workload that signs certificates", k.issue(t, signer), false},
		{"the same ID from another authority", other.issue(t, workload(t, id)), false},
	} {
		cfg := k.config
		cfg.Address = k.serve(t, tt.cert)
		if _, err := vaultAt(t, cfg).GetSecret(t.Context(), get()); (err == nil) != tt.accept {
			t.Errorf("GetSecret of %s = %v, want acceptance %v", tt.name, err, tt.accept)
		}
	}
}

func TestCallWithoutDeadlineGetsOne(t *testing.T) {
	t.Parallel()
	cfg := client.Config{Address: "127.0.0.1:1", CA: newAuthority(t).file, Timeout: 300 * time.Millisecond} // no server listens
	vault := client.NewVault(dial(t, cfg))
	began := time.Now()
	_, err := vault.GetSecret(t.Context(), get())
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("GetSecret ends after %v with %v, want the deadline of %v kept", took, err, cfg.Timeout)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := vault.GetSecret(ctx, get()); !errors.Is(err, context.Canceled) {
		t.Errorf("GetSecret with a canceled context = %v, want %v", err, context.Canceled)
	}
}

func TestTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	cfg := client.Config{Token: client.StaticToken("a-token-that-nobody-sees")}
	var printed string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		printed += fmt.Sprintf(verb, cfg)
	}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("dialed", "config", cfg, "token", cfg.Token)
	slog.New(slog.NewTextHandler(&logged, nil)).Info("dialed", "config", cfg, "token", cfg.Token)
	for how, output := range map[string]string{"a verb": printed, "JSON": string(text), "a log": logged.String()} {
		if strings.Contains(output, "nobody-sees") {
			t.Errorf("%s prints the token: %s", how, output)
		}
	}
}

func TestAnswerMayHoldTheLargestBody(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	big := &vaultv1.Secret{Name: secretName, EncryptedValue: &vaultv1.EncryptedValue{Ciphertext: make([]byte, 16<<20)}}
	k.script.answerWith(big)
	got, err := k.vault(t).GetSecret(t.Context(), get())
	if err != nil || proto.Size(got.GetSecret()) != proto.Size(big) {
		t.Errorf("a response of %d bytes arrives as %d bytes, %v", proto.Size(big), proto.Size(got.GetSecret()), err)
	}
}
