package vault

import (
	"context"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/maintenance"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/api"
)

// A maintenanceService answers the methods of vault.v1.MaintenanceService.
type maintenanceService struct {
	vaultv1.UnsafeMaintenanceServiceServer
	*maintenance.Server
	*api.Restores
}

// newBackups creates the backups of a data file, and the operations on it.
func (v *Vault) newBackups(cfg Config, source backup.Source, logger *slog.Logger) {
	v.backups = maintenance.NewBackups(maintenance.Config{
		Source: source, Path: cfg.Store, Schedule: cfg.Backup, Logger: logger, Now: time.Now,
		Report: func(ctx context.Context, err error) error { return v.alarm.Report(ctx, audit.InBackground, err) },
	})
	v.maintenance = maintenance.NewServer(maintenance.Operations{
		Backup: v.backups.Backup,
		Purge:  v.purge,
	})
}

// purge erases all that was deleted before. The rows of deleted secrets are removed in the background.
func (v *Vault) purge(ctx context.Context) (erased uint64, err error) {
	if err := v.secrets.RemoveDeleted(ctx); err != nil {
		return 0, err
	}
	return v.purger.Purge(ctx)
}
