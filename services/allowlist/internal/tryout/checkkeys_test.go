package tryout_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// checkDraft asks whether the keys of a draft fit.
func checkDraft(t testing.TB, k *allowlisttest.Kit, name, text string) (*allowlistv1.CheckKeysResponse, error) {
	t.Helper()
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, text)
	return k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: name, Endpoint: e})
}

const (
	hexCipher = `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" decoding: DECODING_HEX } } } } `
	rawCipher = `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } } } } `
)

func TestTheKeysOfADraftAreCheckedWithoutABinding(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	allowlisttest.KeySecret(t, k, "key", hex.EncodeToString(allowlisttest.KeyOf(1)))
	for _, name := range []string{allowlisttest.NameOf("-"), allowlisttest.NameOf("orders")} {
		got, err := checkDraft(t, k, name, rawCipher)
		if name != allowlisttest.NameOf("-") {
			allowlisttest.WantError(t, "CheckKeys of a missing endpoint", err, codes.NotFound, "ENDPOINT_NOT_FOUND")
			continue
		}
		allowlisttest.Must(t, err)
		want := "Read as RAW, the secret is a key of 64 bytes, but 32 are needed. Read as HEX, it is a key of 32 bytes: set the decoding to HEX."
		if fit := got.GetKeys()[0]; got.GetFits() || got.GetRoundTrip() || fit.GetFits() || fit.GetCause() != want || fit.GetDecoding() != "HEX" {
			t.Errorf("CheckKeys = %v", got)
		}
		got, err = checkDraft(t, k, name, hexCipher)
		allowlisttest.Must(t, err)
		if fit := got.GetKeys()[0]; !got.GetFits() || got.GetRoundTrip() || !fit.GetFits() || fit.GetCause() != "" || fit.GetDecoding() != "" {
			t.Errorf("CheckKeys with HEX = %v", got)
		}
	}
	if held := k.Held(t, allowlisttest.Workspace+"/secrets/key"); len(held) != 0 {
		t.Errorf("CheckKeys has bound: %v", held)
	}
	// Nor is the purpose of the key fixed.
	keyed := strings.NewReplacer("AES_256_GCM", "CHACHA20_POLY1305").Replace(hexCipher)
	if got, err := checkDraft(t, k, allowlisttest.NameOf("-"), keyed); err != nil || !got.GetFits() {
		t.Errorf("CheckKeys for another purpose = %v, %v", got, err)
	}
}

// One URL may be the partner's for both directions: its webhooks are verified with a public key.
func TestACheckReportsTheUseOfAPublicKey(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	pair := k.Generated(t, "pair", vaultv1.Generate_KIND_RSA_2048)
	got, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: pair})
	allowlisttest.Must(t, err)
	allowlisttest.KeySecret(t, k, "public", got.GetSecret().GetPublicKey().GetPem())
	const signs = `request { signing { asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } keys { name: "secret:public" } headers { key: "X-Signature" value: "${signature}" } } }`
	const wraps = `request { jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:public" } } } response { plain {} }`
	for text, want := range map[string]string{
		signs: "The secret holds no private key: it can verify signatures, but not create them.",
		wraps: "The secret holds no private key: it can encrypt messages, but not decrypt them.",
		strings.ReplaceAll(signs, "secret:public", "secret:pair"): "",
	} {
		got, err := checkDraft(t, k, allowlisttest.NameOf("-"), text)
		allowlisttest.Must(t, err)
		if fit := got.GetKeys()[0]; !got.GetFits() || !fit.GetFits() || fit.GetCause() != "" || fit.GetNote() != want {
			t.Errorf("CheckKeys of %s = %v, want the note %q", text, got, want)
		}
	}
}

func TestACheckOfADraftRefusesInvalidDrafts(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.SecretIn(t, allowlisttest.Workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, allowlisttest.KeyOf(1)[:16]...)
	pair := k.Generated(t, "pair", vaultv1.Generate_KIND_RSA_2048)
	got, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: pair})
	allowlisttest.Must(t, err)
	allowlisttest.KeySecret(t, k, "public", got.GetSecret().GetPublicKey().GetPem())
	for name, c := range map[string]struct {
		text, reason, field string
		code                codes.Code
	}{
		"a missing secret":          {strings.Replace(rawCipher, "secret:key", "secret:none", 1), "SECRET_NOT_FOUND", allowlisttest.SharedKeys + "[0].name", codes.NotFound},
		"another usage":             {strings.Replace(rawCipher, "secret:key", "secret:iv", 1), "USAGE_NOT_ALLOWED", allowlisttest.SharedKeys + "[0].name", codes.FailedPrecondition},
		"a malformed configuration": {"request { plain {} }", "INVALID_FIELD", "endpoint.encryption", codes.InvalidArgument},
		"an answer that cannot be decrypted": {
			`request { jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:public" decoding: DECODING_PEM } } }`,
			"KEY_NOT_USABLE", "endpoint.encryption.response", codes.FailedPrecondition,
		},
	} {
		_, err := checkDraft(t, k, allowlisttest.NameOf("-"), c.text)
		allowlisttest.WantError(t, "CheckKeys of "+name, err, c.code, c.reason)
		if v := servertest.Violations(err); len(v) != 1 || v[0].Field != c.field {
			t.Errorf("%s: the violations are %v, want %s", name, v, c.field)
		}
	}
	_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("-"), Endpoint: &allowlistv1.Endpoint{Url: "http://insecure.example"}})
	allowlisttest.WantError(t, "CheckKeys with a wrong URL", err, codes.InvalidArgument, "INVALID_FIELD")
	_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("-")})
	allowlisttest.WantError(t, "CheckKeys of nothing", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestTheKeysOfASavedEndpointMakeARoundTripThatStaysNowhere(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	k.Owner.Create(t, "bare", allowlisttest.Draft())
	bound, logged := len(k.Held(t, secret)), len(k.Owner.History(t, allowlisttest.NameOf("orders")))
	for range 12 { // more than the quota of trials
		got, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders")})
		allowlisttest.Must(t, err)
		if !got.GetFits() || !got.GetRoundTrip() || len(got.GetKeys()) != 1 || got.GetKeys()[0].GetField() != "request.cipher.shared_key.keys[0]" || got.GetKeys()[0].GetSecret() != secret {
			t.Fatalf("CheckKeys = %v", got)
		}
	}
	allowlisttest.Must(t, k.Allowlist.Flush(t.Context()))
	if now := len(k.Held(t, secret)); now != bound || len(k.Owner.History(t, allowlisttest.NameOf("orders"))) != logged || k.Stored(t, "trial") != 0 {
		t.Errorf("%d bindings after %d, or entries in the log, or quotas spent", now, bound)
	}
	if uses := k.Owner.Counts(t, "orders"); len(uses) != 0 || k.Version(t, secret+"/versions/1").GetUseCount() != 0 {
		t.Errorf("checks count as uses: %v", uses)
	}
	k.Disable(t, secret, 1)
	_, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "CheckKeys with a disabled version", err, codes.FailedPrecondition, "VERSION_DISABLED")
	_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("bare")})
	allowlisttest.WantError(t, "CheckKeys without encryption", err, codes.FailedPrecondition, "ENCRYPTION_NOT_CONFIGURED")
	k.VaultServer.Stop()
	_, err = k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.WantError(t, "CheckKeys without the vault", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}

// A version that is stored later may not fit, because no save checked it.
func TestALaterVersionThatDoesNotFitIsToldToOwnersOnly(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key", allowlisttest.KeyOf(1)...)
	k.Active(t, "orders", allowlisttest.Draft(secret))
	_, err := k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret: &vaultv1.Secret{Name: secret, Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: allowlisttest.KeyOf(2)[:16]}, WeakReason: "a test"}},
	})
	allowlisttest.Must(t, err)
	var refusal error
	allowlisttest.Eventually(t, func() bool {
		_, refusal = k.Sender.Encrypt(t.Context(), &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
		return refusal != nil
	}, "the new version is not used")
	allowlisttest.WantError(t, "Encrypt", refusal, codes.FailedPrecondition, "KEY_NOT_USABLE")
	if m := servertest.Metadata(refusal); m["cause"] != "" || m["secret"] != "" || m["field"] != "request.cipher.shared_key.keys[0]" {
		t.Errorf("the sender gets %v", m)
	}
	f := k.Owner.Get(t, "orders").GetRecentFailures()[0]
	if f.GetStage() != "key" || !strings.HasPrefix(f.GetCause(), "Read as RAW, the secret is not a key of 32 bytes.") || len(f.GetVersions()) != 1 || f.GetVersions()[0] != secret+"/versions/2" {
		t.Errorf("the owner sees %v", f)
	}
	_, err = k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello"), LiveKeys: true, Reason: "to see"})
	if m := servertest.Metadata(err); m["secret"] != secret || m["cause"] != f.GetCause() {
		t.Errorf("TestEncryption = %v with %v", err, m)
	}
	check, err := k.Owner.CheckKeys(t.Context(), &allowlistv1.CheckKeysRequest{Name: allowlisttest.NameOf("orders")})
	allowlisttest.Must(t, err)
	if fit := check.GetKeys()[0]; check.GetFits() || !strings.HasPrefix(fit.GetCause(), "Read as RAW, the secret is a key of 16 bytes, but 32 are needed.") {
		t.Errorf("CheckKeys = %v", check)
	}
}

func TestADiagnosisNamesKeysThatNothingCanUse(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	pair := k.Generated(t, "pair", vaultv1.Generate_KIND_RSA_2048)
	got, err := k.Secrets.GetSecret(t.Context(), &vaultv1.GetSecretRequest{Name: pair})
	allowlisttest.Must(t, err)
	allowlisttest.KeySecret(t, k, "public", got.GetSecret().GetPublicKey().GetPem())
	k.Configured(t, "orders", `request { jose { key_management: KEY_MANAGEMENT_RSA_OAEP_256 content_encryption: CONTENT_ENCRYPTION_A256GCM keys { name: "secret:public" decoding: DECODING_PEM } } } response { plain {} }`)
	answer, err := k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
		Name: allowlisttest.NameOf("orders"), Kind: allowlisttest.Request, Body: []byte("a.b.c.d.e"), Plaintext: []byte("known to all"), Reason: "does not open",
	})
	allowlisttest.Must(t, err)
	want := "The secret holds a public key, but the private key is needed."
	if keys := answer.GetUnusableKeys(); answer.GetFound() || answer.GetTried() != 0 || len(keys) != 1 || keys[0].GetCause() != want || keys[0].GetField() != "request.jose.keys[0]" || keys[0].GetSecret() != allowlisttest.Workspace+"/secrets/public" {
		t.Errorf("DiagnoseSample = %v", answer)
	}
	// A wrong decoding is a variant.
	allowlisttest.KeySecret(t, k, "key", hex.EncodeToString(allowlisttest.KeyOf(1)))
	k.Configured(t, "hex", hexCipher)
	answer, err = k.Owner.DiagnoseSample(t.Context(), &allowlistv1.DiagnoseSampleRequest{
		Name: allowlisttest.NameOf("hex"), Kind: allowlisttest.Request, Body: []byte("AAAA"), Plaintext: []byte("known to all"), Reason: "does not open",
	})
	allowlisttest.Must(t, err)
	if len(answer.GetUnusableKeys()) != 0 || answer.GetTried() == 0 {
		t.Errorf("DiagnoseSample with keys that can be used = %v", answer)
	}
}
