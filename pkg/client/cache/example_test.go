package cache_test

import (
	"context"
	"time"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/client/cache"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A workload binds a secret once, and resolves it whenever it needs it.
func ExampleCache_Resolve() {
	serve := func(ctx context.Context, vault client.Vault, use func(key []byte) error) error {
		const name = "workspaces/payments/secrets/signing-key"
		bound, err := vault.BindSecret(ctx, &vaultv1.BindSecretRequest{
			Name: name, Usage: vaultv1.Usage_USAGE_KEY,
			Referrer: "workspaces/payments/endpoints/billing", OperationId: "billing",
		})
		if err != nil {
			return err
		}
		keys, err := cache.New(vault, cache.Config{MaxStale: time.Minute, Parent: "workspaces/payments"})
		if err != nil {
			return err
		}
		go keys.Run(ctx)

		key, err := keys.Resolve(ctx, cache.Ref{Secret: name, UID: bound.GetBinding().GetUid()})
		if err != nil {
			return err
		}
		defer key.Plain.Zero()
		return use(key.Plain.Reveal())
	}
	_ = serve
}
