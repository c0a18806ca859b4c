package secret_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyward/keyward/pkg/server/servertest"
	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/vaulttest"
)

const apartKey = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92"

// bare returns a value without an acknowledgement.
func bare(value string) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: value}}
}

// fieldsOf fails the test unless err has violations, and returns their fields.
func fieldsOf(t *testing.T, what string, err error) []string {
	t.Helper()
	vaulttest.WantError(t, what, err, codes.InvalidArgument, commonv1.ErrorReason_ERROR_REASON_INVALID_FIELD)
	var fields []string
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	shown := fmt.Sprint(err, servertest.Violations(err))
	servertest.MustNotHold(t, what, shown, apartKey[:32])
	servertest.MustNotHold(t, what, shown, apartKey[32:])
	return fields
}

func TestNoTextBesideAValueHoldsIt(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	key, err := hex.DecodeString(apartKey)
	if err != nil {
		t.Fatal(err)
	}
	all := &vaultv1.CreateSecretRequest{
		Parent: vaulttest.Workspace, SecretId: "k-" + apartKey, Reason: "with " + base64.StdEncoding.EncodeToString(key), Secret: &vaultv1.Secret{
			Description: "is " + strings.ToUpper(apartKey[:32]), Labels: map[string]string{"a": apartKey[10:60]},
			Value: bare(apartKey), Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: []string{"a.example", apartKey[:40] + ".example"},
		},
	}
	all.Secret.Value.WeakReason = base64.RawURLEncoding.EncodeToString(key[3:20])
	want := []string{"secret_id", "secret.description", "secret.labels", "secret.allowed_hosts", "secret.value.weak_reason", "reason"}
	for what, value := range map[string]*vaultv1.SecretValue{
		"hexadecimal": bare(apartKey), "upper case": bare(strings.ToUpper(apartKey) + "\n"), "bytes": vaulttest.Data(key),
		"base64": bare(base64.StdEncoding.EncodeToString(key)), "a webhook key": bare("whsec_" + base64.RawStdEncoding.EncodeToString(key)),
	} {
		req := proto.CloneOf(all)
		value.WeakReason, req.Secret.Value = all.GetSecret().GetValue().GetWeakReason(), value
		_, err := k.Owner.CreateSecret(t.Context(), req)
		if got := fieldsOf(t, "CreateSecret of "+what, err); !slices.Equal(got, want) {
			t.Errorf("CreateSecret of %s: fields = %v, want %v", what, got, want)
		}
		for _, usage := range []vaultv1.Usage{vaultv1.Usage_USAGE_KEY, vaultv1.Usage_USAGE_PARAMETER} {
			_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
				Parent: vaulttest.Workspace, SecretId: "a", Secret: &vaultv1.Secret{Usage: usage, Value: value, Description: apartKey},
			})
			if got := fieldsOf(t, usage.String(), err); !slices.Contains(got, "secret.description") {
				t.Errorf("CreateSecret of a %v: fields = %v", usage, got)
			}
		}
	}

	// The check of an update includes the unchanged fields.
	k.Owner.Create(t, "key", &vaultv1.Secret{Description: "will be " + apartKey})
	k.Owner.Create(t, "id-"+apartKey, &vaultv1.Secret{})
	for what, tt := range map[string]struct {
		req  *vaultv1.UpdateSecretRequest
		want []string
	}{
		"an existing description": {&vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: bare(apartKey)}}, []string{"secret.description"}},
		"a new description and a reason": {
			&vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: bare(apartKey), Description: apartKey[5:30]}, Reason: apartKey},
			[]string{"secret.description", "reason"},
		},
		"the id": {&vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("id-" + apartKey), Value: vaulttest.Data(key)}}, []string{"secret.name"}},
	} {
		_, err := k.Owner.UpdateSecret(t.Context(), tt.req)
		if got := fieldsOf(t, what, err); !slices.Equal(got, tt.want) {
			t.Errorf("UpdateSecret with %s: fields = %v, want %v", what, got, tt.want)
		}
	}
	_, err = k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{
		Secret:     &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: bare(apartKey), Description: "the partner's"},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"value", "description"}},
	})
	if err != nil {
		t.Errorf("UpdateSecret with a better description = %v %v", err, servertest.Violations(err))
	}
	if got := k.Owner.Get(t, "key"); got.GetCurrentVersion() != 2 {
		t.Errorf("current version = %d, want 2", got.GetCurrentVersion())
	}
}

func TestThePublicPartOfAKeyMayDescribeIt(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	made := k.Owner.Create(t, "pair", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_EC_P256)})
	public := k.Owner.Get(t, "pair").GetPublicKey()
	k.Owner.Create(t, "public", &vaultv1.Secret{Value: bare(public.GetPem()), Description: public.GetPem() + public.GetFingerprint()})
	uid := k.Resolver.Bind(t, "pair", "e", "op").GetUid()
	private := k.Resolver.Resolve(t, "pair", uid, made.GetCurrentVersion())
	k.Owner.Create(t, "copy", &vaultv1.Secret{Value: bare(private), Description: public.GetPem()})
	block, _ := pem.Decode([]byte(private))
	shown, _ := pem.Decode([]byte(public.GetPem()))
	for what, encode := range map[string]func([]byte) string{"hex": hex.EncodeToString, "base64": base64.StdEncoding.EncodeToString} {
		k.Owner.Create(t, what, &vaultv1.Secret{Value: bare(encode(block.Bytes)), Description: encode(shown.Bytes) + " " + public.GetJwk()})
		for _, described := range []string{private, encode(block.Bytes), encode(block.Bytes[36:52])} {
			for _, value := range []string{private, encode(block.Bytes)} {
				_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
					Parent: vaulttest.Workspace, SecretId: "shown", Secret: &vaultv1.Secret{Value: bare(value), Description: described},
				})
				vaulttest.WantField(t, "a private key that describes itself in "+what, err, "secret.description")
			}
		}
	}
}

func TestWeakKeysAreAcknowledged(t *testing.T) {
	t.Parallel()
	k := vaulttest.New(t)
	for _, value := range []*vaultv1.SecretValue{bare("hunter2"), bare(strings.Repeat("00", 32)), {Source: &vaultv1.SecretValue_Data{Data: make([]byte, 32)}}} {
		_, err := k.Owner.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{Parent: vaulttest.Workspace, SecretId: "key", Secret: &vaultv1.Secret{Value: value}})
		vaulttest.WantError(t, "a weak key", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_WEAK_KEY)
		if v := servertest.Violations(err); len(v) != 1 || v[0].Field != "secret.value" {
			t.Errorf("violations = %v", v)
		}
	}
	passphrase := func(reason string) *vaultv1.SecretValue {
		v := bare("hunter2")
		v.WeakReason = reason
		return v
	}
	k.Owner.Create(t, "key", &vaultv1.Secret{Value: passphrase("the partner has no other")})
	if got := k.Owner.History(t, "key")[0].GetWeakReason(); got != "the partner has no other" {
		t.Errorf("the log has %q", got)
	}
	_, err := k.Owner.UpdateSecret(t.Context(), &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: bare("hunter3")}})
	vaulttest.WantError(t, "the next weak key", err, codes.FailedPrecondition, vaultv1.ErrorReason_ERROR_REASON_WEAK_KEY)
	strong := bare(apartKey)
	strong.WeakReason = "is not needed"
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: strong})
	k.Owner.Update(t, &vaultv1.Secret{Name: vaulttest.NameOf("key"), Value: passphrase("still")})
	var reasons []string
	for _, v := range k.Owner.Versions(t, "key") {
		reasons = append(reasons, v.GetWeakReason())
	}
	if want := []string{"still", "", "the partner has no other"}; !slices.Equal(reasons, want) {
		t.Errorf("versions have %q, want %q", reasons, want)
	}
	for _, usage := range []vaultv1.Usage{vaultv1.Usage_USAGE_PARAMETER, vaultv1.Usage_USAGE_CREDENTIAL} {
		s := &vaultv1.Secret{Usage: usage, Value: bare("hunter2")}
		if usage == vaultv1.Usage_USAGE_CREDENTIAL {
			s.AllowedHosts = []string{"a.example"}
		}
		k.Owner.Create(t, strings.ToLower(strings.TrimPrefix(usage.String(), "USAGE_")), s)
	}
	k.Owner.Create(t, "drawn", &vaultv1.Secret{Value: vaulttest.Generate(vaultv1.Generate_KIND_AES_128)})
}
