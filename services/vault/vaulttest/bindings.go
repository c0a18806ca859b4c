package vaulttest

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	commonv1 "github.com/keyward/keyward/proto/gen/keyward/common/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// BindRequest binds a KEY to an endpoint for Chain.
func BindRequest(id, endpoint, operation string) *vaultv1.BindSecretRequest {
	return &vaultv1.BindSecretRequest{
		Name: NameOf(id), Usage: vaultv1.Usage_USAGE_KEY,
		Referrer: Workspace + "/endpoints/" + endpoint, OperationId: operation,
		Host: "partner.example", Chains: []string{Chain},
	}
}

// Chain is the default chain of the keys in these tests.
const Chain = "raw > HMAC-SHA256(of=message)"

// Purpose returns the purpose of a ResolveSecret for Chain.
func Purpose() []byte { return PurposeOf(Chain) }

// Bind binds a KEY and fails the test on an error.
func (c Client) Bind(t testing.TB, id, endpoint, operation string) *vaultv1.Binding {
	t.Helper()
	res, err := c.BindSecret(t.Context(), BindRequest(id, endpoint, operation))
	if err != nil {
		t.Fatalf("BindSecret(%s) = %v", id, err)
	}
	return res.GetBinding()
}

// Unbind deletes a binding and fails the test on an error.
func (c Client) Unbind(t testing.TB, id, operation string) {
	t.Helper()
	_, err := c.UnbindSecret(t.Context(), &vaultv1.UnbindSecretRequest{Name: NameOf(id), OperationId: operation})
	if err != nil {
		t.Fatalf("UnbindSecret(%s) = %v", id, err)
	}
}

// Resolve returns the value of a KEY and fails the test on an error.
func (c Client) Resolve(t testing.TB, id, uid string, version uint32) string {
	t.Helper()
	res, err := c.ResolveSecret(t.Context(), &vaultv1.ResolveSecretRequest{Name: NameOf(id), Uid: uid, Version: version, Purpose: Purpose()})
	if err != nil {
		t.Fatalf("ResolveSecret(%s, %d) = %v", id, version, err)
	}
	return string(res.GetValue())
}

// Facts binds a version of a secret and returns its facts.
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

// Two different chains. The vault only compares chains, so it treats each as an oracle of the
// other.
const (
	GCM = "hex > AES-256-GCM(iv=random/12,tag=16)"
	CBC = "hex > AES-256-CBC(padding=none,iv=zero/16)"
)

// The reasons of refused bindings of a KEY.
const (
	KeyPurposeFixed   = commonv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_FIXED
	KeyPurposeUnknown = commonv1.ErrorReason_ERROR_REASON_KEY_PURPOSE_UNKNOWN
	KeyNotShared      = commonv1.ErrorReason_ERROR_REASON_KEY_NOT_SHARED
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
		Name: NameOf(id), Uid: uid, Purpose: PurposeOf(chains...), Seal: seal,
	})
}

// Purpose returns the purpose of a KEY.
func (c Client) Purpose(t testing.TB, id string) *vaultv1.KeyPurpose {
	t.Helper()
	return c.Get(t, id).GetPurpose()
}

// PurposeOf returns the purpose of a ResolveSecret for chains: the SHA-256 of their sorted lines.
func PurposeOf(chains ...string) []byte {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(chains)), "\n")))
	return sum[:]
}
