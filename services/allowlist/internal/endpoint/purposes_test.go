package endpoint_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// digesting returns an endpoint whose messages contain only the SHA-256 of a secret.
func digesting(k *allowlisttest.Kit, secret string) *allowlistv1.Endpoint {
	e := allowlisttest.Draft()
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{
		Signing: &allowlistv1.Signing{
			Scheme: &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{Hash: allowlistv1.Hash_HASH_SHA256}},
			Keys:   []*allowlistv1.SecretRef{{Name: secret}}, Input: "${secret}", Headers: map[string]string{"X-Verify": "${signature}"},
		},
		AllowLegacy: []*allowlistv1.LegacyAcknowledgement{{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_SECRET_DIGEST, Reason: "the partner has nothing else",
			ExpireTime: timestamppb.New(k.Clock.Now().AddDate(1, 0, 0)),
		}},
	}}
	return e
}

// deriving returns an endpoint that encrypts under the SHA-256 of a secret.
func deriving(secret string) *allowlistv1.Endpoint {
	e := allowlisttest.Draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Derivation = &allowlistv1.Derivation{
		Function: &allowlistv1.Derivation_Digest{Digest: &allowlistv1.DigestDerivation{Hash: allowlistv1.Hash_HASH_SHA256}},
	}
	return e
}

// TestADigestThatIsSentIsNoKey shows the attack: one endpoint sends the key of the other. So no
// secret is used for both.
func TestADigestThatIsSentIsNoKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	value := []byte("a secret that the partner gave us")
	sent, derived := k.Secret(t, "sent", value...), k.Secret(t, "derived", value...)
	k.Active(t, "digests", digesting(k, sent))
	k.Active(t, "derives", deriving(derived))

	header := allowlisttest.HeadersOf(k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("digests"), Body: []byte("x")}).GetHeaders())["x-verify"]
	key, err := hex.DecodeString(header)
	allowlisttest.Must(t, err)
	if want := sha256.Sum256(value); !bytes.Equal(key, want[:]) {
		t.Fatalf("the digest is %x", key)
	}
	// The same value under another name does not circumvent this.
	_, err = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("derives"), Body: []byte("hello")})
	allowlisttest.WantError(t, "a message under the digest that was sent", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	k.Owner.Delete(t, "derives")
	k.Settle(t, derived, 0)
	derived = k.Secret(t, "another")
	k.Active(t, "derives", deriving(derived))
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("derives"), Body: []byte("hello")})

	const purpose, digestKeys = "KEY_PURPOSE_FIXED", "endpoint.encryption.request.signing.keys[0].name"
	for _, tt := range []struct {
		name, field string
		e           *allowlistv1.Endpoint
	}{
		{"the key of a cipher as one whose digest is sent", digestKeys, digesting(k, derived)},
		{"one whose digest is sent as the key of a cipher", allowlisttest.SharedKeys + "[0].name", deriving(sent)},
		{"or as that of a MAC", digestKeys, allowlisttest.Signed(allowlisttest.Draft(), sent)},
	} {
		fields, err := k.Refusal(t, tt.e)
		allowlisttest.WantError(t, tt.name, err, codes.FailedPrecondition, purpose)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
	}
	// Giving up the binding does not help: the digest has been revealed.
	k.Owner.Delete(t, "digests")
	k.Settle(t, sent, 0)
	_, err = k.Refusal(t, deriving(sent))
	allowlisttest.WantError(t, "the key of a digest that was sent once", err, codes.FailedPrecondition, purpose)
	k.Active(t, "again", digesting(k, sent))
}

func TestOneConfigurationUsesAKeyInConflictingWaysForASuperAdminOnly(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	conflicting := func() *allowlistv1.Endpoint {
		e := deriving(secret) // by a digest, which the response contains
		e.Encryption.Response = digesting(k, secret).GetEncryption().GetRequest()
		return e
	}
	fields, err := k.Refusal(t, conflicting())
	allowlisttest.WantError(t, "one key in conflicting ways", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if !slices.Equal(fields, []string{"endpoint.encryption.request.allow_legacy"}) {
		t.Errorf("fields = %v", fields)
	}
	e := conflicting()
	e.Encryption.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES, Reason: "the partner has one key for both",
		ExpireTime: timestamppb.New(k.Clock.Now().AddDate(1, 0, 0)),
	}}
	_, err = k.Refusal(t, e)
	allowlisttest.WantError(t, "acknowledged by an owner", err, codes.PermissionDenied, "SUPER_ADMIN_REQUIRED")
	saved := k.Admin.Create(t, "both", e)
	purposes := k.Owner.Get(t, "both").GetKeyPurposes()
	if len(purposes) != 1 || purposes[0].GetSecret() != secret || len(purposes[0].GetChains()) != 2 {
		t.Errorf("key_purposes = %v", purposes)
	}
	got, err := k.VaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	allowlisttest.Must(t, err)
	if p := got.GetSecret().GetPurpose(); !p.GetConflicting() || !slices.Equal(p.GetChains(), purposes[0].GetChains()) {
		t.Errorf("the vault shows %v", p)
	}
	// An owner may leave an acknowledgement that is already saved as it is, and nothing more.
	saved.Description = "both"
	saved, err = k.Owner.Update(t, saved, "description", "encryption")
	allowlisttest.Must(t, err)
	saved.Encryption.Request.AllowLegacy[0].Reason = "another one"
	_, err = k.Owner.Update(t, saved, "encryption")
	allowlisttest.WantError(t, "an owner who acknowledges it again", err, codes.PermissionDenied, "SUPER_ADMIN_REQUIRED")
}

func TestASaveThatIsRefusedFixesNoPurpose(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	mistaken, iv := k.Secret(t, "key"), k.SecretIn(t, allowlisttest.Workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, allowlisttest.KeyOf(1)[:16]...)
	digest := func(secret string) *allowlistv1.Endpoint {
		e := digesting(k, secret)
		e.Encryption.Request.AllowLegacy = nil
		return e
	}
	const legacy, key = "endpoint.encryption.request.allow_legacy", "endpoint.encryption.request.signing.keys[0].name"
	for _, tt := range []struct {
		name, secret, reason string
		fields               []string
	}{
		{"a key", mistaken, "LEGACY_NOT_ACKNOWLEDGED", []string{legacy}},
		{"a missing secret", allowlisttest.Workspace + "/secrets/none", "SECRET_NOT_FOUND", []string{legacy, key}},
		{"a parameter", iv, "USAGE_NOT_ALLOWED", []string{legacy, key}},
		{"a credential", k.Credential(t, "token", "sesame", allowlisttest.Partner), "USAGE_NOT_ALLOWED", []string{legacy, key}},
	} {
		fields, err := k.Refusal(t, digest(tt.secret))
		if servertest.Reason(err) != tt.reason || !slices.Equal(fields, tt.fields) || servertest.Metadata(err)["flags"] != "SECRET_DIGEST" {
			t.Errorf("%s: %s at %v with %v, want %s at %v", tt.name, servertest.Reason(err), fields, servertest.Metadata(err), tt.reason, tt.fields)
		}
	}
	// Nor does a save that has a violation of another secret.
	e := digesting(k, mistaken)
	e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("X-Token", allowlisttest.Workspace+"/secrets/none")}
	_, err := k.Refusal(t, e)
	allowlisttest.WantError(t, "another missing secret", err, codes.NotFound, "SECRET_NOT_FOUND")
	k.Settle(t, iv, 0)
	k.Settle(t, mistaken, 0)
	k.Owner.Create(t, "cipher", allowlisttest.Draft(mistaken))
}
