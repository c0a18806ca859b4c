package allowlist

import (
	"context"
	"log/slog"
	"time"

	"github.com/keyward/keyward/pkg/audit"
	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/maintenance"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A maintenanceService answers the methods of allowlist.v1.MaintenanceService.
type maintenanceService struct {
	allowlistv1.UnsafeMaintenanceServiceServer
	*maintenance.Server
}

// newBackups creates the backups of a data file, and the operations on it.
func (a *Allowlist) newBackups(cfg Config, source backup.Source, logger *slog.Logger, now func() time.Time) {
	a.backups = maintenance.NewBackups(maintenance.Config{
		Source: source, Path: cfg.Store, Schedule: cfg.Backup, Logger: logger, Now: now,
		Report: func(ctx context.Context, err error) error { return a.alarm.Report(ctx, audit.InBackground, err) },
	})
	a.maintenance = maintenance.NewServer(maintenance.Operations{
		Backup: a.backups.Backup,
		Purge:  a.purger.Purge,
	})
}
