package allowlist_test

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
)

// digesting is an endpoint whose messages carry the SHA-256 of a secret and nothing else.
func (k *kit) digesting(secret string) *allowlistv1.Endpoint {
	e := draft()
	e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{
		Signing: &allowlistv1.Signing{
			Scheme: &allowlistv1.Signing_SecretDigest{SecretDigest: &allowlistv1.SecretDigest{Hash: allowlistv1.Hash_HASH_SHA256}},
			Keys:   []*allowlistv1.SecretRef{{Name: secret}}, Input: "${secret}", Headers: map[string]string{"X-Verify": "${signature}"},
		},
		AllowLegacy: []*allowlistv1.LegacyAcknowledgement{{
			Flag: allowlistv1.LegacyAcknowledgement_FLAG_SECRET_DIGEST, Reason: "the partner has nothing else",
			ExpireTime: timestamppb.New(k.clock.now().AddDate(1, 0, 0)),
		}},
	}}
	return e
}

// deriving is an endpoint that encrypts under the SHA-256 of a secret.
func deriving(secret string) *allowlistv1.Endpoint {
	e := draft(secret)
	e.Encryption.Request.GetCipher().GetSharedKey().Derivation = &allowlistv1.Derivation{
		Function: &allowlistv1.Derivation_Digest{Digest: &allowlistv1.DigestDerivation{Hash: allowlistv1.Hash_HASH_SHA256}},
	}
	return e
}

// TestADigestThatIsSentIsNobodysKey does the algebra: what one endpoint sends is the very
// key of the other. So no secret is used for both.
func TestADigestThatIsSentIsNobodysKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	value := []byte("a secret that the partner gave us")
	sent, derived := k.secret(t, "sent", value...), k.secret(t, "derived", value...)
	k.active(t, "digests", k.digesting(sent))
	k.active(t, "derives", deriving(derived))

	header := headersOf(k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("digests"), Body: []byte("x")}).GetHeaders())["x-verify"]
	key, err := hex.DecodeString(header)
	must(t, err)
	if want := sha256.Sum256(value); !bytes.Equal(key, want[:]) {
		t.Fatalf("the digest is %x", key)
	}
	// The same value under another name is no way around it.
	_, err = k.sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: nameOf("derives"), Body: []byte("hello")})
	wantError(t, "a message under the digest that was sent", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	k.owner.delete(t, "derives")
	k.settle(t, derived, 0)
	derived = k.secret(t, "another")
	k.active(t, "derives", deriving(derived))
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("derives"), Body: []byte("hello")})

	const purpose, digestKeys = "KEY_PURPOSE_FIXED", "endpoint.encryption.request.signing.keys[0].name"
	for _, tt := range []struct {
		name, field string
		e           *allowlistv1.Endpoint
	}{
		{"the key of a cipher as one whose digest is sent", digestKeys, k.digesting(derived)},
		{"one whose digest is sent as the key of a cipher", sharedKeys + "[0].name", deriving(sent)},
		{"or as that of a MAC", digestKeys, signed(draft(), sent)},
	} {
		fields, err := k.refusal(t, tt.e)
		wantError(t, tt.name, err, codes.FailedPrecondition, purpose)
		if !slices.Equal(fields, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, fields, tt.field)
		}
	}
	// Giving it up does not make it another: the digest is out.
	k.owner.delete(t, "digests")
	k.settle(t, sent, 0)
	_, err = k.refusal(t, deriving(sent))
	wantError(t, "the key of a digest that was sent once", err, codes.FailedPrecondition, purpose)
	k.active(t, "again", k.digesting(sent))
}

func TestOneConfigurationUsesAKeyInConflictingWaysForASuperAdminOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	conflicting := func() *allowlistv1.Endpoint {
		e := deriving(secret) // by a digest, which the response sends
		e.Encryption.Response = k.digesting(secret).GetEncryption().GetRequest()
		return e
	}
	fields, err := k.refusal(t, conflicting())
	wantError(t, "one key in conflicting ways", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if !slices.Equal(fields, []string{"endpoint.encryption.request.allow_legacy"}) {
		t.Errorf("fields = %v", fields)
	}
	e := conflicting()
	e.Encryption.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_CONFLICTING_KEY_USES, Reason: "the partner has one key for both",
		ExpireTime: timestamppb.New(k.clock.now().AddDate(1, 0, 0)),
	}}
	_, err = k.refusal(t, e)
	wantError(t, "acknowledged by an owner", err, codes.PermissionDenied, "SUPER_ADMIN_REQUIRED")
	saved := k.admin.create(t, "both", e)
	purposes := k.owner.get(t, "both").GetKeyPurposes()
	if len(purposes) != 1 || purposes[0].GetSecret() != secret || len(purposes[0].GetChains()) != 2 {
		t.Errorf("key_purposes = %v", purposes)
	}
	got, err := k.vaultSA.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: secret})
	must(t, err)
	if p := got.GetSecret().GetPurpose(); !p.GetConflicting() || !slices.Equal(p.GetChains(), purposes[0].GetChains()) {
		t.Errorf("the vault shows %v", p)
	}
	// What is saved already an owner may leave as it is, and nothing more.
	saved.Description = "both"
	saved, err = k.owner.update(t, saved, "description", "encryption")
	must(t, err)
	saved.Encryption.Request.AllowLegacy[0].Reason = "another one"
	_, err = k.owner.update(t, saved, "encryption")
	wantError(t, "an owner who acknowledges it again", err, codes.PermissionDenied, "SUPER_ADMIN_REQUIRED")
}

func TestASaveThatIsRefusedFixesNoPurpose(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	mistaken, iv := k.secret(t, "key"), k.secretIn(t, workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, keyOf(1)[:16]...)
	digest := func(secret string) *allowlistv1.Endpoint {
		e := k.digesting(secret)
		e.Encryption.Request.AllowLegacy = nil
		return e
	}
	const legacy, key = "endpoint.encryption.request.allow_legacy", "endpoint.encryption.request.signing.keys[0].name"
	for _, tt := range []struct {
		name, secret, reason string
		fields               []string
	}{
		{"a key", mistaken, "LEGACY_NOT_ACKNOWLEDGED", []string{legacy}},
		{"what is not there", workspace + "/secrets/none", "SECRET_NOT_FOUND", []string{legacy, key}},
		{"a parameter", iv, "USAGE_NOT_ALLOWED", []string{legacy, key}},
		{"a credential", k.credential(t, "token", "sesame", partner), "USAGE_NOT_ALLOWED", []string{legacy, key}},
	} {
		fields, err := k.refusal(t, digest(tt.secret))
		if servertest.Reason(err) != tt.reason || !slices.Equal(fields, tt.fields) || servertest.Metadata(err)["flags"] != "SECRET_DIGEST" {
			t.Errorf("%s: %s at %v with %v, want %s at %v", tt.name, servertest.Reason(err), fields, servertest.Metadata(err), tt.reason, tt.fields)
		}
	}
	// Nor does one that another secret is wrong with.
	e := k.digesting(mistaken)
	e.Headers = []*allowlistv1.Parameter{referring("X-Token", workspace+"/secrets/none")}
	_, err := k.refusal(t, e)
	wantError(t, "another secret that is not there", err, codes.NotFound, "SECRET_NOT_FOUND")
	k.settle(t, iv, 0)
	k.settle(t, mistaken, 0)
	k.owner.create(t, "cipher", draft(mistaken))
}
