package allowlist_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/verify"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/vault"
)

// verified returns what a verification finds, as text, and its result.
func verified(t testing.TB, config allowlist.Config, heads ...string) (found []string, result verify.Result) {
	t.Helper()
	result, err := allowlist.Verify(t.Context(), config, verify.Options{
		Heads: heads, Report: func(f verify.Difference) { found = append(found, f.String()) },
	})
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	return found, result
}

// newStopped returns a stopped allowlist with endpoints, and its rows before the last changes.
func newStopped(t *testing.T) (k *allowlisttest.Kit, before map[string][]byte) {
	t.Helper()
	k = allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	k.Owner.Create(t, "other", allowlisttest.Draft(k.Secret(t, "another")))
	k.Owner.Create(t, "deleted", allowlisttest.Draft())
	k.Activate(t, "orders")
	_, err := k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	allowlisttest.Must(t, err)
	k.Server.Stop()
	before = kvtest.Rows(t, k.Config.Store)
	k.Start(t)
	_, err = k.Owner.DeleteEndpoint(t.Context(), &allowlistv1.DeleteEndpointRequest{Name: allowlisttest.NameOf("deleted")})
	allowlisttest.Must(t, err)
	_, err = k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	k.Server.Stop()
	return k, before
}

func TestEachDifferenceOfAStoppedAllowlistIsNamed(t *testing.T) {
	t.Parallel()
	k, before := newStopped(t)
	if found, result := verified(t, k.Config); len(found) > 0 || result.Resources != 2 || !result.Complete {
		t.Fatalf("Verify of a sound file finds %q, %+v", found, result)
	}
	const orders, other, deleted = "endpoint\x00acme\x00orders\x00", "endpoint\x00acme\x00other\x00", "endpoint\x00acme\x00deleted\x00"
	sound, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	for name, tt := range map[string]struct {
		edit func(rows map[string][]byte)
		want string
	}{
		"a changed row":      {func(rows map[string][]byte) { rows[orders][30] ^= 1 }, "workspaces/acme/endpoints/orders: the endpoint: was changed"},
		"exchanged rows":     {func(rows map[string][]byte) { rows[orders], rows[other] = rows[other], rows[orders] }, "workspaces/acme/endpoints/other: the endpoint: was changed"},
		"an earlier row":     {func(rows map[string][]byte) { rows[orders] = before[orders] }, "workspaces/acme/endpoints/orders: a resource names another entry"},
		"a missing endpoint": {func(rows map[string][]byte) { delete(rows, other) }, "workspaces/acme/endpoints/other: a resource is missing"},
		"a deleted endpoint": {func(rows map[string][]byte) { rows[deleted] = before[deleted] }, "workspaces/acme/endpoints/deleted: a resource names another entry"},
		"a row by update time": {func(rows map[string][]byte) {
			for key := range before {
				if strings.HasPrefix(key, "endpoint-by-update\x00") {
					rows[key] = before[key]
				}
			}
		}, "workspaces/acme/endpoints/orders: the row by update time: is that of an earlier state"},
		"rows by update time": {func(rows map[string][]byte) {
			for _, key := range slices.Collect(maps.Keys(rows)) {
				if strings.HasPrefix(key, "endpoint-by-update\x00") {
					delete(rows, key)
				}
			}
		}, "workspaces/acme/endpoints/orders: the row by update time: is missing"},
		"a binding": {func(rows map[string][]byte) {
			for _, key := range slices.Collect(maps.Keys(rows)) {
				if strings.HasPrefix(key, "bound\x00") {
					delete(rows, key)
				}
			}
		}, "workspaces/acme/endpoints/orders: the row of bindings to workspaces/acme/secrets/key: is missing"},
		"the head": {func(rows map[string][]byte) { rows["lh\x00"] = before["lh\x00"] }, "change log: an entry follows the head"},
	} {
		allowlisttest.Must(t, os.WriteFile(k.Config.Store, sound, 0o600))
		kvtest.EditRows(t, k.Config.Store, tt.edit)
		found, _ := verified(t, k.Config)
		if !slices.ContainsFunc(found, func(line string) bool { return strings.HasPrefix(line, tt.want) }) {
			t.Errorf("%s: Verify finds\n%s\nwant a line %q", name, strings.Join(found, "\n"), tt.want)
		}
	}
}

// untilWitnessed waits until each service has verified the newest head of the other.
func untilWitnessed(t *testing.T, k *allowlisttest.Kit) {
	t.Helper()
	const everywhere = "workspaces/-"
	size := func(checkpoint string) uint64 {
		size, err := strconv.ParseUint(strings.Split(checkpoint, "\n")[1], 10, 64)
		allowlisttest.Must(t, err)
		return size
	}
	own, err := k.Admin.GetCheckpoint(t.Context(), &allowlistv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	ofVault, err := k.VaultSA.GetCheckpoint(t.Context(), &vaultv1.GetCheckpointRequest{Parent: everywhere})
	allowlisttest.Must(t, err)
	allowlisttest.Eventually(t, func() bool {
		known, err := k.Bindings.WitnessCheckpoint(t.Context(), &vaultv1.WitnessCheckpointRequest{Parent: everywhere, Checkpoint: own.GetCheckpoint(), VerifierKey: own.GetVerifierKey()})
		allowlisttest.Must(t, err)
		var seen changelog.Seen
		allowlisttest.Must(t, k.Store.View(t.Context(), func(r kv.Reader) error {
			all, err := changelog.Witnessed(r)
			seen = all["vault"]
			return err
		}))
		return known.GetSize() >= size(own.GetCheckpoint()) && seen.Size() >= size(ofVault.GetCheckpoint())
	}, "each service has seen the newest head of the other")
}

// TestTheServicesVerifyEachOthersHeads passes the heads that one service has verified to the verification
// of the other.
func TestTheServicesVerifyEachOthersHeads(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Owner.Create(t, "orders", allowlisttest.Draft(k.Secret(t, "key")))
	k.Activate(t, "orders")
	k.Server.Stop()
	k.VaultServer.Stop()
	earlierVault, err := os.ReadFile(k.VaultConfig.Store)
	allowlisttest.Must(t, err)
	earlier, err := os.ReadFile(k.Config.Store)
	allowlisttest.Must(t, err)
	k.StartVault(t)
	k.Start(t)
	k.Secret(t, "late")
	k.Owner.Create(t, "late", allowlisttest.Draft(k.Secret(t, "later")))
	k.Activate(t, "late")
	untilWitnessed(t, k)
	k.Server.Stop()
	k.VaultServer.Stop()
	_, ours := verified(t, k.Config)
	ofVault := ours.Witnessed["vault"]
	verifyVault := func(heads ...string) verify.Result {
		t.Helper()
		result, err := vault.Verify(t.Context(), k.VaultConfig, verify.Options{Heads: heads, Report: func(f verify.Difference) { t.Log(f) }})
		allowlisttest.Must(t, err)
		return result
	}
	theirs := verifyVault(ofVault)
	if ofVault == "" || theirs.Differences != 0 || len(theirs.Witnessed) != 1 {
		t.Fatalf("the vault has %d differences, and %d heads", theirs.Differences, len(theirs.Witnessed))
	}
	heads := slices.Collect(maps.Values(theirs.Witnessed))
	if found, _ := verified(t, k.Config, heads...); len(found) > 0 {
		t.Errorf("Verify of the allowlist finds %q", found)
	}
	allowlisttest.Must(t, os.WriteFile(k.VaultConfig.Store, earlierVault, 0o600))
	allowlisttest.Must(t, os.WriteFile(k.Config.Store, earlier, 0o600))
	if result := verifyVault(ofVault); result.Differences != 1 {
		t.Errorf("an earlier vault has %d differences, want 1", result.Differences)
	}
	if found, _ := verified(t, k.Config, heads...); len(found) != 1 || !strings.HasPrefix(found[0], "change log: does not extend a head") {
		t.Errorf("Verify of an earlier allowlist finds %q", found)
	}
}

// TestNoFlippedByteChangesAnEndpointUnnoticed is the test of the vault with the same name, for endpoints.
func TestNoFlippedByteChangesAnEndpointUnnoticed(t *testing.T) {
	t.Parallel()
	k, _ := newStopped(t)
	names := []string{allowlisttest.NameOf("orders"), allowlisttest.NameOf("other"), allowlisttest.NameOf("deleted")}
	config := k.Config
	want, err := allowlist.Endpoints(t.Context(), config, names...)
	if err != nil || len(want) != 2 {
		t.Fatalf("the allowlist has %d endpoints, %v", len(want), err)
	}
	kvtest.Flips(t, k.Config.Store, 200, func(flipped string, at int) kvtest.Outcome {
		config.Store = flipped
		result, err := allowlist.Verify(t.Context(), config, verify.Options{Report: func(verify.Difference) {}})
		outcome := kvtest.Outcome{Named: err != nil || result.Differences > 0}
		got, err := allowlist.Endpoints(t.Context(), config, names...)
		outcome.Refused = err != nil
		for name, e := range got {
			if e != want[name] {
				t.Errorf("byte %d: %s is another endpoint", at, name)
			}
		}
		if !outcome.Named && !outcome.Refused && !maps.Equal(got, want) {
			t.Errorf("byte %d: the allowlist has %d endpoints, want %d, and no difference is named", at, len(got), len(want))
		}
		return outcome
	})
}
