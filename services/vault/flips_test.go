package vault_test

import (
	"log/slog"
	"maps"
	"testing"

	"github.com/keyward/keyward/pkg/kv/kvtest"
	"github.com/keyward/keyward/pkg/verify"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// TestNoFlippedByteChangesAValueUnnoticed changes one byte of the file of a stopped vault at a time. A
// verification names it, or no reader looks there. A vault that starts resolves the true values, or fails.
func TestNoFlippedByteChangesAValueUnnoticed(t *testing.T) {
	t.Parallel()
	k := newBusyKit(t)
	binding := k.Resolver.Bind(t, "plain", "orders", "third")
	uids := map[string]string{"bound": k.Owner.Get(t, "bound").GetUid(), "plain": k.Owner.Get(t, "plain").GetUid()}
	// The last commit before the stop matters: a lost one would bring a destroyed value back.
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("bound"), Value: vaulttest.Text("the newest value")})
	k.Running.Stop()
	resolve := func(config vault.Config) (map[string]string, error) {
		v, err := vault.New(t.Context(), config, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, err
		}
		defer func() { _ = v.Close() }()
		got := make(map[string]string)
		for id, uid := range uids {
			for version := range uint32(6) {
				value, err := v.Resolve(t.Context(), binding.GetHolder(), vaulttest.NameOf(id), uid, version, vaulttest.Purpose())
				if err == nil {
					got[id+"/"+string(rune('0'+version))] = value
				}
			}
		}
		return got, nil
	}
	config := k.Config
	want, err := resolve(config)
	if err != nil || len(want) < 5 || want["bound/0"] != "the newest value" {
		t.Fatalf("the vault resolves %d values, %v", len(want), err)
	}
	kvtest.Flips(t, k.Config.Store, 300, func(flipped string, at int) kvtest.Outcome {
		config.Store = flipped
		result, err := vault.Verify(t.Context(), config, verify.Options{Report: func(verify.Difference) {}})
		outcome := kvtest.Outcome{Named: err != nil || result.Differences > 0}
		got, err := resolve(config)
		outcome.Refused = err != nil
		for which, value := range got {
			if value != want[which] {
				t.Errorf("byte %d: %s resolves to another value", at, which)
			}
		}
		if !outcome.Named && !outcome.Refused && !maps.Equal(got, want) {
			t.Errorf("byte %d: the vault resolves %d values, want %d, and no difference is named", at, len(got), len(want))
		}
		return outcome
	})
}
