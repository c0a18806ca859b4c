package endpoint_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
	"github.com/keyward/keyward/services/allowlist/internal/stored"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

// age stops both programs, removes from their stores all data that releases without purposes did
// not write, and starts them again. It calls change while they are stopped.
func age(t testing.TB, k *allowlisttest.Kit, change func()) {
	t.Helper()
	k.Server.Stop()
	k.VaultServer.Stop()
	vaulttest.ForgetPurposes(t, k.VaultConfig)
	allowlisttest.Rewrite(t, k.Config, func(_ string, e *stored.Endpoint) {
		for _, r := range e.GetReferences() {
			r.Chains, r.Cost, r.Partner, r.Conflicting, r.Exposed = "", 0, "", false, false
		}
	})
	change()
	k.StartVault(t)
	k.Start(t)
}

func purposeState(t testing.TB, k *allowlisttest.Kit, secret string) vaultv1.PurposeState {
	t.Helper()
	got, err := k.VaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	return got.GetSecret().GetPurpose().GetState()
}

func TestEndpointsSavedBeforeThereWerePurposesReportThemAtTheStart(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	for _, id := range []string{"one", "two"} {
		k.Active(t, id, allowlisttest.Draft(secret))
	}
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("one"), Body: []byte("hello")})
	etag := k.Owner.Get(t, "one").GetEtag()
	age(t, k, func() {})
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_UNKNOWN {
		t.Errorf("before the report the state is %v", got)
	}
	// The existing endpoint works, and no other one can be added.
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("one"), Body: sent.GetBody()})
	if err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt before the report = %q, %v", opened.GetBody(), err)
	}
	_, err = k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "another endpoint before the report", err, codes.FailedPrecondition, "KEY_PURPOSE_UNKNOWN")

	_, err = k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_CLAIMED {
		t.Errorf("after the report the state is %v", got)
	}
	history := k.Owner.History(t, allowlisttest.NameOf("one"))
	if history[0].GetAction() != allowlistv1.EndpointChange_ACTION_PURPOSES_REPORTED || k.Owner.Get(t, "one").GetEtag() != etag {
		t.Errorf("the log says %v, and the etag is %s, was %s", history[0].GetAction(), k.Owner.Get(t, "one").GetEtag(), etag)
	}
	allowlisttest.Must(t, k.Allowlist.Verify(t.Context()))
	k.Owner.Create(t, "three", allowlisttest.Draft(secret))
	other := allowlisttest.Draft(secret)
	other.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	_, err = k.Refusal(t, other)
	allowlisttest.WantError(t, "another purpose after the report", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("two"), Body: []byte("hello")})
	if got := purposeState(t, k, secret); got != vaultv1.PurposeState_PURPOSE_STATE_SEALED {
		t.Errorf("after a message the state is %v", got)
	}
}

func TestAKeyThatWasUsedForSeveralPurposesGoesOnForThoseAlone(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	mixed, other := k.Secret(t, "mixed"), k.Secret(t, "other")
	k.Active(t, "gcm", allowlisttest.Draft(mixed))
	chacha := allowlisttest.Draft(other)
	chacha.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	k.Active(t, "chacha", chacha)
	age(t, k, func() { merge(t, k, "chacha", "other", "mixed") })
	_, err := k.Allowlist.Reconcile(t.Context())
	allowlisttest.Must(t, err)
	if got := purposeState(t, k, mixed); got != vaultv1.PurposeState_PURPOSE_STATE_MIXED {
		t.Errorf("the state is %v", got)
	}
	for _, id := range []string{"gcm", "chacha"} {
		k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf(id), Body: []byte("hello")})
	}
	if got := k.Metric(t, "keyward_mixed_key_purposes"); got != 1 {
		t.Errorf("the metric says %v", got)
	}
	for what, e := range map[string]*allowlistv1.Endpoint{"one of the purposes": allowlisttest.Draft(mixed), "another": allowlisttest.Signed(allowlisttest.Draft(), mixed)} {
		_, err := k.Refusal(t, e)
		if status.Code(err) != codes.FailedPrecondition {
			t.Errorf("a new endpoint for %s = %v", what, err)
		}
	}
	k.Server.Stop()
	var states []string
	allowlisttest.Must(t, allowlist.References(t.Context(), k.Config, nil, k.Env.Logger, func(l allowlist.Link) { states = append(states, fmt.Sprint(l.Secret, " ", l.State)) }))
	if !slices.Contains(states, mixed+" MIXED") {
		t.Errorf("the references are %q", states)
	}
}

// merge makes an endpoint of stopped programs refer to another secret with an ID of the same
// length, as was possible before purposes were recorded.
func merge(t testing.TB, k *allowlisttest.Kit, endpoint, from, to string) {
	t.Helper()
	allowlisttest.Rewrite(t, k.Config, func(id string, e *stored.Endpoint) {
		if id != endpoint {
			return
		}
		r := e.GetReferences()[0]
		r.Secret, r.Uid = allowlisttest.Workspace+"/secrets/"+to, vaulttest.CopyBinding(t, k.VaultConfig, e.GetOperation(), from, to)
		e.Encryption = bytes.Replace(e.GetEncryption(), []byte("secrets/"+from), []byte("secrets/"+to), 1)
	})
}
