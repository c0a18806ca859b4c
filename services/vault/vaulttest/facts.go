package vaulttest

import (
	"testing"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

func Data(value []byte) *vaultv1.SecretValue {
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: value}, WeakReason: "to be read in a test"}
}

// Facts binds a version of a secret and returns what it is told of it.
func (c Client) Facts(t testing.TB, id string, usage vaultv1.Usage, host string, version uint32, chains ...string) *vaultv1.KeyFacts {
	t.Helper()
	req := BindRequest(id, "e", "op")
	req.Usage, req.Host, req.Version = usage, host, version
	if usage == vaultv1.Usage_USAGE_CREDENTIAL {
		req.Port = 443
	}
	if usage != vaultv1.Usage_USAGE_KEY {
		req.Chains = nil
	} else if len(chains) > 0 {
		req.Chains = chains
	}
	res, err := c.BindSecret(t.Context(), req)
	if err != nil {
		t.Fatalf("BindSecret(%s, %d) = %v", id, version, err)
	}
	return res.GetFacts()
}
