package preset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/fault"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Short names of the unsafe choices.
const (
	cbc      = allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC
	ecb      = allowlistv1.LegacyAcknowledgement_FLAG_ECB
	des      = allowlistv1.LegacyAcknowledgement_FLAG_TRIPLE_DES
	zeroIV   = allowlistv1.LegacyAcknowledgement_FLAG_ZERO_IV
	staticIV = allowlistv1.LegacyAcknowledgement_FLAG_STATIC_IV
	md5      = allowlistv1.LegacyAcknowledgement_FLAG_MD5_KDF
	pkcs1    = allowlistv1.LegacyAcknowledgement_FLAG_RSA_PKCS1V15_ENCRYPTION
	salt     = allowlistv1.LegacyAcknowledgement_FLAG_STATIC_SALT
	weakKDF  = allowlistv1.LegacyAcknowledgement_FLAG_WEAK_KDF_ITERATIONS
	ivOfKey  = allowlistv1.LegacyAcknowledgement_FLAG_IV_FROM_KEY
	digest   = allowlistv1.LegacyAcknowledgement_FLAG_SECRET_DIGEST
	weakHash = allowlistv1.LegacyAcknowledgement_FLAG_WEAK_DIGEST
)

func TestPresetsNameTheirUnsafeChoices(t *testing.T) {
	t.Parallel()
	type flags = []allowlistv1.LegacyAcknowledgement_Flag
	want := map[string]flags{
		"airpay_v4": {cbc, md5}, "alipay": {cbc, zeroIV}, "alipay_v3": {cbc, zeroIV},
		"axis_callback_cbc": {cbc, staticIV}, "axis_callback_ecb": {ecb, md5},
		"bank_field_level": {cbc, pkcs1}, "branch_webhook": {cbc}, "ccavenue": {cbc, staticIV, md5},
		"cms_enveloped":   {cbc, pkcs1},
		"cryptojs_key_iv": {cbc, staticIV}, "cryptojs_passphrase": {cbc, md5, weakKDF}, "cryptojs_pbkdf2": {cbc, weakKDF},
		"dingtalk_callback": {cbc, ivOfKey, digest, weakHash}, "wecom_callback": {cbc, ivOfKey, digest, weakHash},
		"flutterwave_v3": {ecb, des}, "hdfc": {cbc, pkcs1}, "icici_direct": {pkcs1},
		"icici_hybrid": {cbc, pkcs1}, "icici_hybrid_iv": {cbc, pkcs1}, "iserveu": {cbc},
		"java_aes_ecb": {ecb}, "java_pbkdf2": {cbc, zeroIV, salt, weakKDF}, "kotak": {cbc},
		"mastercard_fle": {cbc}, "mastercard_fle_headers": {cbc}, "mastercard_fle_object": {cbc},
		"mono": {cbc}, "mpesa_daraja": {pkcs1}, "nic_einvoice": {ecb}, "ngenius_webhook": {cbc}, "node_cbc": {cbc},
		"openssl_salted": {cbc, weakKDF}, "openssl_salted_pbkdf2": {cbc, weakKDF},
		"paytm": {staticIV}, "paytm_json": {staticIV}, "payu": {digest}, "phonepe": {digest}, "phonepe_callback": {digest}, "signingcloud": {ecb}, "thales_xpay": {cbc},
		"sorted_members_md5": {digest, weakHash}, "sorted_members_sha256": {digest},
	}
	got := make(map[string]flags)
	for _, p := range library(t).List() {
		if len(p.GetLegacy()) > 0 {
			got[p.GetId()] = p.GetLegacy()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the unsafe choices of the presets (-want +got):\n%s", diff)
	}
}

func TestEveryPresetCanBeSavedWithItsAcknowledgementsOnly(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, p := range l.List() {
		t.Run(p.GetId(), func(t *testing.T) {
			t.Parallel()
			config := compile(t, l, use(p))
			for _, secret := range config.Secrets() {
				if !strings.HasPrefix(secret, place) {
					t.Errorf("the configuration refers to %s, which is not a secret of the endpoint", secret)
				}
			}
			if text := prototext.Format(config.Proto()); strings.Contains(text, "{{") {
				t.Errorf("the configuration has a setting that was not replaced:\n%s", text)
			}
			bare := use(p)
			bare.LegacyReason, bare.LegacyExpireTime = "", nil
			_, err := l.Parse(&allowlistv1.Encryption{Preset: bare}, "acme", now)
			if refused := fault.Is(err, payload.LegacyNotAcknowledged); refused != (len(p.GetLegacy()) > 0) {
				t.Errorf("Parse without acknowledgements: %v, want it refused: %v", err, len(p.GetLegacy()) > 0)
			}
		})
	}
}

func TestPresetsAreDescribed(t *testing.T) {
	t.Parallel()
	l := library(t)
	for _, p := range l.List() {
		if p.GetDisplayName() == "" || !strings.HasSuffix(p.GetDescription(), ".") || len(p.GetSources()) == 0 {
			t.Errorf("%s lacks a name, a description, or sources", p.GetId())
		}
		usages := make(map[string]string)
		for _, ref := range compile(t, l, use(p)).References() {
			usages[strings.TrimPrefix(ref.Secret, place)] = map[payload.Usage]string{payload.KeyUsage: "KEY", payload.ParameterUsage: "PARAMETER", payload.ExposedKeyUsage: "EXPOSED_KEY"}[ref.Usage]
		}
		for _, s := range p.GetSecrets() {
			if !strings.HasSuffix(s.GetDescription(), ".") || s.GetUsage() != usages[s.GetName()] {
				t.Errorf("%s: the secret %s is not described, or is of usage %s", p.GetId(), s.GetName(), usages[s.GetName()])
			}
		}
		for _, s := range p.GetSettings() {
			if !strings.HasSuffix(s.GetDescription(), ".") {
				t.Errorf("%s: the setting %s is not described", p.GetId(), s.GetName())
			}
		}
	}
}

func TestAPresetIsExpandedWithTheGivenValues(t *testing.T) {
	t.Parallel()
	l, pb := library(t), new(allowlistv1.Encryption)
	text := `rotation_grace { seconds: 60 } preset {
		id: "bank_field_level" legacy_reason: "why" legacy_expire_time { seconds: 1830000000 }
		secrets { key: "bank_public_key" value { name: "workspaces/acme/secrets/bank" version: 3 } }
		secrets { key: "client_private_key" value { name: "workspaces/acme/secrets/ours" decoding: DECODING_BASE64 } }
		settings { key: "fields" value: "$.a,$.b[*].c" } }`
	if err := prototext.Unmarshal([]byte(text), pb); err != nil {
		t.Fatal(err)
	}
	given := proto.CloneOf(pb)
	draft, err := l.Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	expanded := draft.Config().Proto()
	if diff := cmp.Diff(given, pb, protocmp.Transform()); diff != "" {
		t.Errorf("Parse changed what it was given:\n%s", diff)
	}
	if expanded.GetPreset() != nil || expanded.GetRotationGrace().GetSeconds() != 60 {
		t.Errorf("Parse = %v, want no preset and an unchanged grace", expanded)
	}
	bank, ours := expanded.GetRequest().GetCipher().GetSessionKey().GetKeys()[0], expanded.GetResponse().GetCipher().GetSessionKey().GetKeys()[0]
	if bank.GetName() != place+"bank" || bank.GetVersion() != 3 || bank.GetDecoding() != allowlistv1.Decoding_DECODING_PEM {
		t.Errorf("the request's key = %v", bank)
	}
	if ours.GetName() != place+"ours" || ours.GetDecoding() != allowlistv1.Decoding_DECODING_BASE64 {
		t.Errorf("the response's key = %v", ours)
	}
	if diff := cmp.Diff([]string{"$.a", "$.b[*].c"}, expanded.GetRequest().GetSelection().GetFields().GetPaths()); diff != "" {
		t.Errorf("the paths (-want +got):\n%s", diff)
	}
}

func TestSettingsFillNamesAndValuesOfHeaders(t *testing.T) {
	t.Parallel()
	l := library(t)
	u := use(find(t, l, "hmac_header"))
	u.Settings = map[string]string{"header": "X-Partner", "prefix": "v1="}
	got := compile(t, l, u).Proto().GetRequest().GetSigning().GetHeaders()
	if diff := cmp.Diff(map[string]string{"X-Partner": "v1=${signature}"}, got); diff != "" {
		t.Errorf("the headers (-want +got):\n%s", diff)
	}
	got = compile(t, l, use(find(t, l, "hmac_header"))).Proto().GetRequest().GetSigning().GetHeaders()
	if diff := cmp.Diff(map[string]string{"X-Signature": "${signature}"}, got); diff != "" {
		t.Errorf("the headers by default (-want +got):\n%s", diff)
	}
}

func TestConfigurationsWithoutAPresetStayAsTheyAre(t *testing.T) {
	t.Parallel()
	pb := compile(t, library(t), use(find(t, library(t), "visa_mle"))).Proto()
	draft, err := library(t).Parse(pb, "acme", now)
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	if diff := cmp.Diff(pb, draft.Config().Proto(), protocmp.Transform()); diff != "" {
		t.Errorf("Parse changed the configuration (-want +got):\n%s", diff)
	}
	pb.GetRequest().GetJose().Keys = nil
	_, err = library(t).Parse(pb, "acme", now)
	if fields := fieldsOf(t, err); !cmp.Equal(fields, []string{"encryption.request.jose.keys"}) {
		t.Errorf("the fields are %v", fields)
	}
	if _, err := library(t).Parse(nil, "acme", now); !fault.Is(err, fault.InvalidField) {
		t.Errorf("Parse of nothing = %v", err)
	}
}

// fieldsOf returns the fields in a fault.
func fieldsOf(t *testing.T, err error) (fields []string) {
	t.Helper()
	f, ok := fault.From(err)
	if !ok {
		t.Fatalf("%v is not a fault", err)
	}
	for _, v := range f.Violations {
		fields = append(fields, v.Field)
	}
	return fields
}

func TestMistakesInTheUseOfAPresetAreFindings(t *testing.T) {
	t.Parallel()
	l := library(t)
	const canary = "c4n4ry"
	secret := &allowlistv1.SecretRef{Name: canary}
	tests := []struct {
		name, preset string
		change       func(*allowlistv1.Encryption)
		fields       []string
	}{
		{"an unknown id", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Id = canary }, []string{"encryption.preset.id"}},
		{"no id", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Id = "" }, []string{"encryption.preset.id"}},
		{"a missing secret", "visa_mle", func(pb *allowlistv1.Encryption) { delete(pb.GetPreset().GetSecrets(), "client_private_key") }, []string{`encryption.preset.secrets["client_private_key"]`}},
		{"an empty secret", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Secrets["client_private_key"] = nil }, []string{`encryption.preset.secrets["client_private_key"]`}},
		{"an extra secret", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Secrets[canary] = secret }, []string{"encryption.preset.secrets"}},
		{"a missing setting", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings = nil }, []string{`encryption.preset.settings["key_id"]`}},
		{"an extra setting", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings[canary] = canary }, []string{"encryption.preset.settings"}},
		{"a setting that ends its string", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings["key_id"] = canary + `","x":"` }, []string{`encryption.preset.settings["key_id"]`}},
		{"a setting that is a placeholder", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings["key_id"] = canary + "${jwe}" }, []string{`encryption.preset.settings["key_id"]`}},
		{"a setting with a new line", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings["key_id"] = canary + "\r\nX: y" }, []string{`encryption.preset.settings["key_id"]`}},
		{"a setting that is too long", "visa_mle", func(pb *allowlistv1.Encryption) { pb.Preset.Settings["key_id"] = canary + strings.Repeat("x", 256) }, []string{`encryption.preset.settings["key_id"]`}},
		{"a reason without an expire time", "mono", func(pb *allowlistv1.Encryption) { pb.Preset.LegacyExpireTime = nil }, []string{"encryption.preset.legacy_expire_time"}},
		{"an expire time without a reason", "mono", func(pb *allowlistv1.Encryption) { pb.Preset.LegacyReason = "" }, []string{"encryption.preset.legacy_reason"}},
		{"an acknowledgement of nothing", "visa_mle", func(pb *allowlistv1.Encryption) {
			pb.Preset.LegacyReason, pb.Preset.LegacyExpireTime = canary, use(find(t, l, "mono")).GetLegacyExpireTime()
		}, []string{"encryption.preset.legacy_reason"}},
		{"everything at once", "visa_mle", func(pb *allowlistv1.Encryption) {
			pb.Request, pb.Response = &allowlistv1.Profile{}, &allowlistv1.Profile{}
			pb.Preset.Secrets, pb.Preset.Settings = nil, nil
		}, []string{
			"encryption.request", "encryption.response", `encryption.preset.secrets["visa_public_key"]`, `encryption.preset.secrets["client_private_key"]`,
			`encryption.preset.settings["key_id"]`,
		}},
		{"a key instead of a reference", "visa_mle", func(pb *allowlistv1.Encryption) {
			pb.Preset.Secrets["client_private_key"] = secret
		}, []string{`encryption.preset.secrets["client_private_key"].name`}},
		{"an unsafe choice that is not acknowledged", "java_aes_ecb", func(pb *allowlistv1.Encryption) {
			pb.Preset.LegacyReason, pb.Preset.LegacyExpireTime = "", nil
		}, []string{"encryption.preset.legacy_reason"}},
		{"an acknowledgement that has expired", "java_aes_ecb", func(pb *allowlistv1.Encryption) {
			pb.Preset.LegacyExpireTime = timestamppb.New(now)
		}, []string{"encryption.preset.legacy_expire_time"}},
		{"a setting that is not a path", "bank_field_level", func(pb *allowlistv1.Encryption) {
			pb.Preset.Settings["fields"] = "$.ok," + canary
		}, []string{`encryption.preset.settings["fields"]`}},
		{"a setting that is not a header", "hmac_header", func(pb *allowlistv1.Encryption) {
			pb.Preset.Settings["header"] = "Host"
		}, []string{`encryption.preset.settings["header"]`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pb := &allowlistv1.Encryption{Preset: use(find(t, l, test.preset))}
			test.change(pb)
			_, err := l.Parse(pb, "acme", now)
			f, _ := fault.From(err)
			if diff := cmp.Diff(test.fields, fieldsOf(t, err)); diff != "" {
				t.Errorf("the fields of the violations (-want +got):\n%s", diff)
			}
			if text := fmt.Sprintf("%v %+v", err, f); strings.Contains(text, canary) {
				t.Errorf("the violations repeat a given value: %s", text)
			}
		})
	}
}

func TestListReturnsCopies(t *testing.T) {
	t.Parallel()
	l := library(t)
	l.List()[0].Encryption = nil
	if l.List()[0].GetEncryption() == nil {
		t.Error("changing the result of List changed the library")
	}
}

// FuzzSettings uses arbitrary strings as settings of presets: they are refused, or appear
// unchanged in the configuration.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"", "k-1", "$.a,$.b[*]", `x","y":"z`, "${jwe}", "{{key_id}}", ",", "a\r\nb", "é", strings.Repeat("x", 257)} {
		f.Add(seed)
	}
	l := library(f)
	f.Fuzz(func(t *testing.T, text string) {
		for _, id := range []string{"visa_mle", "bank_field_level", "hmac_header", "juspay_payout"} {
			u := use(find(t, l, id))
			for _, setting := range find(t, l, id).GetSettings() {
				u.Settings[setting.GetName()] = text
			}
			draft, err := l.Parse(&allowlistv1.Encryption{Preset: u}, "acme", now)
			if err != nil {
				for _, field := range fieldsOf(t, err) {
					if !strings.HasPrefix(field, "encryption.preset.") {
						t.Errorf("a setting of %q is wrong at %s", text, field)
					}
				}
				continue
			}
			if header := draft.Config().Proto().GetRequest().GetJose().GetHeader(); id == "visa_mle" && header["kid"] != text {
				t.Errorf("a setting of %q became %v", text, header)
			}
		}
	})
}
