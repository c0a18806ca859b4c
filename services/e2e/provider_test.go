package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/keyward/keyward/pkg/keyring/kek/kektest"
)

func TestTheVaultWaitsForItsKeyProviderOnlyToStart(t *testing.T) {
	t.Parallel()
	c := apart(t)
	provider := kektest.Transit(t)
	provider.Stop()
	useTransit(t, c, provider)

	c.start("vault")
	waitHealth(t, c, healthv1.HealthCheckResponse_NOT_SERVING)
	provider.Start()
	waitHealth(t, c, healthv1.HealthCheckResponse_SERVING)
	c.start("allowlist")
	c.waitReady()
	register(t, c.site, "demo", "payments")

	// A running vault does not need it.
	provider.Stop()
	endpoint := register(t, c.site, "demo", "refunds")
	got := c.must(t, sender, http.MethodPost, "/v1/"+endpoint+":encrypt", `{"body":"aGVsbG8="}`)
	if body := got.bytes(t, "body"); openGCM(t, body) != "hello" {
		t.Error("the partner does not decrypt the message")
	}
	log := c.running["vault"].output()
	if strings.Contains(log, kektest.Token) || !strings.Contains(log, "the key provider is unavailable") {
		t.Errorf("the log names the token, or not the cause:\n%s", log)
	}
	c.running["vault"].stop()

	// Stopping ends the wait.
	c.start("vault")
	waitHealth(t, c, healthv1.HealthCheckResponse_NOT_SERVING)
	c.running["vault"].stop()
}

// useTransit begins both services again, with the vault's key in a provider.
func useTransit(t *testing.T, c *constellation, provider *kektest.Server) {
	t.Helper()
	for _, name := range []string{"allowlist", "vault"} {
		c.running[name].kill()
		check(t, os.Remove(c.path(name+".db")))
	}
	check(t, os.WriteFile(c.path("transit.token"), []byte(kektest.Token), 0o600))
	config, err := os.ReadFile(c.path("vault.yaml"))
	check(t, err)
	uri := fmt.Sprintf("hcvault://%s/transit/keys/keyward?token_file=%s&ca=%s",
		provider.Addr, url.PathEscape(c.path("transit.token")), url.PathEscape(provider.CA))
	changed := strings.Replace(string(config), "key_file: "+c.path("vault.kek"), "key_provider: "+uri, 1)
	if changed == string(config) {
		t.Fatal("vault.yaml has no key_file")
	}
	check(t, os.WriteFile(c.path("vault.yaml"), []byte(changed), 0o600))
	c.run("vault", "check", "--files", "--config", c.path("vault.yaml"))
}

// waitHealth waits until the vault and all its services have a health.
func waitHealth(t *testing.T, c *constellation, want healthv1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	conn := c.dial(t, c.vault, nobody)
	eventually(t, patience, "the vault is "+want.String(), func(ctx context.Context) error {
		for _, service := range []string{"", "keyward.vault.v1.VaultService"} {
			got, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service})
			if err != nil {
				return err
			}
			if got.GetStatus() != want {
				return errors.New(got.GetStatus().String())
			}
		}
		return nil
	})
}
