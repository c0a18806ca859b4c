package endpoint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

const differingSenders = "keyward_differing_key_senders"

func wantDiffering(t testing.TB, k *allowlisttest.Kit, want float64, when string) {
	t.Helper()
	allowlisttest.Eventually(t, func() bool { return k.Metric(t, differingSenders) == want }, "%s, the metric is not %v", when, want)
}

// A policy change after endpoints were saved gives one of them more senders than another one with
// the same KEY.
func TestAPolicyThatGivesAKeyDifferentSendersIsShown(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret, other := k.Secret(t, "key"), k.Secret(t, "other")
	for _, id := range []string{"one", "two"} {
		k.Owner.Create(t, id, allowlisttest.Draft(secret))
		k.Activate(t, id)
	}
	k.Owner.Create(t, "alone", allowlisttest.Draft(other))
	wantDiffering(t, k, 0, "before the policy changes")

	k.Env.EndpointSender(t, "acme", "one")
	wantDiffering(t, k, 1, "after the policy changed")
	shown := func(line string) bool {
		return strings.Contains(line, "have different senders") && strings.Contains(line, secret) &&
			strings.Contains(line, allowlisttest.NameOf("one")) && strings.Contains(line, allowlisttest.NameOf("two"))
	}
	allowlisttest.Eventually(t, func() bool { return slices.ContainsFunc(k.Env.Log.Lines(), shown) }, "the log does not name the key and its endpoints")
	// The existing endpoints keep working, and no new endpoint can be added.
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("two"), Body: []byte("hello")})
	_, err := k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "a new endpoint of the key", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	allowlisttest.Eventually(t, func() bool { return k.Stored(t, "unbind") == 0 }, "the bindings of the refused endpoint remain")

	k.Server.Stop()
	policy, err := k.Env.Config().LoadPolicy()
	allowlisttest.Must(t, err)
	var states []string
	allowlisttest.Must(t, allowlist.References(t.Context(), k.Config, policy, k.Env.Logger, func(l allowlist.Link) {
		states = append(states, fmt.Sprint(l.Secret, " ", l.State))
		if l.State.Sound() == (l.Secret == secret) {
			t.Errorf("the reference to %s in state %s counts as sound: %v", l.Secret, l.State, l.State.Sound())
		}
	}))
	if want := []string{secret + " SENDERS_DIFFER", secret + " SENDERS_DIFFER", other + " BOUND"}; !slices.Equal(states, want) {
		t.Errorf("the references are %q, want %q", states, want)
	}
	k.Start(t)
	wantDiffering(t, k, 1, "after a restart")
	k.Owner.Delete(t, "one")
	wantDiffering(t, k, 0, "after the endpoint is gone")
}

func TestASharedKeyMayHaveDifferentSenders(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "one", allowlisttest.Draft(secret))
	k.Owner.Create(t, "two", allowlisttest.Draft(secret))
	k.Env.EndpointSender(t, "acme", "one")
	wantDiffering(t, k, 1, "before the key is shared")
	_, err := k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	allowlisttest.Must(t, err)
	k.Env.EndpointSender(t, "acme", "two")
	wantDiffering(t, k, 0, "once the key is shared")
	bindings := heldBy(t, k, secret)
	if bindings != 2 {
		t.Errorf("after the comparisons there are %d bindings, want one for each endpoint", bindings)
	}
}

// heldBy returns how many bindings a secret has.
func heldBy(t testing.TB, k *allowlisttest.Kit, secret string) int {
	t.Helper()
	res, err := k.Bindings.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	allowlisttest.Must(t, err)
	return len(res.GetBindings())
}
