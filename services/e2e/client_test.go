package e2e

import (
	"fmt"
	"sync"
	"testing"

	"github.com/keyward/keyward/pkg/client"
)

// vaultOf returns the Go client of a person, with long timeouts: the machine may be busy, and
// servers are killed.
func (c *constellation) vaultOf(who person) client.Vault {
	c.t.Helper()
	cfg := client.Config{
		Address: c.vault, CA: c.path("ca.pem"), Token: client.FileToken(c.path(string(who) + ".token")),
		Timeout: patience, Attempts: 100,
	}
	conn, err := client.Dial(cfg)
	check(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	return client.NewVault(conn)
}

// TestRepeatedCallsOfTheClientAreCarriedOutOnce kills the vault while clients rotate a key,
// sometimes before the change and sometimes after it, before the response. No call may fail, and
// each must create one version.
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
		t.Errorf("%d calls created %d versions, want %d", callers*calls, versions, want)
	}
}
