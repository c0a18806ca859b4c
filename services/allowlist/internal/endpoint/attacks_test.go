package endpoint_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// asked returns an endpoint with a configuration, and with the flags that its owner acknowledges.
func asked(t testing.TB, k *allowlisttest.Kit, text string) *allowlistv1.Endpoint {
	t.Helper()
	e := allowlisttest.Draft()
	e.Encryption = allowlisttest.EncryptionOf(t, text)
	return e
}

// Each of these second endpoints would be an oracle for the first, whose messages its owner
// has captured. The bindings are refused whether the first is only saved or in use.
func TestASecondEndpointIsNoOracleForTheFirst(t *testing.T) {
	t.Parallel()
	const (
		salted  = `envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } }`
		hmac    = `request { signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys { name: "secret:key" } input: "${body}" headers { key: "X-S" value: "${signature}" } } }`
		gcm     = `request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } } } }`
		wrapped = `request { cipher { algorithm: ALGORITHM_AES_256_GCM session_key { rsa_oaep {} keys { name: "secret:key" } } } envelope { blobs { key: "data" value { parts { slot: SLOT_WRAPPED_KEY } parts { slot: SLOT_IV } parts { slot: SLOT_CIPHERTEXT } parts { slot: SLOT_TAG } } } } }`
	)
	for _, tt := range []struct {
		name          string
		kind          vaultv1.Generate_Kind
		first, second string
	}{
		{
			"signatures on demand compute what scrypt derives", vaultv1.Generate_KIND_PASSWORD,
			`request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } derivation { scrypt { n: 16384 } salt { sent_bytes: 16 } } } } ` + salted + ` }`,
			hmac,
		},
		{
			"and PBKDF2", vaultv1.Generate_KIND_PASSWORD,
			`request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } derivation { pbkdf2 { iterations: 1000 } salt { sent_bytes: 16 } } } } ` + salted + ` }`,
			hmac,
		},
		{
			"bare CBC enciphers the counter blocks of GCM", vaultv1.Generate_KIND_AES_256,
			gcm,
			`request { cipher { algorithm: ALGORITHM_AES_256_CBC padding: PADDING_NONE shared_key { keys { name: "secret:key" } } iv { source: SOURCE_ZERO } } }`,
		},
		{
			"CTR with a chosen IV does", vaultv1.Generate_KIND_AES_256,
			gcm,
			`request { cipher { algorithm: ALGORITHM_AES_256_CTR shared_key { keys { name: "secret:key" } } } }`,
		},
		{
			"RSA over the bytes themselves opens session keys", vaultv1.Generate_KIND_RSA_2048,
			wrapped,
			`request { rsa_direct { oaep {} keys { name: "secret:key" } } }`,
		},
		{
			"a signature pads what PKCS #1 v1.5 opens", vaultv1.Generate_KIND_RSA_2048,
			`request { rsa_direct { pkcs1_v15 {} keys { name: "secret:key" } } }`,
			`request { signing { asymmetric { algorithm: ALGORITHM_RSA_PKCS1V15_SHA256 } keys { name: "secret:key" } headers { key: "X-S" value: "${signature}" } } }`,
		},
		{
			"a digest is the key that another derives", vaultv1.Generate_KIND_PASSWORD,
			`request { cipher { algorithm: ALGORITHM_AES_256_GCM shared_key { keys { name: "secret:key" } derivation { digest { hash: HASH_SHA256 } } } } }`,
			`request { signing { secret_digest { hash: HASH_SHA256 } keys { name: "secret:key" } input: "${secret}" headers { key: "X-S" value: "${signature}" } } }`,
		},
		{
			"a shorter derivation shows as its IV what is the end of a longer one", vaultv1.Generate_KIND_PASSWORD,
			`request { cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:key" } derivation { pbkdf2 { iterations: 1000 } salt { sent_bytes: 16 } } } iv { source: SOURCE_DERIVED } } envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } } } } }`,
			`request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:key" } derivation { pbkdf2 { iterations: 1000 } salt { sent_bytes: 16 } } } iv { source: SOURCE_DERIVED } } envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } } } } }`,
		},
	} {
		for _, inUse := range []bool{false, true} {
			k := allowlisttest.New(t)
			_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: allowlisttest.Workspace, SecretId: "key", Secret: &vaultv1.Secret{
				Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: tt.kind}}},
			}})
			allowlisttest.Must(t, err)
			first, second := asked(t, k, tt.first), asked(t, k, tt.second)
			k.Owner.Create(t, "first", first)
			if inUse {
				k.Activate(t, "first")
				k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("first"), Body: []byte("to be captured, 16 bytes and more")})
			}
			_, err = k.Refusal(t, second)
			allowlisttest.WantError(t, tt.name, err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
			if inUse {
				k.Owner.Delete(t, "first")
				k.Settle(t, allowlisttest.Workspace+"/secrets/key", 0)
				_, err = k.Refusal(t, second)
				allowlisttest.WantError(t, tt.name+", once the first is gone", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
			}
		}
	}
}

// If a configuration whose IV is the beginning of the key could refer to a KEY, the senders of the
// endpoint could compute that beginning.
func TestAKeyWhoseBeginningIsTheIVIsAnExposedOne(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Secret(t, "key", allowlisttest.KeyOf(1)[:16]...)
	prefix := asked(t, k, `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:key" } } iv { source: SOURCE_KEY_PREFIX } } }`)
	_, err := k.Refusal(t, prefix)
	allowlisttest.WantError(t, "an IV from a KEY", err, codes.FailedPrecondition, "USAGE_NOT_ALLOWED")

	k.SecretIn(t, allowlisttest.Workspace, "exposed", vaultv1.Usage_USAGE_EXPOSED_KEY, allowlisttest.KeyOf(2)[:16]...)
	prefix.Encryption.Request.GetCipher().GetSharedKey().GetKeys()[0].Name = allowlisttest.Workspace + "/secrets/exposed"
	k.Active(t, "prefix", prefix)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("prefix"), Body: []byte("hello")})
	opened, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("prefix"), Body: sent.GetBody()})
	if err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt with an exposed key = %q, %v", opened.GetBody(), err)
	}
	_, err = k.Refusal(t, allowlisttest.Draft(allowlisttest.Workspace+"/secrets/exposed"))
	allowlisttest.WantError(t, "an exposed key as any other", err, codes.FailedPrecondition, "USAGE_NOT_ALLOWED")
}

// If the endpoints of two partners had one key, the senders of one could decrypt captured messages
// of the other.
func TestAKeyServesTheEndpointsOfOneHost(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Active(t, "theirs", allowlisttest.Draft(secret))
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("theirs"), Body: []byte("hello")})
	other := allowlisttest.Draft(secret)
	other.Url = "https://attacker.example/v1"
	fields, err := k.Refusal(t, other)
	allowlisttest.WantError(t, "an endpoint of another host", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	if len(fields) != 1 || fields[0] != allowlisttest.SharedKeys+"[0].name" {
		t.Errorf("fields = %v", fields)
	}
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("theirs"), Url: "https://attacker.example/v1"}, "url")
	allowlisttest.WantError(t, "the endpoint, moved to another host", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	k.Owner.Create(t, "same-host", allowlisttest.Draft(secret))

	got, err := k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	allowlisttest.Must(t, err)
	if !got.GetSecret().GetShared() {
		t.Error("a super admin does not share a key")
	}
	k.Owner.Create(t, "other", other)
	servertest.MustNotHold(t, "what members see", prototext.Format(k.Member.Get(t, "other")), secret)
}

// A mistake in a configuration does not make a key unusable: claims end with their bindings, and a
// purpose that was sealed by a first message can be replaced until a message was decrypted.
func TestAMistakeDoesNotMakeAKeyUnusable(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Owner.Create(t, "orders", allowlisttest.Draft(secret))
	corrected := allowlisttest.Draft(secret)
	corrected.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	update := func() error {
		_, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Encryption: corrected.GetEncryption()}, "encryption")
		return err
	}
	if err := update(); err != nil {
		t.Fatalf("a correction before the first message = %v", err)
	}
	k.Activate(t, "orders")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	corrected = allowlisttest.Draft(secret)
	allowlisttest.WantError(t, "a correction after it", update(), codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	tested := k.Owner.MustTest(t, &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("-"), Encryption: corrected.GetEncryption(), Body: []byte("hello")})
	_, err := k.VaultSA.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{
		Name: secret, Chains: tested.GetKeyPurposes()[0].GetChains(), Reason: "the algorithm was another",
	})
	allowlisttest.Must(t, err)
	allowlisttest.Must(t, update())
	k.Activate(t, "orders")
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte("hello")})
	if _, err := k.Sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: allowlisttest.NameOf("orders"), Body: sent.GetBody()}); err != nil {
		t.Errorf("Decrypt after the correction = %v", err)
	}
}

// Nor can the senders of one endpoint decrypt captured messages of another one at the same host.
func TestAKeyServesEndpointsOfTheSameSenders(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.Env.EndpointSender(t, "acme", "one")
	k.Owner.Create(t, "one", allowlisttest.Draft(secret))
	fields, err := k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "an endpoint of fewer senders", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	if len(fields) != 1 || fields[0] != allowlisttest.SharedKeys+"[0].name" {
		t.Errorf("fields = %v", fields)
	}
	k.Owner.Delete(t, "one")
	k.Owner.Create(t, "two", allowlisttest.Draft(secret))
	k.Owner.Create(t, "three", allowlisttest.Draft(secret))
	one := func() error {
		_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "one", Endpoint: allowlisttest.Draft(secret)})
		return err
	}
	allowlisttest.WantError(t, "an endpoint of more senders", one(), codes.FailedPrecondition, "KEY_NOT_SHARED")
	_, err = k.VaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	allowlisttest.Must(t, err)
	allowlisttest.Must(t, one())
}
