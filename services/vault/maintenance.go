package vault

import (
	"context"
	"errors"
	"io"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/maintenance"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// A maintenanceService answers the methods of vault.v1.MaintenanceService.
type maintenanceService struct {
	*maintenance.Server
	restores
}

// restores answers the methods about restores.
type restores struct {
	vaultv1.UnimplementedMaintenanceServiceServer
}

// operations are the operations on the data file.
func (v *Vault) operations() maintenance.Operations {
	return maintenance.Operations{
		Backup: func(context.Context, changelog.Author, io.Writer) error { return errors.ErrUnsupported },
		Purge:  v.purge,
	}
}

// purge erases all that was deleted before. The rows of deleted secrets are removed in the background.
func (v *Vault) purge(ctx context.Context) (erased uint64, err error) {
	if err := v.secrets.RemoveDeleted(ctx); err != nil {
		return 0, err
	}
	return v.purger.Purge(ctx)
}
