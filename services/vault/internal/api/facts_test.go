package api_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/testing/protocmp"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestFactsHaveOnlyUsualLengthsOfBinaryKeys(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
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
		{"16 bytes", key, vaulttest.Data(key32[:16]), 16, binary},
		{"32 bytes", key, vaulttest.Data(key32), 32, binary},
		{"17 bytes", key, vaulttest.Data(key32[:17]), 0, binary},
		{"32 characters", key, vaulttest.Text(strings.Repeat("k", 32)), 0, characters},
		{"a generated key for AES-192", key, vaulttest.Generate(vaultv1.Generate_KIND_AES_192), 24, binary},
		{"a generated key for HMAC-SHA512", key, vaulttest.Generate(vaultv1.Generate_KIND_HMAC_SHA512), 64, binary},
		{"a generated password of 32 characters", key, vaulttest.Generate(vaultv1.Generate_KIND_PASSWORD), 0, characters},
		{"a parameter of 16 bytes", parameter, vaulttest.Data(key32[:16]), 0, 0},
		{"a credential of 32 bytes", credential, vaulttest.Data(key32), 0, 0},
	}
	for i, tt := range tests {
		secret, host, id := &vaultv1.Secret{Usage: tt.usage, Value: tt.value}, "", string(rune('a'+i))
		if tt.usage == credential {
			host = "a.example"
			secret.AllowedHosts = []string{host}
		}
		k.Owner.Create(t, id, secret)
		purpose := vaulttest.Chain
		if tt.value.GetGenerate().GetKind() == vaultv1.Generate_KIND_AES_192 {
			purpose = vaulttest.GCM // the purpose of such a key
		}
		got := k.Resolver.Facts(t, id, tt.usage, host, 0, purpose)
		var want *vaultv1.KeyFacts
		if tt.usage == key {
			want = &vaultv1.KeyFacts{Bytes: tt.bytes, Kind: tt.kind}
		}
		if !cmp.Equal(want, got, protocmp.Transform()) {
			t.Errorf("the facts of %s are %v, want %v", tt.name, got, want)
		}
	}
}

func TestFactsOfAnAsymmetricKeySayWhetherItIsPrivate(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "private", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256)})
	shown := k.Owner.Get(t, "private").GetPublicKey()
	want := &vaultv1.KeyFacts{Kind: vaultv1.ValueFacts_KIND_PRIVATE_KEY, Algorithm: "EC-P256", PrivateKey: true, Fingerprint: shown.GetFingerprint()}
	got := k.Resolver.Facts(t, "private", vaultv1.Usage_USAGE_KEY, "", 0)
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("facts of the private key differ (-want +got):\n%s", diff)
	}
	want.PrivateKey, want.Kind = false, vaultv1.ValueFacts_KIND_PUBLIC_KEY
	for id, value := range map[string]*vaultv1.SecretValue{"text": vaulttest.Text(shown.GetPem()), "data": vaulttest.Data([]byte(shown.GetPem()))} {
		k.Owner.Create(t, id, &vaultv1.Secret{Value: value})
		got := k.Resolver.Facts(t, id, vaultv1.Usage_USAGE_KEY, "", 0)
		if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
			t.Errorf("facts of the public key stored as %s differ (-want +got):\n%s", id, diff)
		}
	}
}

func TestFactsAreOfTheVersionThatIsMeant(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_128)})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_256)})
	for range 2 {
		for version, want := range []uint32{32, 16, 32} { // all under one operation
			if got := k.Resolver.Facts(t, "key", vaultv1.Usage_USAGE_KEY, "", uint32(version), vaulttest.GCM).GetBytes(); got != want {
				t.Errorf("facts of version %d: %d bytes, want %d", version, got, want)
			}
		}
	}
	if got := len(k.Owner.History(t, "key")); got != 2+3 {
		t.Errorf("the log has %d entries, want one for each requested version: 5", got)
	}
	k.Running.Stop()
	k.Start(t)
	if got := k.Resolver.Facts(t, "key", vaultv1.Usage_USAGE_KEY, "", 1, vaulttest.GCM).GetBytes(); got != 16 {
		t.Errorf("after a restart: %d bytes, want 16", got)
	}
}

func TestVersionThatDoesNotExistCannotBeBound(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{})
	req := vaulttest.BindRequest("key", "e", "op")
	req.Version = 2
	_, err := k.Resolver.BindSecret(t.Context(), req)
	vaulttest.WantError(t, "BindSecret of a future version", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_VERSION_NOT_FOUND)
	if got := k.Owner.Get(t, "key").GetReferenceCount(); got != 0 {
		t.Errorf("the refusal left %d referrers", got)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("second")})
	if _, err := k.Resolver.BindSecret(t.Context(), req); err != nil {
		t.Errorf("BindSecret of the version after it is added = %v", err)
	}
}
