package api_test

import (
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

func TestPresetsAreListedForAnyCaller(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	for who, c := range map[string]allowlisttest.Client{"owner": k.Owner, "member": k.Member, "stranger": k.As(t, k.Env.Stranger(t)), "sender": k.Sender} {
		resp, err := c.ListPresets(t.Context(), &allowlistv1.ListPresetsRequest{})
		allowlisttest.Must(t, err)
		var ids []string
		for _, p := range resp.GetPresets() {
			ids = append(ids, p.GetId())
		}
		for _, id := range []string{"hdfc", "mastercard_fle", "openssl_salted", "standard_webhooks", "visa_mle"} {
			if !slices.Contains(ids, id) {
				t.Errorf("ListPresets by %s lacks %s", who, id)
			}
		}
		if !slices.IsSorted(ids) {
			t.Errorf("ListPresets by %s is not ordered by ID: %v", who, ids)
		}
	}
	_, err := k.As(t, servertest.Caller{}).ListPresets(t.Context(), &allowlistv1.ListPresetsRequest{})
	allowlisttest.WantError(t, "ListPresets without credentials", err, codes.Unauthenticated, "CREDENTIALS_MISSING")
}

// The result of node-ccavenue for a query string.
const (
	ccavenueKey   = "WORKINGKEY0123456789"
	ccavenueIV    = "000102030405060708090a0b0c0d0e0f"
	ccavenuePlain = "merchant_id=1&order_id=7&amount=10.00"
	ccavenueBody  = "523368ce4fabf30617498526e69c37ea49ffe7ec910bd481d6fe06154dd80ed8350d1270b8309958f7850bc3ec5ab544"
)

func TestAnEndpointOfAPresetInteroperatesWithThePartner(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	e := allowlisttest.WithPreset(&allowlistv1.PresetUse{
		Id: "ccavenue",
		Secrets: map[string]*allowlistv1.SecretRef{
			"working_key": {Name: k.SecretIn(t, allowlisttest.Workspace, "working-key", vaultv1.Usage_USAGE_KEY, []byte(ccavenueKey)...)},
			"iv":          {Name: k.SecretIn(t, allowlisttest.Workspace, "iv", vaultv1.Usage_USAGE_PARAMETER, []byte(ccavenueIV)...)},
		},
		LegacyReason: "the partner's specification", LegacyExpireTime: timestamppb.New(k.Clock.Now().Add(24 * time.Hour)),
	})
	k.Active(t, "pay", e)
	sent := k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("pay"), Body: []byte(ccavenuePlain)})
	if got := string(sent.GetBody()); got != ccavenueBody {
		t.Errorf("Encrypt = %s, want %s", got, ccavenueBody)
	}
	opened, err := k.Open(t, "pay", []byte(ccavenueBody), allowlisttest.Response)
	allowlisttest.Must(t, err)
	if got := string(opened.GetBody()); got != ccavenuePlain {
		t.Errorf("Decrypt = %s, want %s", got, ccavenuePlain)
	}
	if n := len(k.Owner.Get(t, "pay").GetEncryption().GetRequest().GetAllowLegacy()); n != 3 {
		t.Errorf("the endpoint acknowledges %d unsafe choices, want 3", n)
	}
}

func TestSettingsOfAPresetAreSavedWithIt(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key := k.Secret(t, "key", []byte(hex.EncodeToString(allowlisttest.KeyOf(1)))...)
	fields := func(settings map[string]string) *allowlistv1.Endpoint {
		return allowlisttest.WithPreset(&allowlistv1.PresetUse{
			Id: "form_fields", Settings: settings, Secrets: map[string]*allowlistv1.SecretRef{"key": {Name: key}},
		})
	}
	for _, tt := range []struct {
		name, field string
		settings    map[string]string
	}{
		{"a missing setting", `endpoint.encryption.preset.settings["names"]`, nil},
		{"an extra setting", "endpoint.encryption.preset.settings", map[string]string{"names": "otp", "more": "x"}},
		{"a setting that is not text", `endpoint.encryption.preset.settings["names"]`, map[string]string{"names": "o\ntp"}},
	} {
		got, err := k.Refusal(t, fields(tt.settings))
		allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, "INVALID_FIELD")
		if !slices.Equal(got, []string{tt.field}) {
			t.Errorf("%s: fields = %v, want %s", tt.name, got, tt.field)
		}
	}
	k.Active(t, "forms", fields(map[string]string{"names": "mobile,otp"}))
	saved := k.Owner.Get(t, "forms").GetEncryption()
	if got := saved.GetRequest().GetSelection().GetForm().GetNames(); !slices.Equal(got, []string{"mobile", "otp"}) || saved.GetPreset() != nil {
		t.Errorf("the names are %v, the preset is %v", got, saved.GetPreset())
	}
	redacted := k.Member.Get(t, "forms").GetEncryption().GetRequest().GetCipher().GetSharedKey().GetKeys()[0].GetName()
	if redacted != "set" {
		t.Errorf("a member sees the reference %s", redacted)
	}
}
