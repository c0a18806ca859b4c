package vault

import (
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/vault/internal/api"
)

// A maintenanceService answers the methods of vault.v1.MaintenanceService.
type maintenanceService struct {
	unimplemented
	*api.Restores
}

// unimplemented has the methods that no other part of the service has. Its depth lets the others win.
type unimplemented struct {
	vaultv1.UnimplementedMaintenanceServiceServer
}
