package vaulttest

import (
	"testing"

	"github.com/keyward/keyward/pkg/client/cache"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Chains that are one another's oracles, as far as the vault knows: it compares them.
const (
	Gcm = "hex > AES-256-GCM(iv=random/12,tag=16)"
	Cbc = "hex > AES-256-CBC(padding=none,iv=zero/16)"
)

const (
	KeyPurposeFixed   = vaultv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_FIXED
	KeyPurposeUnknown = vaultv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_UNKNOWN
	KeyNotShared      = vaultv1.ErrorReason_ERROR_REASON_KEY_NOT_SHARED
)

// BindFor binds a KEY for chains, at a host.
func (c Client) BindFor(t testing.TB, id, endpoint, operation, host string, chains ...string) (*vaultv1.Binding, error) {
	t.Helper()
	req := BindRequest(id, endpoint, operation)
	req.Host, req.Chains = host, chains
	res, err := c.BindSecret(t.Context(), req)
	return res.GetBinding(), err
}

// ResolveFor resolves a KEY for chains.
func (c Client) ResolveFor(t testing.TB, id, uid string, seal bool, chains ...string) (*vaultv1.ResolveSecretResponse, error) {
	t.Helper()
	return c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{
		Name: NameOf(id), Uid: uid, Purpose: []byte(cache.PurposeOf(chains...)), Seal: seal,
	})
}

func (c Client) Purpose(t testing.TB, id string) *vaultv1.KeyPurpose {
	t.Helper()
	return c.Get(t, id).GetPurpose()
}
