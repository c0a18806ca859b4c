package endpoint_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// approved creates an endpoint that can be activated.
func approved(t testing.TB, k *allowlisttest.Kit, id string, e *allowlistv1.Endpoint) {
	t.Helper()
	k.Owner.Create(t, id, e)
	_, err := k.Admin.ApproveEndpoint(t.Context(), &allowlistv1.ApproveEndpointRequest{Name: allowlisttest.NameOf(id)})
	allowlisttest.Must(t, err)
}

// The facts of the vault about a key do not show everything: these keys are saved.
func TestAnEndpointWhoseKeysCannotWorkIsNotSwitchedOn(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	const canary = "sesame-that-is-no-key"
	k.Secret(t, "good")
	good := `cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:good" } } } `
	bad := `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:bad" decoding: DECODING_HEX } headers { key: "X-Sig" value: "${signature}" } } `
	for id, c := range map[string]struct{ text, field string }{
		"request":  {`request { ` + bad + ` }`, "request.signing.keys[0]"},
		"response": {`request { ` + good + ` } response { plain {} ` + bad + ` }`, "response.signing.keys[0]"},
		"inside":   {`request { ` + good + ` nested_jws { jws { algorithm: ALGORITHM_HS256 } keys { name: "secret:bad" decoding: DECODING_HEX } } }`, "request.nested_jws.keys[0]"},
	} {
		allowlisttest.KeySecret(t, k, "bad-"+id, canary)
		e := allowlisttest.Draft()
		e.Encryption = allowlisttest.EncryptionOf(t, strings.ReplaceAll(c.text, "secret:bad", "secret:bad-"+id))
		approved(t, k, id, e)
		logged := len(k.Owner.History(t, allowlisttest.NameOf(id)))
		err := k.Owner.Activate(t, id)
		allowlisttest.WantError(t, "ActivateEndpoint of "+id, err, codes.FailedPrecondition, "KEY_NOT_USABLE")
		got := servertest.Metadata(err)
		if got["field"] != c.field || got["secret"] != allowlisttest.Workspace+"/secrets/bad-"+id || !strings.HasPrefix(got["cause"], "The secret is not valid HEX.") {
			t.Errorf("%s: the metadata is %v, want %q", id, got, c.field)
		}
		servertest.MustNotHold(t, "the error", err.Error()+got["cause"], canary)
		if e := k.Owner.Get(t, id); e.GetState() == allowlistv1.Endpoint_STATE_ACTIVE || len(k.Owner.History(t, allowlisttest.NameOf(id))) != logged {
			t.Errorf("%s: the endpoint is %v, and the log has an entry", id, e.GetState())
		}
		check, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf(id)})
		allowlisttest.Must(t, err)
		if last := check.GetKeys()[len(check.GetKeys())-1]; check.GetFits() || check.GetRoundTrip() || last.GetField() != c.field || last.GetCause() != got["cause"] || last.GetSecret() != got["secret"] {
			t.Errorf("%s: CheckKeys = %v", id, check)
		}
	}
	servertest.MustNotHold(t, "the log", k.Env.Log.String(), canary)
}

// An active endpoint can encrypt at least one body.
func TestAnEndpointThatEncryptsNothingIsNotSwitchedOn(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	e := allowlisttest.Draft()
	// No generated body has an object in the place of a list.
	e.Encryption = allowlisttest.EncryptionOf(t, `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } } } selection { fields { paths: "$.a.b" paths: "$.a[0].c" } } }`)
	approved(t, k, "orders", e)
	activate := func(sample string) error {
		_, err := k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders"), Sample: []byte(sample)})
		return err
	}
	for _, sample := range []string{"", `{"a":{"b":1}}`, "no JSON"} {
		err := activate(sample)
		allowlisttest.WantError(t, "ActivateEndpoint with the sample "+sample, err, codes.FailedPrecondition, "SAMPLE_NOT_ENCRYPTABLE")
		if m := servertest.Metadata(err); m["field"] != "sample" || !strings.HasSuffix(m["cause"], ".") {
			t.Errorf("the metadata is %v", m)
		}
		_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders"), Sample: []byte(sample)})
		allowlisttest.WantError(t, "CheckKeys", err, codes.FailedPrecondition, "SAMPLE_NOT_ENCRYPTABLE")
	}
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: allowlisttest.Encrypted(secret)}, "encryption")
	allowlisttest.Must(t, err)
	allowlisttest.Must(t, activate("not examined: a generated body fits"))
	allowlisttest.Must(t, activate("nor for an active endpoint"))
}

func TestARoundTripIsNotCountedOrStored(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	approved(t, k, "orders", allowlisttest.Draft(secret))
	for range 12 { // more than the quota of trials
		allowlisttest.Must(t, k.Owner.Activate(t, "orders"))
		_, err := k.Owner.DeactivateEndpoint(t.Context(), &allowlistv1.DeactivateEndpointRequest{Name: allowlisttest.NameOf("orders")})
		allowlisttest.Must(t, err)
	}
	allowlisttest.Must(t, k.Allowlist.Flush(t.Context()))
	if uses := k.Owner.Counts(t, "orders"); len(uses) != 0 {
		t.Errorf("activations count as uses: %v", uses)
	}
	if got := k.Version(t, secret+"/versions/1").GetUseCount(); got != 0 {
		t.Errorf("the vault counts %d uses", got)
	}
	if got := k.Stored(t, "trial"); got != 0 {
		t.Errorf("activations spend %d quotas", got)
	}
	if got := len(k.Owner.Get(t, "orders").GetRecentFailures()); got != 0 {
		t.Errorf("activations leave %d failures", got)
	}
	for range 10 {
		allowlisttest.Must(t, k.Live(t, allowlisttest.NameOf("orders")))
	}
	for _, change := range k.Owner.History(t, allowlisttest.NameOf("orders")) {
		if change.GetAction() == allowlistv1.EndpointChange_ACTION_TESTED && change.GetReason() != "to see" {
			t.Errorf("an activation is on the log as a test: %v", change)
		}
	}
}

func TestAnActivationReportsWhyAKeyIsUnavailable(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	approved(t, k, "orders", allowlisttest.Draft(secret))
	approved(t, k, "on", allowlisttest.Draft(secret))
	allowlisttest.Must(t, k.Owner.Activate(t, "on"))
	k.Owner.Create(t, "unproven", allowlisttest.Draft(secret))

	k.Disable(t, secret, 1)
	allowlisttest.WantError(t, "ActivateEndpoint with a disabled version", k.Owner.Activate(t, "orders"), codes.FailedPrecondition, "VERSION_DISABLED")
	allowlisttest.Must(t, k.Owner.Activate(t, "on")) // already active: no key is tested
	k.Enable(t, secret, 1)
	k.VaultServer.Stop()
	err := k.Owner.Activate(t, "orders")
	allowlisttest.WantError(t, "ActivateEndpoint without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
	if !servertest.Retryable(err) {
		t.Error("VAULT_UNAVAILABLE has no retry delay")
	}
	allowlisttest.Must(t, k.Owner.Activate(t, "on"))
	allowlisttest.WantError(t, "ActivateEndpoint of an unverified endpoint", k.Owner.Activate(t, "unproven"), codes.FailedPrecondition, "ENDPOINT_NOT_VERIFIED")
	_, err = k.Owner.ActivateEndpoint(t.Context(), &allowlistv1.ActivateEndpointRequest{Name: allowlisttest.NameOf("orders"), Etag: "7"})
	allowlisttest.WantError(t, "ActivateEndpoint with an old etag", err, codes.Aborted, "ETAG_MISMATCH")
	k.StartVault(t)
	allowlisttest.Eventually(t, func() bool { return k.Owner.Activate(t, "orders") == nil }, "the endpoint is not switched on with the vault back")
}

// A partner's public key is valid, although messages to it cannot be decrypted here.
func TestPublicKeysOfThePartnerAreNotTheCause(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for _, id := range []string{"encrypts", "verifies"} {
		pair := k.Generated(t, id+"-pair", vaultv1.Generate_KIND_EC_P256)
		got, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: pair})
		allowlisttest.Must(t, err)
		allowlisttest.KeySecret(t, k, id, got.GetSecret().GetPublicKey().GetPem())
	}
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, `
		request { jose { key_management: KEY_MANAGEMENT_ECDH_ES content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:encrypts" decoding: DECODING_PEM } } }
		response { signing { asymmetric { algorithm: ALGORITHM_ECDSA_P256_SHA256_DER } keys { name: "secret:verifies" decoding: DECODING_PEM } headers { key: "X-Sig" value: "${signature}" } } }`)
	approved(t, k, "orders", e)
	allowlisttest.Must(t, k.Owner.Activate(t, "orders"))
}
