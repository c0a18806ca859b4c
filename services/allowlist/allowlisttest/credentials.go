package allowlisttest

import (
	"strings"
	"testing"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

const Partner = "api.partner.example"

// Credential stores a text that may be sent to the given hosts.
func (k *Kit) Credential(t testing.TB, id, text string, hosts ...string) string {
	t.Helper()
	_, err := k.VaultSA.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, Secret: &vaultv1.Secret{
			Usage: vaultv1.Usage_USAGE_CREDENTIAL, AllowedHosts: hosts,
			Value: &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Text{Text: text}},
		},
	})
	Must(t, err)
	return Workspace + "/secrets/" + id
}

// Referring is a header or query parameter that refers to a secret.
func Referring(name, secret string) *allowlistv1.Parameter {
	return &allowlistv1.Parameter{Name: name, Source: &allowlistv1.Parameter_Secret{Secret: &allowlistv1.SecretRef{Name: secret}}}
}

func BodyValue(path, secret string) *allowlistv1.BodyValue {
	return &allowlistv1.BodyValue{Path: path, Secret: &allowlistv1.SecretRef{Name: secret}}
}

// Equipped is an endpoint that sends a credential in each place.
func Equipped(key, secret string) *allowlistv1.Endpoint {
	e := Draft(key)
	e.Headers = []*allowlistv1.Parameter{Header("X-Partner", "acme"), Referring("Authorization", secret)}
	e.QueryParameters = []*allowlistv1.Parameter{Referring("api_key", secret), Header("v", "2")}
	e.BodyValues = []*allowlistv1.BodyValue{BodyValue("$.auth.apiKey", secret)}
	return e
}

func Pairs(parameters []*allowlistv1.Parameter) string {
	var all []string
	for _, p := range parameters {
		all = append(all, p.GetName()+"="+p.GetValue())
	}
	return strings.Join(all, "&")
}
