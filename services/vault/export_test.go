package vault

import (
	"context"

	"github.com/keyward/keyward/pkg/kv"
)

// Checkpoint returns the head of the log.
func (v *Vault) Checkpoint(ctx context.Context) (string, error) {
	claim, err := v.heads.Checkpoint(ctx)
	return claim.Checkpoint, err
}

// Includes fails unless the log extends a checkpoint.
func (v *Vault) Includes(ctx context.Context, checkpoint string) error {
	return v.store.View(ctx, func(r kv.Reader) error { return v.log.Includes(r, checkpoint) })
}
