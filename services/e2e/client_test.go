package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/client/cache"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/standalone/localid"
)

// vaultOf is the vault as a person's program sees it, which is patient: the machine may
// be busy, and servers are killed.
func (c *constellation) vaultOf(who person) client.Vault {
	c.t.Helper()
	return c.vaultBy(client.Config{Token: client.FileToken(c.path(string(who) + ".token"))})
}

func (c *constellation) vaultBy(cfg client.Config) client.Vault {
	c.t.Helper()
	cfg.Address, cfg.CA = c.vault, c.path("ca.pem")
	if cfg.Timeout == 0 {
		cfg.Timeout, cfg.Attempts = patience, 100
	}
	conn, err := client.Dial(cfg)
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return client.NewVault(conn)
}

// TestRepeatedCallsOfTheClientAreCarriedOutOnce kills the vault under clients that
// rotate a key, some before the change and some after it, unheard. No call fails, and
// each has made one version.
func TestRepeatedCallsOfTheClientAreCarriedOutOnce(t *testing.T) {
	t.Parallel()
	c := apart(t)
	vault := c.vaultOf(owner)
	const name, callers, calls = "workspaces/demo/secrets/key", 4, 60
	_, err := vault.Store(t.Context(), name, client.Text("first of all values"), "")
	check(t, err)
	made := make(chan struct{}, callers*calls)
	var group sync.WaitGroup
	for caller := range callers {
		group.Go(func() {
			for call := range calls {
				if _, err := vault.Rotate(t.Context(), name, client.Text(fmt.Sprintf("value %d of caller %d", call, caller)), ""); err != nil {
					t.Errorf("Rotate = %v", err)
					return
				}
				made <- struct{}{}
			}
		})
	}
	for range 3 {
		for range callers * calls / 5 {
			<-made
		}
		c.running["vault"].kill()
		c.start("vault")
	}
	group.Wait()
	versions := 0
	for _, err := range vault.Versions(t.Context(), name) {
		check(t, err)
		versions++
	}
	if want := 1 + callers*calls; versions != want {
		t.Errorf("%d calls made %d versions, want %d", callers*calls, versions, want)
	}
}

// TestResolverOfItsOwnFollowsTheVault is a workload that resolves secrets without the
// allowlist, over a rotation, a crash of the vault and its return.
func TestResolverOfItsOwnFollowsTheVault(t *testing.T) {
	t.Parallel()
	c := apart(t)
	people, workload := c.vaultOf(owner), c.resolver("billing")
	const name, billing = "workspaces/demo/secrets/key", "raw > billing's own HMAC"
	_, err := people.Store(t.Context(), name, client.Text("first of all values"), "")
	check(t, err)
	bound, err := workload.BindSecret(t.Context(), &vaultv1.BindSecretRequest{
		Name: name, Usage: vaultv1.Usage_USAGE_KEY, Referrer: "workspaces/demo/endpoints/billing", OperationId: "billing",
		Chains: []string{billing},
	})
	check(t, err)

	const maxStale = 4 * time.Second
	keys, err := cache.New(workload, cache.Config{MaxStale: maxStale, Parent: "workspaces/demo"})
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { keys.Run(ctx) })
	defer running.Wait()
	defer cancel()
	ref := cache.Ref{Secret: name, UID: bound.GetBinding().GetUid(), Purpose: cache.PurposeOf(billing), Seal: true}
	resolves := func(want string) func(context.Context) error {
		return func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			got, err := keys.Resolve(ctx, ref)
			if err != nil {
				return err
			}
			defer got.Plain.Zero()
			if text := string(got.Plain.Reveal()); text != want {
				return fmt.Errorf("the value is %q, want %q", text, want)
			}
			return nil
		}
	}
	eventually(t, patience, "the first key is resolved", resolves("first of all values"))

	_, err = people.Rotate(t.Context(), name, client.Text("second of all values"), "")
	check(t, err)
	rotated := time.Now()
	eventually(t, patience, "the second key is resolved", resolves("second of all values"))
	t.Logf("a rotation was seen within %v", time.Since(rotated))
	eventually(t, patience, "the second key is in memory", func(ctx context.Context) error {
		if kept, ok := keys.Kept(ref); ok {
			kept.Plain.Zero()
			return nil
		}
		// Nothing is kept that was asked for before the watch began.
		return errors.Join(errors.New("it is not"), resolves("second of all values")(ctx))
	})

	c.running["vault"].kill()
	check(t, resolves("second of all values")(t.Context())) // from memory
	eventually(t, patience, "nothing is served any more", func(ctx context.Context) error {
		if err := resolves("second of all values")(ctx); err == nil {
			return errors.New("the value is still served")
		}
		return nil
	})
	c.start("vault")
	eventually(t, patience, "the vault is back", resolves("second of all values"))
}

// resolver is the vault as a workload sees it that the policy makes a resolver.
func (c *constellation) resolver(name string) client.Vault {
	c.t.Helper()
	id := spiffeid.RequireFromString("spiffe://" + apartDomain + "/" + name)
	authority, err := localid.LoadOrCreate(c.path("ca"))
	check(c.t, err)
	cert, err := authority.WorkloadCertificate(id)
	check(c.t, err)
	check(c.t, localid.WriteCertificate(c.path(name+".crt"), c.path(name+".key"), cert))
	policy, err := os.ReadFile(c.path("policy.yaml"))
	check(c.t, err)
	grown := strings.TrimSpace(string(policy)) + fmt.Sprintf("\n  - {spiffe_id: %q, role: resolver, workspaces: [demo]}\n", id)
	check(c.t, os.WriteFile(c.path("policy.yaml"), []byte(grown), 0o600))
	vault := c.vaultBy(client.Config{Certificate: c.path(name + ".crt"), Key: c.path(name + ".key"), Timeout: 5 * time.Second})
	eventually(c.t, patience, "the policy is read", func(ctx context.Context) error {
		for _, err := range vault.Bindings(ctx, "workspaces/demo/secrets/absent") {
			if client.HasReason(err, vaultv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND) {
				return nil
			}
			return err
		}
		return errors.New("a secret that is not there has no bindings")
	})
	return vault
}
