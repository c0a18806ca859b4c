package vault_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func data(value []byte) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test"}
}

// facts binds a version of a secret and returns what it is told of it.
func (c client) facts(t testing.TB, id string, usage vaultv1.Usage, host string, version uint32, chains ...string) *vaultv1.KeyFacts {
	t.Helper()
	req := bindRequest(id, "e", "op")
	req.Usage, req.Host, req.Version = usage, host, version
	if usage == vaultv1.Usage_USAGE_CREDENTIAL {
		req.Port = 443
	}
	if usage != vaultv1.Usage_USAGE_KEY {
		req.Chains = nil
	} else if len(chains) > 0 {
		req.Chains = chains
	}
	res, err := c.BindSecret(t.Context(), req)
	if err != nil {
		t.Fatalf("BindSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetFacts()
}

func TestLengthsAreToldOfBinaryKeysOfUsualLengthsAndOfNoText(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	const key, parameter, credential = vaultv1.Usage_USAGE_KEY, vaultv1.Usage_USAGE_PARAMETER, vaultv1.Usage_USAGE_CREDENTIAL
	const binary, characters = vaultv1.ValueFacts_KIND_BYTES, vaultv1.ValueFacts_KIND_TEXT
	key32 := bytes.Repeat([]byte{0xf5}, 32)
	tests := []struct {
		name  string
		usage vaultv1.Usage
		value *vaultv1.SecretValue
		bytes uint32
		kind  vaultv1.ValueFacts_Kind
	}{
		{"16 bytes", key, data(key32[:16]), 16, binary},
		{"32 bytes", key, data(key32), 32, binary},
		{"17 bytes", key, data(key32[:17]), 0, binary},
		{"32 characters", key, text(strings.Repeat("k", 32)), 0, characters},
		{"a drawn key for AES-192", key, generate(vaultv1.Generate_KIND_AES_192), 24, binary},
		{"a drawn key for HMAC-SHA512", key, generate(vaultv1.Generate_KIND_HMAC_SHA512), 64, binary},
		{"a drawn password of 32 characters", key, generate(vaultv1.Generate_KIND_PASSWORD), 0, characters},
		{"a parameter of 16 bytes", parameter, data(key32[:16]), 0, 0},
		{"a credential of 32 bytes", credential, data(key32), 0, 0},
	}
	for i, tt := range tests {
		secret, host, id := &vaultv1.Secret{Usage: tt.usage, Value: tt.value}, "", string(rune('a'+i))
		if tt.usage == credential {
			host = "a.example"
			secret.AllowedHosts = []string{host}
		}
		k.owner.create(t, id, secret)
		purpose := chain
		if tt.value.GetGenerate().GetKind() == vaultv1.Generate_KIND_AES_192 {
			purpose = gcm // which such a key is for
		}
		got := k.resolver.facts(t, id, tt.usage, host, 0, purpose)
		var want *vaultv1.KeyFacts
		if tt.usage == key {
			want = &vaultv1.KeyFacts{Bytes: tt.bytes, Kind: tt.kind}
		}
		if !cmp.Equal(want, got, protocmp.Transform()) {
			t.Errorf("of %s is told %v, want %v", tt.name, got, want)
		}
	}
}

func TestFactsOfAnAsymmetricKeySayWhetherItIsPrivate(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "private", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_EC_P256)})
	shown := k.owner.get(t, "private").GetPublicKey()
	want := &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Algorithm: "EC-P256", PrivateKey: true, Fingerprint: shown.GetFingerprint()}
	got := k.resolver.facts(t, "private", vaultv1.Usage_USAGE_KEY, "", 0)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("facts of the private key differ (-want +got):\n%s", diff)
	}
	want.PrivateKey, want.Kind = false, vaultv1.ValueFacts_KIND_PUBLIC_KEY
	for id, value := range map[string]*vaultv1.SecretValue{"text": text(shown.GetPem()), "data": data([]byte(shown.GetPem()))} {
		k.owner.create(t, id, &vaultv1.Secret{Value: value})
		got := k.resolver.facts(t, id, vaultv1.Usage_USAGE_KEY, "", 0)
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("facts of the public key stored as %s differ (-want +got):\n%s", id, diff)
		}
	}
}

func TestFactsAreOfTheVersionThatIsMeant(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{Value: generate(vaultv1.Generate_KIND_AES_128)})
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: generate(vaultv1.Generate_KIND_AES_256)})
	for range 2 {
		for version, want := range []uint32{32, 16, 32} { // all under one operation
			if got := k.resolver.facts(t, "key", vaultv1.Usage_USAGE_KEY, "", uint32(version), gcm).GetBytes(); got != want {
				t.Errorf("facts of version %d: %d bytes, want %d", version, got, want)
			}
		}
	}
	if got := len(k.owner.history(t, "key")); got != 2+3 {
		t.Errorf("the log has %d entries, want one for each version that is meant: 5", got)
	}
	k.running.Stop()
	k.start(t)
	if got := k.resolver.facts(t, "key", vaultv1.Usage_USAGE_KEY, "", 1, gcm).GetBytes(); got != 16 {
		t.Errorf("after a restart: %d bytes, want 16", got)
	}
}

func TestVersionThatDoesNotExistCannotBeBound(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.owner.create(t, "key", &vaultv1.Secret{})
	req := bindRequest("key", "e", "op")
	req.Version = 2
	_, err := k.resolver.BindSecret(t.Context(), req)
	wantError(t, "BindSecret of a version to come", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)
	if got := k.owner.get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("the refusal left %d referrers", got)
	}
	k.owner.update(t, &vaultv1.Secret{Name: nameOf("key"), Value: text("second")})
	if _, err := k.resolver.BindSecret(t.Context(), req); err != nil {
		t.Errorf("BindSecret of the version once it is there = %v", err)
	}
}
