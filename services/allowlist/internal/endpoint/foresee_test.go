package endpoint_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyward/keyward/pkg/verify"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/vault"
)

// put writes a data file, and returns its path.
func put(t testing.TB, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "data.db")
	allowlisttest.Must(t, os.WriteFile(path, content, 0o600))
	return path
}

// foresee compares data files of an allowlist and a vault. It returns a line for each prospect, sorted, and the
// endpoints that would stop to work.
func foresee(t testing.TB, k *allowlisttest.Kit, own, vaults []byte) (lines, broken []string) {
	t.Helper()
	var inventory bytes.Buffer
	verified := func(result verify.Result, err error) {
		t.Helper()
		if err != nil || result.Differences > 0 {
			t.Fatalf("Verify = %+v, %v", result, err)
		}
	}
	v := k.VaultConfig
	v.Store = put(t, vaults)
	verified(vault.Verify(t.Context(), v, verify.Options{Use: func(s verify.Store) error { return vault.WriteInventory(s, &inventory) }}))
	a := k.Config
	a.Store = put(t, own)
	verified(allowlist.Verify(t.Context(), a, verify.Options{Use: func(s verify.Store) error {
		return allowlist.Foresee(s, a, &inventory, func(p allowlist.Prospect) {
			lines = append(lines, line(p.Reason, p.Secret, p.Referrer)+": "+p.Because)
			if p.Breaks && !slices.Contains(broken, p.Referrer) {
				broken = append(broken, p.Referrer)
			}
		})
	}}))
	slices.Sort(lines)
	slices.Sort(broken)
	return lines, broken
}

// line is a prospect or a discrepancy in short.
func line(reason, secret, referrer string) string {
	last := func(name string) string { return name[strings.LastIndex(name, "/")+1:] }
	return strings.TrimSpace(reason + " " + last(secret) + " " + last(referrer))
}

// A pair is a vault and an allowlist whose data files were copied before and after changes.
type pair struct {
	*allowlisttest.Kit
	before, after struct{ vault, allowlist []byte }
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{Kit: allowlisttest.New(t)}
	key, off, again := p.Secret(t, "key", allowlisttest.KeyOf(1)...), p.Secret(t, "off"), p.Secret(t, "again")
	p.Disable(t, off, 1)
	created(t, p.Kit, "kept", allowlisttest.Draft(key))
	created(t, p.Kit, "deleted", allowlisttest.Draft(key))
	p.AcceptVault(t) // verifies the newest head
	p.before.vault, p.before.allowlist = p.copies(t)

	p.Owner.Delete(t, "deleted")
	p.Settle(t, key, 1)
	_, err := p.Secrets.DeleteSecret(t.Context(), &vaultv1.DeleteSecretRequest{Name: again})
	allowlisttest.Must(t, err)
	p.Secret(t, "again")
	p.Enable(t, off, 1)
	p.Rotate(t, key, 2)
	created(t, p.Kit, "fresh", allowlisttest.Draft(key))
	created(t, p.Kit, "pins", pinned(key, 2))
	created(t, p.Kit, "late", allowlisttest.Draft(p.Secret(t, "late")))
	created(t, p.Kit, "reborn", allowlisttest.Draft(again))
	created(t, p.Kit, "disabled", allowlisttest.Draft(off))
	p.AcceptVault(t)
	p.after.vault, p.after.allowlist = p.copies(t)
	return p
}

// copies returns both data files of one moment.
func (p *pair) copies(t *testing.T) (vaults, own []byte) {
	t.Helper()
	p.Server.Stop()
	p.VaultServer.Stop()
	vaults, err := os.ReadFile(p.VaultConfig.Store)
	allowlisttest.Must(t, err)
	own, err = os.ReadFile(p.Config.Store)
	allowlisttest.Must(t, err)
	p.StartVault(t)
	p.Start(t)
	return vaults, own
}

func TestAPairOfBackupsIsForeseen(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, tt := range []struct {
		what          string
		own, vault    []byte
		lines, broken []string
	}{
		{what: "the files of the same moment before the changes", own: p.before.allowlist, vault: p.before.vault},
		{what: "the files of the same moment after the changes", own: p.after.allowlist, vault: p.after.vault},
		{
			what: "an older vault", own: p.after.allowlist, vault: p.before.vault,
			lines: []string{
				"BOUND_AGAIN key fresh: the binding does not exist",
				"BOUND_AGAIN key pins: the binding does not exist",
				"BOUND_AGAIN off disabled: the binding does not exist",
				"GIVEN_UP key deleted: the endpoint does not exist",
				"SWITCHED_OFF again reborn: the name belongs to another secret, which was stored before or after it",
				"SWITCHED_OFF key pins: version 2 does not exist",
				"SWITCHED_OFF late late: the secret does not exist",
				"VAULT_ROLLED_BACK: the vault's file is older than what the allowlist has seen",
				"VERSION_DISABLED off disabled: the current version, 1, is disabled",
			},
			broken: []string{"disabled", "late", "pins", "reborn"},
		},
		{
			what: "an older allowlist", own: p.before.allowlist, vault: p.after.vault,
			lines: []string{
				"BOUND_AGAIN key deleted: the binding does not exist",
				"GIVEN_UP again reborn: the endpoint does not exist",
				"GIVEN_UP key fresh: the endpoint does not exist",
				"GIVEN_UP key pins: the endpoint does not exist",
				"GIVEN_UP late late: the endpoint does not exist",
				"GIVEN_UP off disabled: the endpoint does not exist",
				"WITNESS_MISMATCH: the allowlist's file is older than what the vault has seen",
			},
		},
	} {
		lines, broken := foresee(t, p.Kit, tt.own, tt.vault)
		for i, line := range lines { // without the numbers of entries, which depend on the time
			if reason, because, refused := strings.Cut(line, ": the "); refused && strings.Contains(because, " has verified ") {
				_, because, _ = strings.Cut(because, ": ")
				lines[i] = reason + ": " + because
			}
		}
		for i, name := range broken {
			broken[i] = strings.TrimPrefix(name, allowlisttest.NameOf(""))
		}
		if diff := cmp.Diff(tt.lines, lines); diff != "" {
			t.Errorf("%s: Foresee (-want +got):\n%s", tt.what, diff)
		}
		if diff := cmp.Diff(tt.broken, broken); diff != "" {
			t.Errorf("%s: endpoints that would stop to work (-want +got):\n%s", tt.what, diff)
		}
	}
}

// The comparison after the restore finds the differences that were foreseen.
func TestWhatIsForeseenHappens(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for what, pair := range map[string]struct{ own, vault []byte }{
		"an older vault":     {p.after.allowlist, p.before.vault},
		"an older allowlist": {p.before.allowlist, p.after.vault},
	} {
		foreseen, _ := foresee(t, p.Kit, pair.own, pair.vault)
		var want, found []string
		for _, line := range foreseen {
			short, _, _ := strings.Cut(line, ":")
			if repair := strings.Fields(short)[0]; slices.Contains([]string{"BOUND_AGAIN", "GIVEN_UP", "SWITCHED_OFF"}, repair) {
				want = append(want, short)
			}
		}
		p.Server.Stop()
		allowlisttest.Must(t, os.WriteFile(p.Config.Store, pair.own, 0o600))
		replace(t, p.Kit, pair.vault)
		allowlisttest.Eventually(t, func() bool {
			found = nil
			err := allowlist.Reconcile(t.Context(), p.Config, nil, "a test", p.Env.Logger, func(d allowlist.Discrepancy) {
				found = append(found, line(string(d.Repair), d.Secret, d.Referrer))
			})
			if err != nil { // the vault refuses an older allowlist, once it knows its head
				_, err := p.VaultSA.AcceptResolverCheckpoint(t.Context(), &vaultv1.AcceptResolverCheckpointRequest{
					Parent: "workspaces/-", Resolver: p.Env.Resolver(t).Subject, Reason: "a test",
				})
				allowlisttest.Must(t, err)
			}
			return err == nil
		}, "%s: the allowlist does not reconcile", what)
		slices.Sort(found)
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s: the comparison finds other differences (-foreseen +found):\n%s", what, diff)
		}
	}
}
