package vault

import (
	"context"

	"github.com/keyward/keyward/pkg/kv"
	"github.com/keyward/keyward/services/vault/internal/secret"
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

// Resolve returns the value of a version to a holder of a binding, without a seal of its purpose.
func (v *Vault) Resolve(ctx context.Context, holder, name, uid string, version uint32, purpose []byte) (string, error) {
	parsed, err := secret.ParseName(name)
	if err != nil {
		return "", err
	}
	got, err := v.secrets.Resolve(ctx, secret.Call{}, holder, secret.Wanted{Name: parsed, UID: uid, Number: version, Purpose: purpose})
	if err != nil {
		return "", err
	}
	defer got.Plain.Zero()
	return string(got.Plain.Reveal()), nil
}
