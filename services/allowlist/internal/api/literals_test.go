package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/allowlist/allowlisttest"
)

// configured changes the encryption of an endpoint under a key by adding the text of a profile.
func configured(t *testing.T, key, text string) func(*allowlistv1.Endpoint) {
	t.Helper()
	added := new(allowlistv1.Profile)
	allowlisttest.Must(t, prototext.Unmarshal([]byte(text), added))
	for _, used := range added.GetSigning().GetKeys() {
		used.Name = key
	}
	return func(e *allowlistv1.Endpoint) {
		e.Encryption = allowlisttest.Encrypted(key)
		proto.Merge(e.GetEncryption().GetRequest(), added)
	}
}

// No literal of an endpoint reveals a secret to callers who can see the literal.
func TestLiteralsThatMayBeSecretsAreRefused(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key, mac := k.Secret(t, "key"), k.Secret(t, "mac")
	headers := func(parameters ...*allowlistv1.Parameter) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) { e.Headers = parameters }
	}
	const request = "endpoint.encryption.request."
	signing := func(headers, input string) func(*allowlistv1.Endpoint) {
		return configured(t, mac, `signing { mac { algorithm: ALGORITHM_HMAC_SHA256 } keys {} input: "`+input+`" headers { key: "X-Signature" value: "${signature}" } `+headers+` }`)
	}
	for _, tt := range []struct {
		name   string
		change func(*allowlistv1.Endpoint)
		fields []string
	}{
		{
			"headers with telling names", headers(allowlisttest.Header("X-Password", "hunter2hunter2"), allowlisttest.Header("Password", "hunter2hunter2"), allowlisttest.Header("X-Auth", "hunter2hunter2"),
				allowlisttest.Header("X-Bearer", "hunter2hunter2"), allowlisttest.Header("X-Credential", "hunter2hunter2")),
			[]string{"endpoint.headers[0].value", "endpoint.headers[1].value", "endpoint.headers[2].value", "endpoint.headers[3].value", "endpoint.headers[4].value"},
		},
		{"a query parameter", func(e *allowlistv1.Endpoint) {
			e.QueryParameters = []*allowlistv1.Parameter{allowlisttest.Header("sig", "hunter2hunter2")}
		}, []string{"endpoint.query_parameters[0].value"}},
		{
			"telling values", headers(allowlisttest.Header("X-A", allowlisttest.LiveToken), allowlisttest.Header("X-B", "Bearer "+allowlisttest.CanaryHex), allowlisttest.Header("X-C", allowlisttest.CanaryHex)),
			[]string{"endpoint.headers[0].value", "endpoint.headers[1].value", "endpoint.headers[2].value"},
		},
		{"the URL", func(e *allowlistv1.Endpoint) { e.Url += "/hooks/" + allowlisttest.CanaryHex }, []string{"endpoint.url"}},
		{"words", func(e *allowlistv1.Endpoint) {
			e.DisplayName, e.Description, e.Labels = "acme "+allowlisttest.CanaryHex, allowlisttest.PEMKey, map[string]string{"a": allowlisttest.CanaryHex[:40]}
		}, []string{"endpoint.display_name", "endpoint.description", `endpoint.labels["a"]`}},
		{"the content type", func(e *allowlistv1.Endpoint) { e.ContentType = "text/plain; x=" + allowlisttest.CanaryHex }, []string{"endpoint.content_type"}},
		{"a header of a signature", signing(`headers { key: "X-Api-Key" value: "hunter2hunter2" }`, "${body}"), []string{request + `signing.headers["X-Api-Key"]`}},
		{"signed text", signing("", "${body}"+allowlisttest.CanaryHex), []string{request + "signing.input"}},
		{"a private key in an envelope", configured(t, key, `envelope { json: "{\"a\":\"-----BEGIN PRIVATE KEY-----\\nMC4CAQAwBQYD\",\"d\":\"${data}\"}" }`), []string{request + "envelope.json"}},
		{"an API key in an envelope", configured(t, key, `envelope { json: "{\"apiKey\":\"`+allowlisttest.CanaryHex+`\",\"d\":\"${data}\"}" }`), []string{request + "envelope.json"}},
		{"associated data", configured(t, key, `cipher { aad { text: "`+allowlisttest.CanaryHex+`" } }`), []string{request + "cipher.aad.text"}},
		{"the info of HKDF", configured(t, key, `cipher { shared_key { derivation { hkdf { info: "`+allowlisttest.CanaryHex+`" } } } }`), []string{request + "cipher.shared_key.derivation.hkdf.info"}},
		{
			"a key id", configured(t, key, `jose { key_management: KEY_MANAGEMENT_DIR content_encryption: CONTENT_ENCRYPTION_A256GCM header { key: "kid" value: "`+allowlisttest.CanaryHex+`" } }`),
			[]string{request + `jose.header["kid"]`},
		},
	} {
		e := allowlisttest.Draft()
		tt.change(e)
		if jose := e.GetEncryption().GetRequest().GetJose(); jose != nil {
			jose.Keys = []*allowlistv1.SecretRef{{Name: key}}
		}
		fields, err := k.Refusal(t, e)
		allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
		if !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: fields = %v, want %v", tt.name, fields, tt.fields)
		}
		shown := fmt.Sprint(err, servertest.Metadata(err), servertest.Violations(err))
		servertest.MustNotHold(t, tt.name, shown, "hunter2hunter2")
		servertest.MustNotHold(t, tt.name, shown, allowlisttest.CanaryHex[:16])
		servertest.MustNotHold(t, tt.name, shown, "MC4CAQAwBQYD")
	}
	_, err := k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "a" + allowlisttest.CanaryHex, Endpoint: allowlisttest.Draft()})
	allowlisttest.WantError(t, "an id", err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
	_, err = k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: allowlisttest.Workspace, EndpointId: "a", Endpoint: allowlisttest.Draft(), Reason: "with " + allowlisttest.CanaryHex})
	allowlisttest.WantError(t, "a reason", err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
	_, err = k.Owner.TestEncryption(t.Context(), &allowlistv1.TestEncryptionRequest{Name: allowlisttest.NameOf("-"), Encryption: func() *allowlistv1.Encryption {
		e := allowlisttest.Draft()
		configured(t, key, `cipher { aad { text: "`+allowlisttest.CanaryHex+`" } }`)(e)
		return e.GetEncryption()
	}()})
	allowlisttest.WantError(t, "a draft in a dry run", err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
	k.Settle(t, key, 0)
	k.Settle(t, mac, 0)
}

// An owner can declare public literals, but not private keys.
func TestPublicLiteralsAreAcknowledged(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	key := k.Secret(t, "key")
	public := allowlisttest.Header("X-Merchant", allowlisttest.CanaryHex)
	public.PublicReason = proto.String("the thumbprint of the merchant's certificate")
	acknowledged := func(fields ...string) func(*allowlistv1.Endpoint) {
		return func(e *allowlistv1.Endpoint) {
			configured(t, key, `cipher { aad { text: "`+allowlisttest.CanaryHex+`" } }`)(e)
			e.Encryption.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
				Flag: allowlistv1.LegacyAcknowledgement_FLAG_PUBLIC_LITERAL, Fields: fields, Reason: "is in the partner's manual",
				ExpireTime: timestamppb.New(k.Clock.Now().Add(time.Hour)),
			}}
		}
	}
	e := allowlisttest.Draft()
	acknowledged("cipher.aad.text")(e)
	e.Headers, e.Url, e.UrlPublicReason = []*allowlistv1.Parameter{public}, e.GetUrl()+"/"+allowlisttest.CanaryHex[:32], "the merchant id"
	created := k.Owner.Create(t, "orders", e)
	if got := k.Owner.Get(t, "orders"); got.GetUrlPublicReason() != "the merchant id" || got.GetHeaders()[0].GetPublicReason() != public.GetPublicReason() {
		t.Errorf("GetEndpoint = %v", got)
	}
	k.Activate(t, "orders")
	k.Sender.MustEncrypt(t, &allowlistv1.EncryptRequest{Name: allowlisttest.NameOf("orders"), Body: []byte(`{}`)})
	created.Etag = ""
	_, err := k.Owner.Update(t, created) // as it was read
	allowlisttest.Must(t, err)
	moved, err := k.Owner.Update(t, &allowlistv1.Endpoint{Name: allowlisttest.NameOf("orders"), Url: "https://api.partner.example/v2"}, "url")
	allowlisttest.Must(t, err)
	if moved.GetUrlPublicReason() != "" {
		t.Error("the reason of one URL applies to another")
	}

	const field, direct = "INVALID_FIELD", "DIRECT_KEY_NOT_SUPPORTED"
	reasoned := func(name, value string) func(*allowlistv1.Endpoint) {
		p := allowlisttest.Header(name, value)
		p.PublicReason = proto.String("is public")
		return func(e *allowlistv1.Endpoint) { e.Headers = []*allowlistv1.Parameter{p} }
	}
	const ack = "endpoint.encryption.request.allow_legacy[0].fields"
	for _, tt := range []struct {
		name, reason string
		change       func(*allowlistv1.Endpoint)
		fields       []string
	}{
		{"a private key", direct, reasoned("X-A", "-----BEGIN PRIVATE KEY-----"), []string{"endpoint.headers[0].value"}},
		{"a token", direct, reasoned("X-A", allowlisttest.LiveToken), []string{"endpoint.headers[0].value"}},
		{"a password", direct, reasoned("X-Password", "a"), []string{"endpoint.headers[0].value"}},
		{"a reason that is not needed", field, reasoned("X-A", "a"), []string{"endpoint.headers[0].public_reason"}},
		{"a reference", field, func(e *allowlistv1.Endpoint) {
			e.Headers = []*allowlistv1.Parameter{allowlisttest.Referring("X-A", k.Credential(t, "token", "sesame", allowlisttest.Partner))}
			e.Headers[0].PublicReason = proto.String("is public")
		}, []string{"endpoint.headers[0].public_reason"}},
		{"a reason that the URL does not need", field, func(e *allowlistv1.Endpoint) { e.UrlPublicReason = "is public" }, []string{"endpoint.url_public_reason"}},
		{"a reason that is a key", direct, func(e *allowlistv1.Endpoint) {
			e.Url, e.UrlPublicReason = e.GetUrl()+"/"+allowlisttest.CanaryHex, allowlisttest.CanaryHex
		}, []string{"endpoint.url_public_reason"}},
		{"other fields", direct, acknowledged("signing.input"), []string{ack + "[0]", "endpoint.encryption.request.cipher.aad.text"}},
		{"no fields", direct, acknowledged(), []string{ack, "endpoint.encryption.request.cipher.aad.text"}},
	} {
		e := allowlisttest.Draft()
		tt.change(e)
		fields, err := k.Refusal(t, e)
		allowlisttest.WantError(t, tt.name, err, codes.InvalidArgument, tt.reason)
		if !slices.Equal(fields, tt.fields) {
			t.Errorf("%s: fields = %v, want %v", tt.name, fields, tt.fields)
		}
	}
}

func TestASettingOfAPresetMayBePublic(t *testing.T) {
	t.Parallel()
	k := allowlisttest.New(t)
	use := &allowlistv1.PresetUse{
		Id: "detached_jws", Settings: map[string]string{"key_id": allowlisttest.CanaryHex},
		Secrets: map[string]*allowlistv1.SecretRef{},
	}
	presets, err := k.Owner.ListPresets(t.Context(), &allowlistv1.ListPresetsRequest{})
	allowlisttest.Must(t, err)
	for _, p := range presets.GetPresets() {
		if p.GetId() == use.GetId() {
			for _, s := range p.GetSecrets() {
				use.Secrets[s.GetName()] = &allowlistv1.SecretRef{Name: k.Generated(t, "pair-"+strings.ReplaceAll(s.GetName(), "_", "-"), vaultv1.Generate_KIND_RSA_2048)}
			}
		}
	}
	fields, err := k.Refusal(t, allowlisttest.WithPreset(use))
	allowlisttest.WantError(t, "a setting that looks like a key", err, codes.InvalidArgument, "DIRECT_KEY_NOT_SUPPORTED")
	if want := []string{`endpoint.encryption.preset.settings["key_id"]`}; !slices.Equal(fields, want) {
		t.Errorf("fields = %v, want %v", fields, want)
	}
	use.LegacyReason, use.LegacyExpireTime = "the thumbprint of our key", timestamppb.New(k.Clock.Now().AddDate(1, 0, 0))
	created := k.Owner.Create(t, "orders", allowlisttest.WithPreset(use))
	acks := created.GetEncryption().GetRequest().GetAllowLegacy()
	if len(acks) != 1 || !slices.Equal(acks[0].GetFields(), []string{`signing.jws.header["kid"]`}) {
		t.Errorf("acknowledgements = %v", acks)
	}
	use.Settings["key_id"] = "k-1"
	_, err = k.Refusal(t, allowlisttest.WithPreset(use))
	allowlisttest.WantError(t, "an acknowledgement of nothing", err, codes.InvalidArgument, "INVALID_FIELD")
}
