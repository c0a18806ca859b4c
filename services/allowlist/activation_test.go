package allowlist_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// approved creates an endpoint that may be switched on.
func (k *kit) approved(t testing.TB, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	k.owner.create(t, id, e)
	_, err := k.admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: nameOf(id)})
	must(t, err)
}

func (c client) activate(t testing.TB, id string) error {
	t.Helper()
	_, err := c.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf(id)})
	return err
}

// What the vault tells of a key does not show everything: these keys are saved.
func TestAnEndpointWhoseKeysCannotWorkIsNotSwitchedOn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const canary = "sesame-that-is-no-key"
	k.secret(t, "good")
	good := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:good" } } } `
	bad := `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:bad" decoding: DECODING_HEX } headers { key: "X-Sig" value: "${signature}" } } `
	for id, c := range map[string]struct{ text, field string }{
		"request":  {`request { ` + bad + ` }`, "request.signing.keys[0]"},
		"response": {`request { ` + good + ` } response { plain {} ` + bad + ` }`, "response.signing.keys[0]"},
		"inside":   {`request { ` + good + ` nested_jws { jws { algorithm: ALGORITHM_HS256 } keys { name: "secret:bad" decoding: DECODING_HEX } } }`, "request.nested_jws.keys[0]"},
	} {
		keySecret(t, k, "bad-"+id, canary)
		e := draft()
		e.Encryption = encryptionOf(t, strings.ReplaceAll(c.text, "secret:bad", "secret:bad-"+id))
		k.approved(t, id, e)
		logged := len(k.owner.history(t, nameOf(id)))
		err := k.owner.activate(t, id)
		wantError(t, "ActivateEndpoint of "+id, err, codes.FailedPrecondition, "KEY_NOT_USABLE")
		got := servertest.Metadata(err)
		if got["field"] != c.field || got["secret"] != workspace+"/secrets/bad-"+id || !strings.HasPrefix(got["cause"], "The secret is not written in HEX.") {
			t.Errorf("%s: the metadata is %v, want %q", id, got, c.field)
		}
		servertest.MustNotHold(t, "the error", err.Error()+got["cause"], canary)
		if e := k.owner.get(t, id); e.GetState() == allowlistv1.Endpoint_STATE_ACTIVE || len(k.owner.history(t, nameOf(id))) != logged {
			t.Errorf("%s: the endpoint is %v, and the log has an entry", id, e.GetState())
		}
		check, err := k.owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: nameOf(id)})
		must(t, err)
		if last := check.GetKeys()[len(check.GetKeys())-1]; check.GetFits() || check.GetRoundTrip() || last.GetField() != c.field || last.GetCause() != got["cause"] || last.GetSecret() != got["secret"] {
			t.Errorf("%s: CheckKeys = %v", id, check)
		}
	}
	servertest.MustNotHold(t, "the log", k.env.Log.String(), canary)
}

// An endpoint that is in use encrypts at least one body.
func TestAnEndpointThatEncryptsNothingIsNotSwitchedOn(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	e := draft()
	// No body that is made up has an object where a list is.
	e.Encryption = encryptionOf(t, `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } } } selection { fields { paths: "$.a.b" paths: "$.a[0].c" } } }`)
	k.approved(t, "orders", e)
	activate := func(sample string) error {
		_, err := k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders"), Sample: []byte(sample)})
		return err
	}
	for _, sample := range []string{"", `{"a":{"b":1}}`, "no JSON"} {
		err := activate(sample)
		wantError(t, "ActivateEndpoint with the sample "+sample, err, codes.FailedPrecondition, "SAMPLE_NOT_ENCRYPTABLE")
		if m := servertest.Metadata(err); m["field"] != "sample" || !strings.HasSuffix(m["cause"], ".") {
			t.Errorf("the metadata is %v", m)
		}
		_, err = k.owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: nameOf("orders"), Sample: []byte(sample)})
		wantError(t, "CheckKeys", err, codes.FailedPrecondition, "SAMPLE_NOT_ENCRYPTABLE")
	}
	_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: encrypted(secret)}, "encryption")
	must(t, err)
	must(t, activate("not looked at: a made-up body fits"))
	must(t, activate("nor is it where the endpoint is on"))
}

func TestARoundTripIsNoUseAndStaysNowhere(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	k.approved(t, "orders", draft(secret))
	for range 12 { // more than there are trials
		must(t, k.owner.activate(t, "orders"))
		_, err := k.owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: nameOf("orders")})
		must(t, err)
	}
	must(t, k.allowlist.Flush(t.Context()))
	if uses := k.owner.counts(t, "orders"); len(uses) != 0 {
		t.Errorf("activations count as uses: %v", uses)
	}
	if got := k.version(t, secret+"/versions/1").GetUseCount(); got != 0 {
		t.Errorf("the vault counts %d uses", got)
	}
	if got := k.stored(t, "trial"); got != 0 {
		t.Errorf("activations spend %d quotas", got)
	}
	if got := len(k.owner.get(t, "orders").GetRecentFailures()); got != 0 {
		t.Errorf("activations leave %d failures", got)
	}
	for range 10 {
		must(t, k.live(t, nameOf("orders")))
	}
	for _, change := range k.owner.history(t, nameOf("orders")) {
		if change.GetAction() == allowlistv1.EndpointChange_ACTION_TESTED && change.GetReason() != "to see" {
			t.Errorf("an activation is on the log as a test: %v", change)
		}
	}
}

func TestAnActivationTellsWhyAKeyIsNotToBeHad(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key", keyOf(1)...)
	k.approved(t, "orders", draft(secret))
	k.approved(t, "on", draft(secret))
	must(t, k.owner.activate(t, "on"))
	k.owner.create(t, "unproven", draft(secret))

	k.disable(t, secret, 1)
	wantError(t, "ActivateEndpoint with a disabled version", k.owner.activate(t, "orders"), codes.FailedPrecondition, "VERSION_DISABLED")
	must(t, k.owner.activate(t, "on")) // is on: nothing is tried
	k.enable(t, secret, 1)
	k.vaultServer.Stop()
	err := k.owner.activate(t, "orders")
	wantError(t, "ActivateEndpoint without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE does not ask to try again")
	}
	must(t, k.owner.activate(t, "on"))
	wantError(t, "ActivateEndpoint of what is not verified", k.owner.activate(t, "unproven"), codes.FailedPrecondition, "ENDPOINT_NOT_VERIFIED")
	_, err = k.owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: nameOf("orders"), Etag: "7"})
	wantError(t, "ActivateEndpoint of another state", err, codes.Aborted, "ETAG_MISMATCH")
	k.startVault(t)
	eventually(t, func() bool { return k.owner.activate(t, "orders") == nil }, "the endpoint is not switched on with the vault back")
}

// A partner's public key is sound, although nothing that it is for can be opened here.
func TestKeysOfTheOtherSideAreNoCause(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for _, id := range []string{"encrypts", "verifies"} {
		pair := k.generated(t, id+"-pair", vaultv1.Generate_KIND_EC_P256)
		got, err := k.secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: pair})
		must(t, err)
		keySecret(t, k, id, got.GetSecret().GetPublicKey().GetPem())
	}
	e := draft()
	e.Encryption = encryptionOf(t, `
		request { jose { key_management: KEY_MANAGEMENT_ECDH_ES content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:encrypts" decoding: DECODING_PEM } } }
		response { signing { asymmetric { algorithm: ALGORITHM_ECDSA_P256_SHA256_DER } keys { name: "secret:verifies" decoding: DECODING_PEM } headers { key: "X-Sig" value: "${signature}" } } }`)
	k.approved(t, "orders", e)
	must(t, k.owner.activate(t, "orders"))
}
