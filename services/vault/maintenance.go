package vault

import (
	"context"
	"errors"
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

// newBackups returns the backups of a data file, and the operations on it.
func (v *Vault) newBackups(cfg Config, source backup.Source, logger *slog.Logger, now func() time.Time) {
	v.backups = maintenance.NewBackups(maintenance.Config{
		Source: source, Path: cfg.Store, Schedule: cfg.Backup, Logger: logger, Now: now,
		Report: func(ctx context.Context, err error) error { return v.alarm.Report(ctx, audit.InBackground, err) },
	})
	v.maintenance = maintenance.NewServer(maintenance.Operations{
		Backup: v.backups.Backup,
		Purge:  func(context.Context) (uint64, error) { return 0, errors.ErrUnsupported },
	})
}
