package allowlist_test

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// asked is an endpoint with a configuration, and with whatever flags its owner acknowledges.
func (k *kit) asked(t testing.TB, text string) *allowlistv1.Endpoint {
	t.Helper()
	e := draft()
	e.Encryption = encryptionOf(t, text)
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
			`request { cipher { algorithm: ALGORITHM_AES_256_CBC shared_key { keys { name: "secret:key" } derivation { pbkdf2 { iterations: 600000 } salt { sent_bytes: 16 } } } iv { source: SOURCE_DERIVED } } envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } } } } }`,
			`request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:key" } derivation { pbkdf2 { iterations: 600000 } salt { sent_bytes: 16 } } } iv { source: SOURCE_DERIVED } } envelope { blobs { key: "data" value { parts { slot: SLOT_SALT } parts { slot: SLOT_CIPHERTEXT } } } } }`,
		},
	} {
		for _, inUse := range []bool{false, true} {
			k := newKit(t)
			_, err := k.vaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: workspace, SecretId: "key", Secret: &vaultv1.Secret{
				Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: tt.kind}}},
			}})
			must(t, err)
			first, second := k.asked(t, tt.first), k.asked(t, tt.second)
			k.owner.create(t, "first", first)
			if inUse {
				k.activate(t, "first")
				k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("first"), Body: []byte("to be captured, 16 bytes and more")})
			}
			_, err = k.refusal(t, second)
			wantError(t, tt.name, err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
			if inUse {
				k.owner.delete(t, "first")
				k.settle(t, workspace+"/secrets/key", 0)
				_, err = k.refusal(t, second)
				wantError(t, tt.name+", once the first is gone", err, codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
			}
		}
	}
}

// An owner who points a configuration whose IV is the beginning of the key at a KEY would have
// its senders compute that.
func TestAKeyWhoseBeginningIsTheIVIsAnExposedOne(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.secret(t, "key", keyOf(1)[:16]...)
	prefix := k.asked(t, `request { cipher { algorithm: ALGORITHM_AES_128_CBC shared_key { keys { name: "secret:key" } } iv { source: SOURCE_KEY_PREFIX } } }`)
	_, err := k.refusal(t, prefix)
	wantError(t, "an IV from a KEY", err, codes.FailedPrecondition, "USAGE_NOT_ALLOWED")

	k.secretIn(t, workspace, "exposed", vaultv1.Usage_USAGE_EXPOSED_KEY, keyOf(2)[:16]...)
	prefix.Encryption.Request.GetCipher().GetSharedKey().GetKeys()[0].Name = workspace + "/secrets/exposed"
	k.active(t, "prefix", prefix)
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("prefix"), Body: []byte("hello")})
	opened, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("prefix"), Body: sent.GetBody()})
	if err != nil || string(opened.GetBody()) != "hello" {
		t.Errorf("Decrypt with an exposed key = %q, %v", opened.GetBody(), err)
	}
	_, err = k.refusal(t, draft(workspace+"/secrets/exposed"))
	wantError(t, "an exposed key as any other", err, codes.FailedPrecondition, "USAGE_NOT_ALLOWED")
}

// With one key on the endpoints of two partners, the sender of one opens what was captured of
// the other.
func TestAKeyServesTheEndpointsOfOneHost(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.active(t, "theirs", draft(secret))
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("theirs"), Body: []byte("hello")})
	other := draft(secret)
	other.Url = "https://attacker.example/v1"
	fields, err := k.refusal(t, other)
	wantError(t, "an endpoint of another host", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	if len(fields) != 1 || fields[0] != sharedKeys+"[0].name" {
		t.Errorf("fields = %v", fields)
	}
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("theirs"), Url: "https://attacker.example/v1"}, "url")
	wantError(t, "the endpoint, moved to another host", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	k.owner.create(t, "same-host", draft(secret))

	got, err := k.vaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	must(t, err)
	if !got.GetSecret().GetShared() {
		t.Error("a super admin does not share a key")
	}
	k.owner.create(t, "other", other)
	servertest.MustNotHold(t, "what members see", prototext.Format(k.member.get(t, "other")), secret)
}

// A mistake in a configuration burns no key: claims end with their bindings, and a purpose that
// was sealed by a first message can be replaced until one was opened.
func TestAMistakeBurnsNoKey(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.owner.create(t, "orders", draft(secret))
	corrected := draft(secret)
	corrected.Encryption.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_CHACHA20_POLY1305
	update := func() error {
		_, err := k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Encryption: corrected.GetEncryption()}, "encryption")
		return err
	}
	if err := update(); err != nil {
		t.Fatalf("a correction before the first message = %v", err)
	}
	k.activate(t, "orders")
	k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	corrected = draft(secret)
	wantError(t, "a correction after it", update(), codes.FailedPrecondition, "KEY_PURPOSE_FIXED")
	tested := k.owner.test(t, &allowlistv1.TestEncryptionRequest{Name: nameOf("-"), Encryption: corrected.GetEncryption(), Body: []byte("hello")})
	_, err := k.vaultSA.ReplaceSecretPurpose(t.Context(), &vaultv1.ReplaceSecretPurposeRequest{
		Name: secret, Chains: tested.GetKeyPurposes()[0].GetChains(), Reason: "the algorithm was another",
	})
	must(t, err)
	must(t, update())
	k.activate(t, "orders")
	sent := k.sender.encrypt(t, &allowlistv1.EncryptRequest{Name: nameOf("orders"), Body: []byte("hello")})
	if _, err := k.sender.Decrypt(t.Context(), &allowlistv1.DecryptRequest{Name: nameOf("orders"), Body: sent.GetBody()}); err != nil {
		t.Errorf("Decrypt after the correction = %v", err)
	}
}

// Nor do the senders of one endpoint open what was captured of another one, at the same host.
func TestAKeyServesEndpointsOfTheSameSenders(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.env.EndpointSender(t, "acme", "one")
	k.owner.create(t, "one", draft(secret))
	fields, err := k.refusal(t, draft(secret))
	wantError(t, "an endpoint of fewer senders", err, codes.FailedPrecondition, "KEY_NOT_SHARED")
	if len(fields) != 1 || fields[0] != sharedKeys+"[0].name" {
		t.Errorf("fields = %v", fields)
	}
	k.owner.delete(t, "one")
	k.owner.create(t, "two", draft(secret))
	k.owner.create(t, "three", draft(secret))
	one := func() error {
		_, err := k.owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "one", Endpoint: draft(secret)})
		return err
	}
	wantError(t, "an endpoint of more senders", one(), codes.FailedPrecondition, "KEY_NOT_SHARED")
	_, err = k.vaultSA.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secret, Shared: true}})
	must(t, err)
	must(t, one())
}
