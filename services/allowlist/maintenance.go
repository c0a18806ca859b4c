package allowlist

import (
	"context"
	"errors"
	"io"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/pkg/maintenance"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
)

// A maintenanceService answers the methods of allowlist.v1.MaintenanceService.
type maintenanceService struct {
	allowlistv1.UnsafeMaintenanceServiceServer
	*maintenance.Server
}

// operations are the operations on the data file.
func (a *Allowlist) operations() maintenance.Operations {
	return maintenance.Operations{
		Backup: func(context.Context, changelog.Author, io.Writer) error { return errors.ErrUnsupported },
		Purge:  a.purger.Purge,
	}
}
