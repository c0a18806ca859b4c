package allowlist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
)

const differingSenders = "keyward_differing_key_senders"

func (k *kit) wantDiffering(t testing.TB, want float64, when string) {
	t.Helper()
	eventually(t, func() bool { return k.metric(t, differingSenders) == want }, "%s, the metric is not %v", when, want)
}

// A policy that changes after endpoints were saved gives one of them more senders than another
// one with the same KEY has.
func TestAPolicyThatGivesAKeyDifferentSendersIsShown(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret, other := k.secret(t, "key"), k.secret(t, "other")
	for _, id := range []string{"one", "two"} {
		k.owner.create(t, id, draft(secret))
		k.activate(t, id)
	}
	k.owner.create(t, "alone", draft(other))
	k.wantDiffering(t, 0, "before the policy changes")

	k.env.EndpointSender(t, "acme", "one")
	k.wantDiffering(t, 1, "after the policy changed")
	shown := func(line string) bool {
		return strings.Contains(line, "have different senders") && strings.Contains(line, secret) &&
			strings.Contains(line, nameOf("one")) && strings.Contains(line, nameOf("two"))
	}
	eventually(t, func() bool { return slices.ContainsFunc(k.env.Log.Lines(), shown) }, "the log does not name the key and its endpoints")
	// What there is goes on, and takes no new endpoint.
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("two"), Body: []byte("hello")})
	_, err := k.refusal(t, draft(secret))
	wantError(t, "a new endpoint of the key", err, codes.FailedPrecondition, "KEY_NOT_SHARED")

	k.server.Stop()
	policy, err := k.env.Config().LoadPolicy()
	must(t, err)
	var states []string
	must(t, allowlist.References(t.Context(), k.config, policy, k.env.Logger, func(l allowlist.Link) {
		states = append(states, fmt.Sprint(l.Secret, " ", l.State))
		if l.State.Sound() == (l.Secret == secret) {
			t.Errorf("the reference to %s in state %s counts as sound: %v", l.Secret, l.State, l.State.Sound())
		}
	}))
	if want := []string{secret + " SENDERS_DIFFER", secret + " SENDERS_DIFFER", other + " BOUND"}; !slices.Equal(states, want) {
		t.Errorf("the references are %q, want %q", states, want)
	}
	k.start(t)
	k.wantDiffering(t, 1, "after a restart")
	k.owner.delete(t, "one")
	k.wantDiffering(t, 0, "after the endpoint is gone")
}

func TestASharedKeyMayHaveDifferentSenders(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "one", draft(secret))
	k.owner.create(t, "two", draft(secret))
	k.env.EndpointSender(t, "acme", "one")
	k.wantDiffering(t, 1, "before the key is shared")
	_, err := k.vaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	must(t, err)
	k.env.EndpointSender(t, "acme", "two")
	k.wantDiffering(t, 0, "once the key is shared")
	bindings := k.heldBy(t, secret)
	if bindings != 2 {
		t.Errorf("after the comparisons there are %d bindings, want one for each endpoint", bindings)
	}
}

// heldBy returns how many bindings a secret has.
func (k *kit) heldBy(t testing.TB, secret string) int {
	t.Helper()
	res, err := k.bindings.ListSecretBindings(t.Context(), &vaultv1.ListSecretBindingsRequest{Parent: secret})
	must(t, err)
	return len(res.GetBindings())
}
