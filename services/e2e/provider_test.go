package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
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
	waitHealth(t, c, "vault", healthv1.HealthCheckResponse_NOT_SERVING)
	check(t, c.running["vault"].cmd.Process.Signal(syscall.SIGHUP)) // as a reload of its unit does
	waitHealth(t, c, "vault", healthv1.HealthCheckResponse_NOT_SERVING)
	provider.Start()
	waitHealth(t, c, "vault", healthv1.HealthCheckResponse_SERVING)
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

	// Stopping ends the wait. Other signals do not.
	c.start("vault")
	waitHealth(t, c, "vault", healthv1.HealthCheckResponse_NOT_SERVING)
	c.running["vault"].stop()
	c.running["allowlist"].stop()
	c.start("allowlist")
	waitHealth(t, c, "allowlist", healthv1.HealthCheckResponse_NOT_SERVING)
	for _, sent := range []os.Signal{syscall.SIGHUP, syscall.SIGUSR1} {
		check(t, c.running["allowlist"].cmd.Process.Signal(sent))
		waitHealth(t, c, "allowlist", healthv1.HealthCheckResponse_NOT_SERVING)
	}
	c.running["allowlist"].stop()
}

// useTransit begins both services again, with their keys in a provider.
func useTransit(t *testing.T, c *constellation, provider *kektest.Server) {
	t.Helper()
	for _, name := range []string{"allowlist", "vault"} {
		c.running[name].kill()
		check(t, os.Remove(c.path(name+".db")))
	}
	check(t, os.WriteFile(c.path("transit.token"), []byte(kektest.Token), 0o600))
	uri := fmt.Sprintf("hcvault://%s/transit/keys/keyward?token_file=%s&ca=%s",
		provider.Addr, url.PathEscape(c.path("transit.token")), url.PathEscape(provider.CA))
	for _, name := range []string{"vault", "allowlist"} {
		path := c.path(name + ".yaml")
		config := readFile(t, path)
		changed := strings.Replace(config, "key_file: "+c.path(name+".kek"), "key_provider: "+uri, 1)
		if changed == config {
			t.Fatalf("%s has no key_file", path)
		}
		check(t, os.WriteFile(path, []byte(changed), 0o600))
		c.run(name, "check", "--files", "--config", path)
	}
}

// waitHealth waits until a program and its services have a health.
func waitHealth(t *testing.T, c *constellation, program string, want healthv1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	address, own := c.vault, "keyward.vault.v1.VaultService"
	if program == "allowlist" {
		address, own = c.allowlist, "keyward.allowlist.v1.AllowlistService"
	}
	conn := c.dial(t, address, anonymous)
	eventually(t, patience, "the "+program+" is "+want.String(), func(ctx context.Context) error {
		for _, service := range []string{"", own} {
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
