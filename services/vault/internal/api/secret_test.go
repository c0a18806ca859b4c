package api_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

func TestSecretIsSeenWithoutItsValue(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	want := &vaultv1.Secret{
		Name: vaulttest.NameOf("api-key"), Description: "for the bank", Labels: map[string]string{"env": "prod"},
		Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"api.bank.example", "192.0.2.1"},
		MaskedValue: "••••••••", CurrentVersion: 1, LatestVersion: 1, State: vaultv1.VersionState_VERSION_STATE_ENABLED,
	}
	created := k.Owner.Create(t, "api-key", &vaultv1.Secret{
		Description: want.GetDescription(), Labels: want.GetLabels(), Usage: want.GetUsage(), AllowedHosts: want.GetAllowedHosts(),
		Value: vaulttest.Text("the value"),
		// Output-only fields are ignored.
		Name: vaulttest.NameOf("another"), Uid: "mine", CurrentVersion: 7, MaskedValue: "x", ReferenceCount: 9,
		State: vaultv1.VersionState_VERSION_STATE_DESTROYED, CreateTime: timestamppb.Now(),
	})
	own := protocmp.IgnoreFields(&vaultv1.Secret{}, "uid", "etag", "create_time", "update_time", "encrypted_value")
	if created.GetValueFacts().GetKind() != vaultv1.ValueFacts_KIND_TEXT {
		t.Errorf("the value was recognized as %v", created.GetValueFacts())
	}
	created.ValueFacts = nil // only in this response
	if diff := cmp.Diff(want, created, protocmp.Transform(), own); diff != "" {
		t.Errorf("created secret differs (-want +got):\n%s", diff)
	}
	if len(created.GetUid()) != 26 || created.GetEtag() == "" || !proto.Equal(created.GetCreateTime(), created.GetUpdateTime()) {
		t.Errorf("uid %q, etag %q, times %v and %v", created.GetUid(), created.GetEtag(), created.GetCreateTime(), created.GetUpdateTime())
	}
	got := k.Owner.Get(t, "api-key")
	sealed := got.GetEncryptedValue()
	if len(sealed.GetCiphertext()) < 12+32+16 || sealed.GetKeyId() == "" || sealed.GetAlgorithm() != "AES-256-GCM" {
		t.Errorf("encrypted representation: %d bytes, key %q, algorithm %q", len(sealed.GetCiphertext()), sealed.GetKeyId(), sealed.GetAlgorithm())
	}
	got.EncryptedValue = nil
	if diff := cmp.Diff(created, got, protocmp.Transform()); diff != "" {
		t.Errorf("GetSecret differs from what CreateSecret returned (-created +got):\n%s", diff)
	}
	listed, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*vaultv1.Secret{created}, listed.GetSecrets(), protocmp.Transform()); diff != "" {
		t.Errorf("ListSecrets differs (-created +listed):\n%s", diff)
	}
}

func TestEncryptedRepresentationShowsNoLength(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	size := func(id, value string) int {
		k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Text(value)})
		return len(k.Owner.Get(t, id).GetEncryptedValue().GetCiphertext())
	}
	if short, long := size("short", "x"), size("long", strings.Repeat("x", 28)); short != long {
		t.Errorf("values of 1 and 28 bytes are sealed as %d and %d bytes", short, long)
	}
}

func TestCreateRefusesMalformedRequests(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "taken", &vaultv1.Secret{})
	value := vaulttest.Text("v")
	credential := func(hosts ...string) *vaultv1.Secret {
		return &vaultv1.Secret{Value: value, Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts}
	}
	tests := []struct {
		name, id string
		secret   *vaultv1.Secret
		field    string
	}{
		{"an ID with a slash", "a/b", &vaultv1.Secret{Value: value}, "secret_id"},
		{"the wildcard as an ID", "-", &vaultv1.Secret{Value: value}, "secret_id"},
		{"no id", "", &vaultv1.Secret{Value: value}, "secret_id"},
		{"no secret", "a", nil, "secret"},
		{"no value", "a", &vaultv1.Secret{}, "secret.value"},
		{"a value without a source", "a", &vaultv1.Secret{Value: &vaultv1.SecretValue{}}, "secret.value.source"},
		{"empty text", "a", &vaultv1.Secret{Value: vaulttest.Text("")}, "secret.value.text"},
		{"a value that is too long", "a", &vaultv1.Secret{Value: vaulttest.Text(strings.Repeat("v", 64<<10+1))}, "secret.value.text"},
		{"no bytes", "a", &vaultv1.Secret{Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{}}}, "secret.value.data"},
		{"an unnamed kind", "a", &vaultv1.Secret{Value: vaulttest.Generate(0)}, "secret.value.generate.kind"},
		{"an unknown kind", "a", &vaultv1.Secret{Value: vaulttest.Generate(99)}, "secret.value.generate.kind"},
		{"an unknown usage", "a", &vaultv1.Secret{Value: value, Usage: 99}, "secret.usage"},
		{"a long description", "a", &vaultv1.Secret{Value: value, Description: strings.Repeat("d", 1025)}, "secret.description"},
		{"a credential without hosts", "a", credential(), "secret.allowed_hosts"},
		{"a key with hosts", "a", &vaultv1.Secret{Value: value, AllowedHosts: []string{"a.example"}}, "secret.allowed_hosts"},
		{"a port with a leading zero", "a", credential("a.example", "b.example:0443"), "secret.allowed_hosts[1]"},
		{"a host twice, once with the default port", "a", credential("a.example", "a.example:443"), "secret.allowed_hosts[1]"},
		{"a port twice", "a", credential("a.example:8443", "a.example", "a.example:8443"), "secret.allowed_hosts[2]"},
		{"a host in upper case", "a", credential("A.example"), "secret.allowed_hosts[0]"},
		{"a host twice", "a", credential("a.example", "a.example"), "secret.allowed_hosts[1]"},
	}
	for _, tt := range tests {
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: tt.id, Secret: tt.secret})
		vaulttest.WantField(t, tt.name, err, tt.field)
	}
	_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "taken", Secret: &vaultv1.Secret{Value: value}})
	vaulttest.WantError(t, "CreateSecret with a taken name", err, codes.AlreadyExists, vaultv1.ErrorReason_ERROR_REASON_SECRET_EXISTS)
	if got := len(k.Owner.History(t, "-")); got != 1 {
		t.Errorf("refused creations left %d entries in the log, want only that of the existing secret", got)
	}
}

func TestValueOf64KiBIsStored(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	big := bytes.Repeat([]byte{0, 0xff, 0x80}, 64<<10/3+1)[:64<<10]
	value := &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: big}}
	created := k.Owner.Create(t, "big", &vaultv1.Secret{Value: value})
	k.Resolver.Bind(t, "big", "e", "op")
	if got := k.Resolver.Resolve(t, "big", created.GetUid(), 0); got != string(big) {
		t.Errorf("the value is returned as %d other bytes", len(got))
	}
}

func TestGeneratedValueIsNeverShown(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	lengths := map[vaultv1.Generate_Kind]int{
		vaultv1.Generate_KIND_AES_128: 16, vaultv1.Generate_KIND_AES_192: 24, vaultv1.Generate_KIND_AES_256: 32,
		vaultv1.Generate_KIND_HMAC_SHA256: 32, vaultv1.Generate_KIND_HMAC_SHA512: 64, vaultv1.Generate_KIND_PASSWORD: 32,
	}
	seen := make(map[string]bool)
	for kind, length := range lengths {
		id := "drawn-" + kind.String()
		created := k.Owner.Create(t, id, &vaultv1.Secret{Value: vaulttest.Generate(kind)})
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf(id), Value: vaulttest.Generate(kind)})
		purpose := vaulttest.Chain
		if strings.Contains(id, "AES") {
			purpose = vaulttest.GCM // the purpose of such a key
		}
		if _, err := k.Resolver.BindFor(t, id, "e", "op", "a.example", purpose); err != nil {
			t.Fatal(err)
		}
		for version := range uint32(2) {
			resolved, err := k.Resolver.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
				Name: vaulttest.NameOf(id), Uid: created.GetUid(), Version: version + 1, Purpose: vaulttest.PurposeOf(purpose),
			})
			if err != nil {
				t.Fatal(err)
			}
			drawn := string(resolved.GetValue())
			if len(drawn) != length || seen[drawn] {
				t.Errorf("%v: a value of %d bytes, generated before: %v", kind, len(drawn), seen[drawn])
			}
			seen[drawn] = true
			got := k.Owner.Get(t, id)
			for _, m := range []proto.Message{created, got} {
				wire, err := proto.Marshal(m)
				if err != nil || bytes.Contains(wire, []byte(drawn)) {
					t.Errorf("%v: the value is in a secret shown to a person, %v", kind, err)
				}
			}
		}
	}
}

func TestSameValueStoredAgainIsANewVersion(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("same")})
	for range 4 {
		k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: vaulttest.Text("same")})
	}
	var all []*vaultv1.SecretVersion
	req := &vaultv1.ListSecretVersionsRequest{Parent: vaulttest.NameOf("key"), PageSize: 2}
	for {
		res, err := k.Owner.ListSecretVersions(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, res.GetVersions()...)
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	var want []*vaultv1.SecretVersion
	for n := uint32(5); n > 0; n-- {
		want = append(want, &vaultv1.SecretVersion{
			Name: vaulttest.NameOf("key") + "/versions/" + string(rune('0'+n)), Version: n, Current: n == 5,
			State: vaultv1.VersionState_VERSION_STATE_ENABLED, KeyId: all[0].GetKeyId(),
		})
	}
	if diff := cmp.Diff(want, all, protocmp.Transform(), protocmp.IgnoreFields(&vaultv1.SecretVersion{}, "create_time", "weak_reason")); diff != "" {
		t.Errorf("versions differ (-want +got):\n%s", diff)
	}
	_, err := k.Owner.ListSecretVersions(t.Context(), &vaultv1.ListSecretVersionsRequest{Parent: vaulttest.NameOf("absent")})
	vaulttest.WantError(t, "ListSecretVersions of a missing secret", err, codes.NotFound, commonv1.ErrorReason_ERROR_REASON_SECRET_NOT_FOUND)
}

func TestSecretsSurviveARestart(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	created := k.Owner.Create(t, "key", &vaultv1.Secret{Value: vaulttest.Text("kept")})
	k.Resolver.Bind(t, "key", "e", "op")
	before := k.Owner.Get(t, "key")
	k.Running.Stop()
	k.Start(t)
	if diff := cmp.Diff(before, k.Owner.Get(t, "key"), protocmp.Transform()); diff != "" {
		t.Errorf("the secret differs after a restart (-before +after):\n%s", diff)
	}
	if got := k.Resolver.Resolve(t, "key", created.GetUid(), 1); got != "kept" {
		t.Error("the value differs after a restart")
	}
	res, err := k.Owner.ListSecrets(t.Context(), &vaultv1.ListSecretsRequest{Parent: vaulttest.Workspace, Query: "EY"})
	if err != nil || len(res.GetSecrets()) != 1 {
		t.Errorf("search after a restart finds %v, %v", res.GetSecrets(), err)
	}
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Description: "after"})
	if got := k.Owner.History(t, "key"); got[0].GetSequence() != 2 {
		t.Errorf("the log continues at %d, want 2", got[0].GetSequence())
	}
}
