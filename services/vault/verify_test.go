package vault_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/verify"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// verified returns what a verification finds, as text, and its result.
func verified(t testing.TB, config vault.Config, heads ...string) (found []string, result verify.Result) {
	t.Helper()
	result, err := vault.Verify(t.Context(), config, verify.Options{
		Heads: heads, Report: func(f verify.Difference) { found = append(found, f.String()) },
	})
	if err != nil {
		t.Fatalf("Verify = %v", err)
	}
	if len(found) != result.Differences {
		t.Errorf("the result counts %d differences, and %d were reported", result.Differences, len(found))
	}
	return found, result
}

// contains reports whether a difference has all of the strings.
func contains(found []string, parts ...string) bool {
	for _, line := range found {
		all := true
		for _, text := range parts {
			all = all && strings.Contains(line, text)
		}
		if all {
			return true
		}
	}
	return false
}

// newBusyKit returns a vault with secrets of all kinds.
func newBusyKit(t *testing.T) *vaulttest.Kit {
	t.Helper()
	k := vaulttest.New(t)
	k.Config.DeleteGrace = 1000 * time.Hour
	k.Running.Stop()
	k.Start(t)
	k.Owner.Create(t, "plain", &vaultv1.Secret{Value: vaulttest.Text("a value"), Labels: map[string]string{"team": "pay"}})
	bound := k.Owner.Create(t, "bound", &vaultv1.Secret{Value: vaulttest.Text("0123456789abcdef"), KeepVersions: 3})
	k.Owner.Create(t, "credential", &vaultv1.Secret{Value: vaulttest.Text("of the partner"), Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"partner.example"}})
	k.Owner.Create(t, "generated", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_128)})
	k.Owner.Create(t, "deleted", &vaultv1.Secret{Value: vaulttest.Text("for good, later")})
	k.Resolver.Bind(t, "bound", "orders", "first")
	k.Resolver.Bind(t, "bound", "refunds", "second")
	k.Resolver.Resolve(t, "bound", bound.GetUid(), 0)
	for _, value := range []string{"fedcba9876543210", "0123456789abcdef", "a third value of it"} {
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("bound"), Value: vaulttest.Text(value)})
	}
	k.Owner.MustChange(t, vaulttest.Disable, "bound", 2)
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("plain"), Value: vaulttest.Text("another value")})
	k.Owner.MustChange(t, vaulttest.Destroy, "plain", 1)
	k.Owner.Delete(t, "deleted")
	rotate(t, k.Admin)
	k.Owner.Create(t, "newest", &vaultv1.Secret{Value: vaulttest.Text("under the next key")})
	return k
}

func TestASoundVaultHasNoDifferences(t *testing.T) {
	t.Parallel()
	k := newBusyKit(t)
	head, err := k.Vault.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := vault.Verify(t.Context(), k.Config, verify.Options{Report: func(verify.Difference) {}}); !errors.Is(err, boltkv.ErrLocked) {
		t.Errorf("Verify of a running vault = %v, want %v", err, boltkv.ErrLocked)
	}
	k.Running.Stop()
	before, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	found, result := verified(t, k.Config, head)
	if len(found) > 0 || !result.Complete || result.Values < 8 || result.Resources != 6 || result.Entries == 0 || result.Heads != 1 {
		t.Errorf("Verify finds %q, %+v", found, result)
	}
	after, err := os.ReadFile(k.Config.Store)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the verification changed the file: %v", err)
	}
}

// TestEachForgedRowIsNamed makes each change that the running vault finds by itself.
func TestEachForgedRowIsNamed(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	for name, attack := range f.attacks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if found, _ := verified(t, f.forged(t, attack)); len(found) == 0 {
				t.Error("Verify finds nothing")
			}
		})
	}
	if found, _ := verified(t, f.config); len(found) > 0 {
		t.Errorf("Verify of the vault's own file finds %q", found)
	}
}

const ofKey = "s\x00acme\x00key\x00"

func TestWhatDiffersIsNamed(t *testing.T) {
	t.Parallel()
	f := newFile(t)
	ofKind := func(rows map[string][]byte, kind string) string {
		for key := range rows {
			if strings.HasPrefix(key, ofKey+kind) {
				return key
			}
		}
		t.Fatalf("no row of kind %s", kind)
		return ""
	}
	version := ofKind(f.after, "v")
	entries := func(rows map[string][]byte) (keys []string) {
		for n := 0; ; n++ {
			key := "le\x00" + string([]byte{0, 0, 0, 0, 0, 0, 0, byte(n)})
			if _, found := rows[key]; !found {
				return keys
			}
			keys = append(keys, key)
		}
	}
	for name, tt := range map[string]struct {
		edit func(rows map[string][]byte)
		want []string // in one line
	}{
		"a changed row":           {func(rows map[string][]byte) { rows[version][40] ^= 1 }, []string{"workspaces/acme/secrets/key: version ", "was changed"}},
		"a row of another key":    {func(rows map[string][]byte) { rows[ofKey] = rows["s\x00acme\x00other\x00"] }, []string{"workspaces/acme/secrets/key: the secret: was changed, or is that of another key"}},
		"an earlier row":          {func(rows map[string][]byte) { rows[ofKey] = f.before[ofKey] }, []string{"workspaces/acme/secrets/key: a resource names another entry"}},
		"a missing secret":        {func(rows map[string][]byte) { delete(rows, ofKey) }, []string{"workspaces/acme/secrets/key: a resource is missing"}},
		"a missing version":       {func(rows map[string][]byte) { delete(rows, version) }, []string{"workspaces/acme/secrets/key: version ", "missing"}},
		"a missing fingerprint":   {func(rows map[string][]byte) { deletePrefix(rows, "e\x00acme\x00") }, []string{"workspaces/acme/secrets/key: version ", "fingerprint is missing"}},
		"a missing ledger":        {func(rows map[string][]byte) { deletePrefix(rows, ofKey+"n") }, []string{"workspaces/acme/secrets/key: version ", "ledger of a version is missing"}},
		"a missing row of update": {func(rows map[string][]byte) { deletePrefix(rows, "lc\x00acme\x00") }, []string{"workspaces/acme/secrets/key: the row by update time: is missing"}},
		"a row of a deleted secret": {
			func(rows map[string][]byte) { putBack(rows, f.before, "s\x00acme\x00deleted\x00v") },
			[]string{"workspaces/acme/secrets/deleted: version 1: belongs to a secret that was deleted"},
		},
		"a deleted secret": {
			func(rows map[string][]byte) { putBack(rows, f.before, "s\x00acme\x00deleted\x00") },
			[]string{"workspaces/acme/secrets/deleted: a resource names another entry"},
		},
		"an edited entry": {func(rows map[string][]byte) { rows[entries(rows)[3]][60] ^= 1 }, []string{"row le", "an entry of the change log: was changed"}},
		"a removed entry": {func(rows map[string][]byte) { delete(rows, entries(rows)[3]) }, []string{"change log: entries are missing: 3 to 3"}},
		"exchanged entries": {func(rows map[string][]byte) {
			all := entries(rows)
			rows[all[3]], rows[all[4]] = rows[all[4]], rows[all[3]]
		}, []string{"an entry of the change log: was changed"}},
		"a truncated log": {func(rows map[string][]byte) {
			all := entries(rows)
			delete(rows, all[len(all)-1])
			delete(rows, all[len(all)-2])
		}, []string{"change log: entries are missing"}},
		"an earlier head":   {func(rows map[string][]byte) { rows["lh\x00"] = f.before["lh\x00"] }, []string{"change log: an entry follows the head"}},
		"a log of before":   {func(rows map[string][]byte) { restoreLog(rows, f.before) }, []string{"workspaces/acme/secrets/key: "}},
		"a missing head":    {func(rows map[string][]byte) { delete(rows, "lh\x00") }, []string{"change log: "}},
		"an unknown row":    {func(rows map[string][]byte) { rows["unknown\x00x\x00"] = []byte("?") }, []string{"row unknown x: was changed"}},
		"a missing keyring": {func(rows map[string][]byte) { deletePrefix(rows, "keyring\x00") }, []string{"keyring: ", "no keyring"}},
		"a damaged keyring": {func(rows map[string][]byte) { rows["keyring\x00vault\x00record\x00"][20] ^= 1 }, []string{"keyring: "}},
		"a sealing key":     {func(rows map[string][]byte) { changePrefix(rows, "sealing-key\x00") }, []string{"row sealing-key", "was changed"}},
		"a missing listing": {func(rows map[string][]byte) { deletePrefix(rows, "la\x00") }, []string{"change log: an index does not list entry"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, _ := verified(t, f.forged(t, tt.edit))
			if !contains(found, tt.want...) {
				t.Errorf("Verify finds\n%s\nwant a line with %q", strings.Join(found, "\n"), tt.want)
			}
			if strings.Contains(strings.Join(found, "\n"), "value") && strings.Contains(strings.Join(found, "\n"), "the first value") {
				t.Error("a finding contains a value")
			}
		})
	}
}

func deletePrefix(rows map[string][]byte, prefix string) {
	for key := range rows {
		if strings.HasPrefix(key, prefix) {
			delete(rows, key)
		}
	}
}

func changePrefix(rows map[string][]byte, prefix string) {
	for key := range rows {
		if strings.HasPrefix(key, prefix) {
			rows[key][len(rows[key])-1] ^= 1
		}
	}
}

// putBack puts the rows with a prefix back.
func putBack(rows, before map[string][]byte, prefix string) {
	for key, value := range before {
		if strings.HasPrefix(key, prefix) {
			rows[key] = value
		}
	}
}

// restoreLog puts the change log back, with its head and its listings, so that it is consistent.
func restoreLog(rows, before map[string][]byte) {
	isLog := func(key string) bool {
		_, rest, _ := strings.Cut(key, "\x00")
		_, rest, _ = strings.Cut(rest, "\x00")
		_, rest, _ = strings.Cut(rest, "\x00")
		return key[0] == 'l' && !strings.HasPrefix(key, "lc\x00") || key[0] == 's' && strings.HasPrefix(rest, "l")
	}
	for key := range rows {
		if isLog(key) {
			delete(rows, key)
		}
	}
	for key, value := range before {
		if isLog(key) {
			rows[key] = value
		}
	}
}

// TestARollbackOfTheWholeFileNeedsAHead replaces the file by an earlier copy, which is consistent.
func TestARollbackOfTheWholeFileNeedsAHead(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("the first value")})
	k.Running.Stop()
	earlier := k.Config
	earlier.Store = filepath.Join(t.TempDir(), "vault.db")
	data, err := os.ReadFile(k.Config.Store)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(earlier.Store, data, 0o600); err != nil {
		t.Fatal(err)
	}
	k.Start(t)
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("the second value")})
	head, err := k.Vault.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	k.Running.Stop()
	if found, _ := verified(t, earlier); len(found) > 0 {
		t.Errorf("Verify without a head finds %q", found)
	}
	if found, _ := verified(t, earlier, head); !contains(found, "change log: does not extend a head that was kept elsewhere") {
		t.Errorf("Verify of an earlier file with a head finds %q", found)
	}
	if found, _ := verified(t, k.Config, head); len(found) > 0 {
		t.Errorf("Verify of the newest file with a head finds %q", found)
	}
	other := vaulttest.New(t)
	other.Running.Stop()
	if found, _ := verified(t, other.Config, head); !contains(found, "does not extend a head") {
		t.Errorf("Verify of another vault's file with a head finds %q", found)
	}
	if rows := kvtest.Rows(t, earlier.Store); len(rows) == 0 {
		t.Error("the earlier file is empty")
	}
}
