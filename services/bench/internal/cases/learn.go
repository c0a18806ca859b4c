package cases

import (
	"context"
	"fmt"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/bench/internal/rows"
	"github.com/keyward/keyward/services/bench/internal/site"
)

// burst is the number of changes at the same time from which [World.Learn] learns.
const burst = 64

// Learn returns the rows that the vault writes for a create and an update of a secret. The vault
// is stopped, before and after.
func (w *World) Learn(ctx context.Context, path string) (writes rows.Writes, err error) {
	empty, err := rows.Read(path)
	if err != nil {
		return writes, err
	}
	changed := make([]rows.Secret, burst)
	created, err := w.changes(ctx, path, func(client vaultv1.VaultServiceClient) error {
		return each(ctx, burst, func(ctx context.Context, i int) error {
			id := w.newID()
			got, err := client.CreateSecret(ctx, createRequest(id))
			changed[i] = rows.Secret{ID: id, UID: got.GetSecret().GetUid()}
			return err
		})
	})
	if err != nil {
		return writes, err
	}
	writes.Create = rows.Learn(empty, created, changed, burst)
	// Each secret is updated twice, so that the number of its version differs.
	const updates = 2
	updated, err := w.changes(ctx, path, func(client vaultv1.VaultServiceClient) error {
		return each(ctx, burst, func(ctx context.Context, i int) error {
			for range updates {
				if _, err := client.UpdateSecret(ctx, updateRequest(changed[i].ID)); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return writes, err
	}
	writes.Update = rows.Learn(created, updated, changed, updates*burst)
	return writes, nil
}

// changes starts the vault, makes changes, stops it, and reads its store.
func (w *World) changes(ctx context.Context, path string, change func(vaultv1.VaultServiceClient) error) (rows.Snapshot, error) {
	if _, err := w.site.Start(ctx, site.Vault); err != nil {
		return nil, err
	}
	conn, err := w.dial(site.Vault, w.Owner)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := change(vaultv1.NewVaultServiceClient(conn)); err != nil {
		return nil, fmt.Errorf("change secrets: %w", err)
	}
	if err := w.site.Stop(site.Vault); err != nil {
		return nil, err
	}
	return rows.Read(path)
}
