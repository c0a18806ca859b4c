package allowlisttest

import (
	"testing"

	"github.com/keyward/keyward/pkg/server/servertest"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Generated has the vault draw a key of a kind.
func (k *Kit) Generated(t testing.TB, id string, kind vaultv1.Generate_Kind) string {
	t.Helper()
	_, err := k.Secrets.CreateSecret(t.Context(), &vaultv1.CreateSecretRequest{
		Parent: Workspace, SecretId: id, Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: kind}},
		}},
	})
	Must(t, err)
	return Workspace + "/secrets/" + id
}

// Refusal creates an endpoint that is refused and returns why.
func (k *Kit) Refusal(t testing.TB, e *allowlistv1.Endpoint) (fields []string, err error) {
	t.Helper()
	_, err = k.Owner.CreateEndpoint(t.Context(), &allowlistv1.CreateEndpointRequest{Parent: Workspace, EndpointId: "bad", Endpoint: e})
	for _, v := range servertest.Violations(err) {
		fields = append(fields, v.Field)
	}
	return fields, err
}
