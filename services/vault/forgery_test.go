package vault_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/server/servertest"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// unlogged are the first elements of the keys of rows that change without an entry in the change
// log, or follow from other rows. An earlier row can be put back, and a row can be removed.
var unlogged = []string{
	"e",           // fingerprints of values
	"g",           // removed incarnations
	"o",           // when to remove outdated rows
	"lc",          // the order of updates
	"audit",       // the position of the comparison
	"keyring",     // the keys themselves, sealed by the key-encryption key
	"request",     // repeated requests
	"rewrap",      // what the last rewrap of data keys did
	"sealing-key", // keys that seal values in transit
	"witness",     // heads of other logs
	"epoch",       // the epoch before the first restore
}

// unloggedKinds are the kinds of such rows among those of a secret: nonce ledgers and uses.
const unloggedKinds = "nc"

func isUnlogged(key string) bool {
	space, rest, _ := strings.Cut(key, "\x00")
	if space != "s" {
		return slices.Contains(unlogged, space)
	}
	_, kind, _ := strings.Cut(rest, "\x00") // behind the workspace
	_, kind, _ = strings.Cut(kind, "\x00")
	return kind != "" && strings.Contains(unloggedKinds, kind[:1])
}

// isGarbage reports whether a row is one of a deleted secret, which are removed later. They are
// useless without the row of the secret itself.
func isGarbage(key string) bool {
	_, behind, deleted := strings.Cut(key, "\x00deleted\x00")
	return deleted && behind != ""
}

// A file is the data file of a stopped vault, before and after changes.
type file struct {
	config        vault.Config
	before, after map[string][]byte
}

func newFile(t *testing.T) file {
	t.Helper()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the first value")})
	k.Owner.Create(t, "other", &vaultv1.Secret{Value: vaulttest.Text("of another secret")})
	k.Owner.Create(t, "deleted", &vaultv1.Secret{Value: vaulttest.Text("that is deleted")})
	bind := func(id, operation string) {
		req := vaulttest.BindRequest(id, "e-"+operation, operation)
		req.Version = 1
		if _, err := k.Resolver.BindSecret(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	bind("key", "first")
	bind("other", "only")
	k.Running.Stop()
	must(t, vault.MarkRestored(t.Context(), k.Config, "r"))
	f := file{config: k.Config, before: kvtest.Rows(t, k.Config.Store)}
	k.Start(t)
	reconcile(t, k.Resolver, headOf(t, k).GetEpoch())
	bind("key", "second")
	k.Resolver.Unbind(t, "key", "first")
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the second value")})
	if _, err := k.Owner.DisableSecretVersion(t.Context(), &vaultv1.DisableSecretVersionRequest{Name: vaulttest.NameOf("key") + "/versions/1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Owner.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: vaulttest.NameOf("deleted")}); err != nil {
		t.Fatal(err)
	}
	k.Running.Stop()
	f.after = kvtest.Rows(t, k.Config.Store)
	return f
}

// forged returns the configuration of a copy of the file with other rows.
func (f file) forged(t *testing.T, edit func(rows map[string][]byte)) vault.Config {
	t.Helper()
	data, err := os.ReadFile(f.config.Store)
	if err != nil {
		t.Fatal(err)
	}
	config := f.config
	config.Store = filepath.Join(t.TempDir(), "vault.db")
	if err := os.WriteFile(config.Store, data, 0o600); err != nil {
		t.Fatal(err)
	}
	kvtest.EditRows(t, config.Store, edit)
	return config
}

// finds reports whether a vault finds something in its file, without any request.
func finds(t *testing.T, config vault.Config, log *servertest.Log, patience time.Duration) bool {
	t.Helper()
	v, err := vault.New(t.Context(), config, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		if !audit.IsMismatch(err) {
			t.Logf("the vault does not start: %v", err)
		}
		return true
	}
	defer v.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-v.Tampered():
		return true
	case <-ctx.Done():
		return false
	}
}

// Each row is changed, removed, and replaced by an earlier one, while the vault is stopped and
// without a key. The vault finds it by itself.
func TestEachForgedRowIsFoundWithoutARequest(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	attacks := make(map[string]func(map[string][]byte))
	for n, key := range slices.Sorted(maps.Keys(f.after)) {
		space, _, _ := strings.Cut(key, "\x00")
		where := fmt.Sprintf("row %d of %s", n, space)
		if !isUnlogged(key) {
			attacks["change "+where] = func(rows map[string][]byte) { rows[key][len(rows[key])-1] ^= 1 }
			attacks["remove "+where] = func(rows map[string][]byte) { delete(rows, key) }
		}
	}
	for n, key := range slices.Sorted(maps.Keys(f.before)) {
		if !isUnlogged(key) && !isGarbage(key) && !bytes.Equal(f.after[key], f.before[key]) {
			space, _, _ := strings.Cut(key, "\x00")
			attacks[fmt.Sprintf("put back row %d of %s", n, space)] = func(rows map[string][]byte) { rows[key] = f.before[key] }
		}
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := new(servertest.Log)
			if !finds(t, f.forged(t, attack), said, 30*time.Second) {
				t.Error("the vault finds nothing")
			}
			for _, forbidden := range []string{"acme", "e-first", "e-second", "deleted\x00"} {
				if strings.Contains(said.String(), forbidden) {
					t.Errorf("the log contains %q:\n%s", forbidden, said.String())
				}
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		if finds(t, f.forged(t, func(map[string][]byte) {}), new(servertest.Log), 2*time.Second) {
			t.Error("the vault finds a forgery in its own file")
		}
	})
}
