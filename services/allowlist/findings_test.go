package allowlist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const sharedKeys = "endpoint.encryption.request.cipher.shared_key.keys"

// bare takes the acknowledgements from an encryption.
func bare(e *allowlistv1.Encryption) *allowlistv1.Encryption {
	e.GetRequest().AllowLegacy = nil
	return e
}

func TestASaveIsAnsweredWithAllThatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good, short, token := k.secret(t, "good"), k.secret(t, "short", keyOf(1)[:16]...), k.credential(t, "token", "sesame", partner)
	iv := k.secretIn(t, workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, keyOf(1)[:16]...)
	none := workspace + "/secrets/none"
	expired := k.unauthenticated(short)
	expired.GetRequest().GetAllowLegacy()[0].ExpireTime = timestamppb.New(k.clock.now())
	header := func(e *allowlistv1.Encryption, secret string) *allowlistv1.Endpoint {
		d := draft()
		d.Encryption, d.Headers = e, []*allowlistv1.Parameter{referring("X-Token", secret)}
		return d
	}
	malformed := header(bare(k.unauthenticated(short)), none)
	malformed.Methods, malformed.Encryption.RotationGrace = nil, durationpb.New(-1)
	moved := header(encrypted(none), token)
	moved.Url = "sesame-canary"
	for _, tt := range []struct {
		name   string
		e      *allowlistv1.Endpoint
		code   codes.Code
		reason string
		flags  string
		fields []string
	}{
		{
			"nothing but an acknowledgement that is missing", header(bare(k.unauthenticated(good)), token),
			codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy"},
		},
		{
			"and a key that is not fit", header(bare(k.unauthenticated(short)), token),
			codes.FailedPrecondition, "KEY_NOT_USABLE", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy", sharedKeys + "[0]"},
		},
		{
			"and a secret that is not there", header(bare(k.unauthenticated(short)), none),
			codes.NotFound, "SECRET_NOT_FOUND", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy", "endpoint.headers[0].secret.name", sharedKeys + "[0]"},
		},
		{
			"and malformed fields", malformed, codes.InvalidArgument, "INVALID_FIELD", "UNAUTHENTICATED_CBC",
			[]string{
				"endpoint.methods", "endpoint.encryption.rotation_grace", "endpoint.encryption.request.allow_legacy",
				"endpoint.headers[0].secret.name", sharedKeys + "[0]",
			},
		},
		{
			"an acknowledgement that has expired and a key", header(expired, "sesame-canary"),
			codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED", "",
			[]string{"endpoint.headers[0].secret.name", "endpoint.encryption.request.allow_legacy[0].expire_time", sharedKeys + "[0]"},
		},
		{
			"several secrets, one of them twice", header(encrypted(none, good, iv, none), iv), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", "",
			[]string{"endpoint.headers[0].secret.name", sharedKeys + "[2].name", sharedKeys + "[0].name", sharedKeys + "[3].name"},
		},
		{
			"credentials of nobody knows which host", moved, codes.InvalidArgument, "INVALID_FIELD", "",
			[]string{"endpoint.url", sharedKeys + "[0].name"},
		},
	} {
		fields, err := k.refusal(t, tt.e)
		wantError(t, tt.name, err, tt.code, tt.reason)
		slices.Sort(fields)
		slices.Sort(tt.fields)
		if got := servertest.Metadata(err)["flags"]; got != tt.flags || !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: flags = %q, fields = %v, want %q, %v", tt.name, got, fields, tt.flags, tt.fields)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	for _, secret := range []string{good, short, token, iv} {
		k.settle(t, secret, 0)
	}
}

func TestAPresetIsAnsweredWithAllThatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	pair := k.generated(t, "pair", vaultv1.Generate_KIND_RSA_2048)
	use := &allowlistv1.PresetUse{
		Id: "bank_field_level", Settings: map[string]string{"fields": "sesame canary"},
		Secrets: map[string]*allowlistv1.SecretRef{
			"bank_public_key": {Name: k.secret(t, "key")}, "client_private_key": {Name: workspace + "/secrets/none"},
		},
	}
	fields, err := k.refusal(t, withPreset(use))
	wantError(t, "a preset with mistakes of all kinds", err, codes.InvalidArgument, "INVALID_FIELD")
	const preset = "endpoint.encryption.preset."
	want := []string{
		preset + `settings["fields"]`, preset + "legacy_reason", preset + "legacy_reason",
		preset + `secrets["client_private_key"].name`, preset + `secrets["bank_public_key"]`,
	}
	if !slices.Equal(fields, want) || servertest.Metadata(err)["flags"] != "RSA_PKCS1V15_ENCRYPTION, UNAUTHENTICATED_CBC" {
		t.Errorf("fields = %v with %v, want %v", fields, servertest.Metadata(err), want)
	}
	use.Settings["fields"] = "$.a"
	use.Secrets["bank_public_key"].Name, use.Secrets["client_private_key"].Name = pair, pair
	fields, err = k.refusal(t, withPreset(use))
	wantError(t, "a preset of unsafe choices", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if want := []string{preset + "legacy_reason", preset + "legacy_reason"}; !slices.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	use.LegacyReason, use.LegacyExpireTime = "the bank's specification", timestamppb.New(k.clock.now().AddDate(1, 0, 0))
	k.owner.create(t, "bank", withPreset(use))
	k.settle(t, pair, 1)
}

func TestARefusedSaveChangesNothing(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	good, other, token := k.secret(t, "good"), k.secret(t, "other"), k.credential(t, "token", "sesame", partner)
	created := k.owner.create(t, "orders", equipped(good, token))
	_, err := k.owner.update(t, &allowlistv1.Endpoint{
		Name: nameOf("orders"), Url: "https://elsewhere.example/", Encryption: bare(k.unauthenticated(other)),
	})
	wantError(t, "an update with mistakes", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	var fields []string
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	if want := []string{"endpoint.encryption.request.allow_legacy", "endpoint.url"}; !slices.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	// A field that refers to nothing is enough.
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("orders"), Description: "new", ContentType: "ä"})
	wantError(t, "an update of a malformed field", err, codes.InvalidArgument, "INVALID_FIELD")
	if got := k.owner.get(t, "orders"); got.GetEtag() != created.GetEtag() || len(k.owner.history(t, nameOf("orders"))) != 1 {
		t.Errorf("refused saves made %v", got)
	}
	for secret, bindings := range map[string]int{good: 1, other: 0, token: 1} {
		k.settle(t, secret, bindings)
	}
	// What is malformed goes before what is known of the name, as it does for strangers.
	_, err = k.owner.update(t, &allowlistv1.Endpoint{Name: nameOf("none"), ContentType: "ä"})
	wantError(t, "an update of what is not there", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestMistakesAreToldWhileTheVaultIsAway(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	secret := k.secret(t, "key")
	k.vaultServer.Stop()
	fields, err := k.refusal(t, func() *allowlistv1.Endpoint {
		e := draft()
		e.Encryption = bare(k.unauthenticated(secret))
		return e
	}())
	wantError(t, "a mistake", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if !slices.Equal(fields, []string{"endpoint.encryption.request.allow_legacy"}) {
		t.Errorf("fields = %v", fields)
	}
	_, err = k.refusal(t, draft(secret))
	wantError(t, "no mistake", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}

func TestARepeatedRequestIsAnsweredAlthoughItHasMistakesByNow(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	e := draft()
	e.Encryption = k.unauthenticated(k.secret(t, "key"))
	req := &allowlistv1.CreateEndpointRequest{Parent: workspace, EndpointId: "orders", Endpoint: e, RequestId: "r1"}
	e.Encryption.Request.AllowLegacy[0].ExpireTime = timestamppb.New(k.clock.now().Add(20 * pace * 50))
	created, err := k.owner.CreateEndpoint(t.Context(), req)
	must(t, err)
	k.clock.advance(20 * pace * 50)
	again, err := k.owner.CreateEndpoint(t.Context(), req)
	must(t, err)
	if again.GetEndpoint().GetUid() != created.GetEndpoint().GetUid() {
		t.Errorf("CreateEndpoint again = %v", again)
	}
}

func TestAnEndpointRefersToSoManySecretsOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	with := func(secrets int) *allowlistv1.Endpoint {
		e := draft()
		for i := range secrets {
			list := &e.Headers
			if i >= 32 {
				list = &e.QueryParameters
			}
			*list = append(*list, referring(fmt.Sprint("p", i), workspace+"/secrets/s"+fmt.Sprint(i)))
		}
		return e
	}
	for i := range 48 {
		k.credential(t, fmt.Sprint("s", i), "sesame", partner)
	}
	fields, err := k.refusal(t, with(49))
	wantError(t, "49 secrets", err, codes.InvalidArgument, "INVALID_FIELD")
	if !slices.Equal(fields, []string{"endpoint"}) || !strings.Contains(servertest.Violations(err)[0].Description, "48") {
		t.Errorf("49 secrets: %v", servertest.Violations(err))
	}
	k.owner.create(t, "orders", with(48))
	k.owner.delete(t, "orders")
	k.settle(t, workspace+"/secrets/s0", 0)
}

func TestAnEndpointNamesSoManyVersionsOfASecretOnly(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.credential(t, "token", "sesame", partner)
	e := draft()
	for version := range uint32(17) {
		value := referring(fmt.Sprint("p", version), workspace+"/secrets/token")
		value.GetSecret().Version = version + 1
		e.Headers = append(e.Headers, value)
	}
	fields, err := k.refusal(t, e)
	wantError(t, "17 versions", err, codes.InvalidArgument, "INVALID_FIELD")
	if !slices.Equal(fields, []string{"endpoint"}) || !strings.Contains(servertest.Violations(err)[0].Description, "16 versions") {
		t.Errorf("17 versions: %v", servertest.Violations(err))
	}
}
