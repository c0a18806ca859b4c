package cases

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/scatter"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// secretID returns the ID of the n-th secret. IDs are not in the order of creation.
func secretID(n int) string { return "payments-" + scatter.Text(uint64(n), 13) }

func secretName(id string) string { return site.Workspace + "/secrets/" + id }

// newValue returns a random value.
func newValue() *vaultv1.SecretValue {
	value := make([]byte, ValueSize)
	rand.Read(value)
	return &vaultv1.SecretValue{Source: &vaultv1.SecretValue_Data{Data: value}}
}

func createRequest(id string) *vaultv1.CreateSecretRequest {
	return &vaultv1.CreateSecretRequest{Parent: site.Workspace, SecretId: id, Secret: &vaultv1.Secret{Value: newValue()}}
}

// FillVault creates the secrets. The vault runs.
func (w *World) FillVault(ctx context.Context) error {
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := vaultv1.NewVaultServiceClient(conn)
	err = each(ctx, w.secrets, func(ctx context.Context, i int) error {
		_, err := client.CreateSecret(ctx, createRequest(secretID(i)))
		return err
	})
	if err != nil {
		return fmt.Errorf("create secrets: %w", err)
	}
	return nil
}

// chain is what the resolved keys are used for.
const chain = "raw > HMAC-SHA256(of=message)"

// Bind binds some secrets and resolves them for the first time, which seals their purpose. Doing so
// again changes nothing.
func (w *World) Bind(ctx context.Context) error {
	conn, err := w.dial(site.Vault, w.Resolver)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	client := vaultv1.NewVaultServiceClient(conn)
	w.bound = make([]rows.Secret, min(w.secrets, maxBound))
	err = each(ctx, len(w.bound), func(ctx context.Context, i int) error {
		id := secretID(i * (w.secrets / len(w.bound)))
		got, err := client.BindSecret(ctx, &vaultv1.BindSecretRequest{
			Name: secretName(id), Usage: vaultv1.Usage_USAGE_KEY, Referrer: endpointName(messages),
			OperationId: "bench", Host: "api.partner.example", Chains: []string{chain},
		})
		if err != nil {
			return err
		}
		w.bound[i] = rows.Secret{ID: id, UID: got.GetBinding().GetUid()}
		_, err = client.ResolveSecret(ctx, resolveRequest(w.bound[i]))
		return err
	})
	if err != nil {
		return fmt.Errorf("bind secrets: %w", err)
	}
	return nil
}

// resolveRequest seals the purpose, as the allowlist does when it needs a key for messages.
func resolveRequest(s rows.Secret) *vaultv1.ResolveSecretRequest {
	purpose := sha256.Sum256([]byte(chain))
	return &vaultv1.ResolveSecretRequest{Name: secretName(s.ID), Uid: s.UID, Purpose: purpose[:], Seal: true}
}

// newID returns an ID that no secret has.
func (w *World) newID() string { return "payments-" + scatter.Text(w.created.Add(1), 13) }

func updateRequest(id string) *vaultv1.UpdateSecretRequest {
	return &vaultv1.UpdateSecretRequest{Secret: &vaultv1.Secret{Name: secretName(id), Value: newValue()}}
}
