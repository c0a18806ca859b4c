package cases

import (
	"context"
	"fmt"

	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/bench/internal/site"
)

func endpointName(id string) string { return site.Workspace + "/endpoints/" + id }

// FillAllowlist creates the endpoints. Both services run.
func (w *World) FillAllowlist(ctx context.Context) error {
	conn, err := w.dial(site.Allowlist, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	owner := allowlistv1.NewAllowlistServiceClient(conn)
	err = each(ctx, w.endpoints, func(ctx context.Context, i int) error {
		_, err := owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
			Parent: site.Workspace, EndpointId: endpointID(i), Endpoint: &allowlistv1.Endpoint{Methods: []string{"POST"}, Url: endpointURL(i)},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("create endpoints: %w", err)
	}
	if err := w.createMessages(ctx, owner); err != nil {
		return err
	}
	active := []string{messages}
	for i := range w.active() {
		active = append(active, endpointID(w.spread(i)))
	}
	return w.activate(ctx, owner, active)
}

func endpointID(n int) string { return fmt.Sprint("e", n) }

func endpointURL(n int) string { return fmt.Sprintf("https://host-%d.example/v1/%d/orders", n%1000, n) }

// active returns the number of endpoints that are active.
func (w *World) active() int { return min(w.endpoints, maxActive) }

// spread returns the number of the i-th active endpoint.
func (w *World) spread(i int) int { return i * (w.endpoints / w.active()) }

// messages is the endpoint that encrypts.
const messages = "messages"

// createMessages creates the endpoint that encrypts, and its key.
func (w *World) createMessages(ctx context.Context, owner allowlistv1.AllowlistServiceClient) error {
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = vaultv1.NewVaultServiceClient(conn).CreateSecret(ctx, &vaultv1.CreateSecretRequest{
		Parent: site.Workspace, SecretId: messages, Secret: &vaultv1.Secret{Value: &vaultv1.SecretValue{
			Source: &vaultv1.SecretValue_Generate{Generate: &vaultv1.Generate{Kind: vaultv1.Generate_KIND_AES_256}},
		}},
	})
	if err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	_, err = owner.CreateEndpoint(ctx, &allowlistv1.CreateEndpointRequest{
		Parent: site.Workspace, EndpointId: messages, Endpoint: &allowlistv1.Endpoint{
			Methods: []string{"POST"}, Url: "https://api.partner.example/v1/messages",
			Encryption: &allowlistv1.Encryption{Request: &allowlistv1.Profile{Kind: &allowlistv1.Profile_Cipher{Cipher: &allowlistv1.Cipher{
				Algorithm: allowlistv1.Cipher_ALGORITHM_AES_256_GCM,
				Key:       &allowlistv1.Cipher_SharedKey{SharedKey: &allowlistv1.SharedKey{Keys: []*allowlistv1.SecretRef{{Name: secretName(messages)}}}},
			}}}},
		},
	})
	if err != nil {
		return fmt.Errorf("create endpoint: %w", err)
	}
	return nil
}

// activate approves and activates endpoints.
func (w *World) activate(ctx context.Context, owner allowlistv1.AllowlistServiceClient, ids []string) error {
	conn, err := w.dial(site.Allowlist, w.admin)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	admin := allowlistv1.NewAllowlistServiceClient(conn)
	err = each(ctx, len(ids), func(ctx context.Context, i int) error {
		name := endpointName(ids[i])
		if _, err := admin.ApproveEndpoint(ctx, &allowlistv1.ApproveEndpointRequest{Name: name}); err != nil {
			return err
		}
		_, err := owner.ActivateEndpoint(ctx, &allowlistv1.ActivateEndpointRequest{Name: name})
		return err
	})
	if err != nil {
		return fmt.Errorf("activate endpoints: %w", err)
	}
	return nil
}
