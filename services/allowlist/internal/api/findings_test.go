package api_test

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
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// bare removes the acknowledgements from an encryption.
func bare(e *allowlistv1.Encryption) *allowlistv1.Encryption {
	e.GetRequest().AllowLegacy = nil
	return e
}

func TestASaveReportsAllViolations(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	good, short, token := k.Secret(t, "good"), k.Secret(t, "short", allowlisttest.KeyOf(1)[:16]...), k.Credential(t, "token", "sesame", allowlisttest.Partner)
	iv := k.SecretIn(t, allowlisttest.Workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, allowlisttest.KeyOf(1)[:16]...)
	none := allowlisttest.Workspace + "/secrets/none"
	expired := k.Unauthenticated(short)
	expired.GetRequest().GetAllowLegacy()[0].ExpireTime = timestamppb.New(k.Clock.Now())
	header := func(e *allowlistv1.Encryption, secret string) *allowlistv1.Endpoint {
		d := allowlisttest.Draft()
		d.Encryption, d.Headers = e, []*allowlistv1.Parameter{allowlisttest.Referring("X-Token", secret)}
		return d
	}
	malformed := header(bare(k.Unauthenticated(short)), none)
	malformed.Methods, malformed.Encryption.RotationGrace = nil, durationpb.New(-1)
	moved := header(allowlisttest.Encrypted(none), token)
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
			"only a missing acknowledgement", header(bare(k.Unauthenticated(good)), token),
			codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy"},
		},
		{
			"and an unsuitable key", header(bare(k.Unauthenticated(short)), token),
			codes.FailedPrecondition, "KEY_NOT_USABLE", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy", allowlisttest.SharedKeys + "[0]"},
		},
		{
			"and a secret that does not exist", header(bare(k.Unauthenticated(short)), none),
			codes.NotFound, "SECRET_NOT_FOUND", "UNAUTHENTICATED_CBC",
			[]string{"endpoint.encryption.request.allow_legacy", "endpoint.headers[0].secret.name", allowlisttest.SharedKeys + "[0]"},
		},
		{
			"and malformed fields", malformed, codes.InvalidArgument, "INVALID_FIELD", "UNAUTHENTICATED_CBC",
			[]string{
				"endpoint.methods", "endpoint.encryption.rotation_grace", "endpoint.encryption.request.allow_legacy",
				"endpoint.headers[0].secret.name", allowlisttest.SharedKeys + "[0]",
			},
		},
		{
			"an acknowledgement that has expired and a key", header(expired, "sesame-canary"),
			codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED", "",
			[]string{"endpoint.headers[0].secret.name", "endpoint.encryption.request.allow_legacy[0].expire_time", allowlisttest.SharedKeys + "[0]"},
		},
		{
			"several secrets, one of them twice", header(allowlisttest.Encrypted(none, good, iv, none), iv), codes.FailedPrecondition, "USAGE_NOT_ALLOWED", "",
			[]string{"endpoint.headers[0].secret.name", allowlisttest.SharedKeys + "[2].name", allowlisttest.SharedKeys + "[0].name", allowlisttest.SharedKeys + "[3].name"},
		},
		{
			"credentials of an unknown host", moved, codes.InvalidArgument, "INVALID_FIELD", "",
			[]string{"endpoint.url", allowlisttest.SharedKeys + "[0].name"},
		},
	} {
		fields, err := k.Refusal(t, tt.e)
		allowlisttest.WantError(t, tt.name, err, tt.code, tt.reason)
		slices.Sort(fields)
		slices.Sort(tt.fields)
		if got := servertest.Metadata(err)["flags"]; got != tt.flags || !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: flags = %q, fields = %v, want %q, %v", tt.name, got, fields, tt.flags, tt.fields)
		}
		servertest.MustNotHold(t, tt.name, fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err)), "sesame-canary")
	}
	for _, secret := range []string{good, short, token, iv} {
		k.Settle(t, secret, 0)
	}
}

func TestAPresetReportsAllViolations(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	pair := k.Generated(t, "pair", vaultv1.Generate_KIND_RSA_2048)
	use := &allowlistv1.PresetUse{
		Id: "bank_field_level", Settings: map[string]string{"fields": "sesame canary"},
		Secrets: map[string]*allowlistv1.SecretRef{
			"bank_public_key": {Name: k.Secret(t, "key")}, "client_private_key": {Name: allowlisttest.Workspace + "/secrets/none"},
		},
	}
	fields, err := k.Refusal(t, allowlisttest.WithPreset(use))
	allowlisttest.WantError(t, "a preset with mistakes of all kinds", err, codes.InvalidArgument, "INVALID_FIELD")
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
	fields, err = k.Refusal(t, allowlisttest.WithPreset(use))
	allowlisttest.WantError(t, "a preset of unsafe choices", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if want := []string{preset + "legacy_reason", preset + "legacy_reason"}; !slices.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	use.LegacyReason, use.LegacyExpireTime = "the bank's specification", timestamppb.New(k.Clock.Now().AddDate(1, 0, 0))
	k.Owner.Create(t, "bank", allowlisttest.WithPreset(use))
	k.Settle(t, pair, 1)
}

func TestARefusedSaveChangesNothing(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	good, other, token := k.Secret(t, "good"), k.Secret(t, "other"), k.Credential(t, "token", "sesame", allowlisttest.Partner)
	created := k.Owner.Create(t, "orders", allowlisttest.Equipped(good, token))
	_, err := k.Owner.Update(t, &allowlistv1.Endpoint{
		Name: allowlisttest.NameOf("orders"), Url: "https://elsewhere.example/", Encryption: bare(k.Unauthenticated(other)),
	})
	allowlisttest.WantError(t, "an update with mistakes", err, codes.FailedPrecondition, "HOST_NOT_ALLOWED")
	var fields []string
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	if want := []string{"endpoint.encryption.request.allow_legacy", "endpoint.url"}; !slices.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	// A field that refers to nothing is enough.
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Description: "new", ContentType: "ä"})
	allowlisttest.WantError(t, "an update of a malformed field", err, codes.InvalidArgument, "INVALID_FIELD")
	if got := k.Owner.Get(t, "orders"); got.GetEtag() != created.GetEtag() || len(k.Owner.History(t, allowlisttest.NameOf("orders"))) != 1 {
		t.Errorf("refused saves created %v", got)
	}
	for secret, bindings := range map[string]int{good: 1, other: 0, token: 1} {
		k.Settle(t, secret, bindings)
	}
	// Malformed fields are reported before the state of the name, as for callers without access.
	_, err = k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("none"), ContentType: "ä"})
	allowlisttest.WantError(t, "an update of an endpoint that does not exist", err, codes.InvalidArgument, "INVALID_FIELD")
}

func TestViolationsAreReportedWithoutTheVault(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	secret := k.Secret(t, "key")
	k.VaultServer.Stop()
	fields, err := k.Refusal(t, func() *allowlistv1.Endpoint {
		e := allowlisttest.Draft()
		e.Encryption = bare(k.Unauthenticated(secret))
		return e
	}())
	allowlisttest.WantError(t, "a mistake", err, codes.FailedPrecondition, "LEGACY_NOT_ACKNOWLEDGED")
	if !slices.Equal(fields, []string{"endpoint.encryption.request.allow_legacy"}) {
		t.Errorf("fields = %v", fields)
	}
	_, err = k.Refusal(t, allowlisttest.Draft(secret))
	allowlisttest.WantError(t, "no mistake", err, codes.Unavailable, "VAULT_UNAVAILABLE")
}

func TestARepeatedRequestIsAnsweredAlthoughItHasMistakesByNow(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.Draft()
	e.Encryption = k.Unauthenticated(k.Secret(t, "key"))
	req := &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "orders", Endpoint: e, RequestId: "r1"}
	e.Encryption.Request.AllowLegacy[0].ExpireTime = timestamppb.New(k.Clock.Now().Add(20 * allowlisttest.Pace * 50))
	created, err := k.Owner.CreateEndpoint(t.Context(), req)
	allowlisttest.Must(t, err)
	k.Clock.Advance(20 * allowlisttest.Pace * 50)
	again, err := k.Owner.CreateEndpoint(t.Context(), req)
	allowlisttest.Must(t, err)
	if again.GetEndpoint().GetUid() != created.GetEndpoint().GetUid() {
		t.Errorf("CreateEndpoint again = %v", again)
	}
}

func TestAnEndpointRefersToSoManySecretsOnly(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	with := func(secrets int) *allowlistv1.Endpoint {
		e := allowlisttest.Draft()
		for i := range secrets {
			list := &e.Headers
			if i >= 32 {
				list = &e.QueryParameters
			}
			*list = append(*list, allowlisttest.Referring(fmt.Sprint("p", i), allowlisttest.Workspace+"/secrets/s"+fmt.Sprint(i)))
		}
		return e
	}
	for i := range 48 {
		k.Credential(t, fmt.Sprint("s", i), "sesame", allowlisttest.Partner)
	}
	fields, err := k.Refusal(t, with(49))
	allowlisttest.WantError(t, "49 secrets", err, codes.InvalidArgument, "INVALID_FIELD")
	if !slices.Equal(fields, []string{"endpoint"}) || !strings.Contains(servertest.Violations(err)[0].Description, "48") {
		t.Errorf("49 secrets: %v", servertest.Violations(err))
	}
	k.Owner.Create(t, "orders", with(48))
	k.Owner.Delete(t, "orders")
	k.Settle(t, allowlisttest.Workspace+"/secrets/s0", 0)
}

func TestAnEndpointNamesSoManyVersionsOfASecretOnly(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	k.Credential(t, "token", "sesame", allowlisttest.Partner)
	e := allowlisttest.Draft()
	for version := range uint32(17) {
		value := allowlisttest.Referring(fmt.Sprint("p", version), allowlisttest.Workspace+"/secrets/token")
		value.GetSecret().Version = version + 1
		e.Headers = append(e.Headers, value)
	}
	fields, err := k.Refusal(t, e)
	allowlisttest.WantError(t, "17 versions", err, codes.InvalidArgument, "INVALID_FIELD")
	if !slices.Equal(fields, []string{"endpoint"}) || !strings.Contains(servertest.Violations(err)[0].Description, "16 versions") {
		t.Errorf("17 versions: %v", servertest.Violations(err))
	}
}
