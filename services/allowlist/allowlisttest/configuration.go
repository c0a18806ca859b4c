package allowlisttest

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/types/known/timestamppb"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist/internal/payload"
)

// Partner is the host of most endpoints.
const Partner = "api.partner.example"

// Sample is a body to encrypt.
const Sample = `{"pan":"4111111111111111","amount":12.50}`

// SharedKeys is the field that lists the shared keys of a cipher.
const SharedKeys = "endpoint.encryption.request.cipher.shared_key.keys"

// Draft is a valid endpoint to create.
func Draft(secrets ...string) *allowlistv1.Endpoint {
	e := &allowlistv1.Endpoint{Methods: []string{"POST"}, Url: "https://api.partner.example/v1"}
	if len(secrets) > 0 {
		e.Encryption = Encrypted(secrets...)
	}
	return e
}

// At is an endpoint with a URL and allowed methods.
func At(url string, methods ...string) *allowlistv1.Endpoint {
	if len(methods) == 0 {
		methods = []string{"POST"}
	}
	return &allowlistv1.Endpoint{Url: url, Methods: methods}
}

// Header is a header or query parameter with a fixed value.
func Header(name, value string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Value{Value: value}}
}

// Referring is a header or query parameter that refers to a secret.
func Referring(name, secret string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Secret{Secret: &allowlistv1.SecretRef{Name: secret}}}
}

// BodyValue is a field of the body that refers to a secret.
func BodyValue(path, secret string) *allowlistv1.BodyValue {
	return &allowlistv1.BodyValue{Path: path, Secret: &allowlistv1.SecretRef{Name: secret}}
}

// Equipped is an endpoint that sends a credential in each possible place.
func Equipped(key, secret string) *allowlistv1.Endpoint {
	e := Draft(key)
	e.Headers = []*allowlistv1.Parameter{Header("X-Partner", "acme"), Referring("Authorization", secret)}
	e.QueryParameters = []*allowlistv1.Parameter{Referring("api_key", secret), Header("v", "2")}
	e.BodyValues = []*allowlistv1.BodyValue{BodyValue("$.auth.apiKey", secret)}
	return e
}

// Pairs formats parameters as name=value, joined by &.
func Pairs(parameters []*allowlistv1.Parameter) string {
	var all []string
	for _, p := range parameters {
		all = append(all, p.GetName()+"="+p.GetValue())
	}
	return strings.Join(all, "&")
}

// Encrypted is an encryption of whole bodies under secrets. The first secret encrypts.
func Encrypted(secrets ...string) *allowlistv1.Encryption {
	shared := &allowlistv1.SharedKey{}
	for _, secret := range secrets {
		shared.Keys = append(shared.Keys, &allowlistv1.SecretRef{Name: secret})
	}
	return &allowlistv1.Encryption{Request: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
		Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM, Key: &allowlistv1.Cipher_SharedKey{SharedKey: shared},
	}}}}
}

// Unauthenticated is an encryption of whole bodies in CBC without a MAC.
func (k *Kit) Unauthenticated(secret string) *allowlistv1.Encryption {
	e := Encrypted(secret)
	e.Request.GetCipher().Algorithm = allowlistv1.Cipher_ALGORITHM_AES_256_CBC
	e.Request.AllowLegacy = []*allowlistv1.LegacyAcknowledgement{{
		Flag: allowlistv1.LegacyAcknowledgement_FLAG_UNAUTHENTICATED_CBC, Reason: "the partner supports nothing else",
		ExpireTime: timestamppb.New(k.Clock.Now().AddDate(1, 0, 0)),
	}}
	return e
}

// Signed adds the signature of whole requests to an endpoint.
func Signed(e *allowlistv1.Endpoint, secret string) *allowlistv1.Endpoint {
	if e.GetEncryption() == nil {
		e.Encryption = &allowlistv1.Encryption{Request: &allowlistv1.Profile{}}
	}
	e.Encryption.Request.Signing = &allowlistv1.Signing{
		Scheme: &allowlistv1.Signing_Mac{Mac: &allowlistv1.Mac{Algorithm: allowlistv1.Mac_ALGORITHM_HMAC_SHA256}},
		Keys:   []*allowlistv1.SecretRef{{Name: secret}},
		Input:  "${id}.${timestamp}.${method} ${host}${path}?${query}.${body}",
		Headers: map[string]string{
			"X-Id": "${id}", "X-Time": "${timestamp}", "X-Signature": "${signature}",
		},
	}
	return e
}

// WithPreset is an endpoint whose encryption uses a preset.
func WithPreset(use *allowlistv1.PresetUse) *allowlistv1.Endpoint {
	e := Draft()
	e.Encryption = &allowlistv1.Encryption{Preset: use}
	return e
}

// EncryptionOf parses a configuration in proto text format, replaces `secret:` placeholders by the
// names of secrets, and acknowledges the unsafe choices.
func EncryptionOf(t testing.TB, text string) *allowlistv1.Encryption {
	t.Helper()
	pb := new(allowlistv1.Encryption)
	if err := prototext.Unmarshal([]byte(strings.ReplaceAll(text, "secret:", Workspace+"/secrets/")), pb); err != nil {
		t.Fatalf("parse %s: %v", text, err)
	}
	for _, profile := range []*allowlistv1.Profile{pb.GetRequest(), pb.GetResponse()} {
		for _, flag := range payload.UnsafeChoices(profile) {
			profile.AllowLegacy = append(profile.AllowLegacy, &allowlistv1.LegacyAcknowledgement{
				Flag: flag, Reason: "the partner", ExpireTime: timestamppb.New(time.Now().AddDate(1, 0, 0)),
			})
		}
	}
	return pb
}
