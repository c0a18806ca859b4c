package allowlist

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/services/allowlist/internal/earlier"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Upgrade rewrites the data file of a stopped allowlist in the present stored form; see
// [upgrade.Run]. The options need no Store and no Providers.
func Upgrade(ctx context.Context, cfg Config, options upgrade.Options) (upgrade.Result, error) {
	if err := cfg.Check(); err != nil {
		return upgrade.Result{}, fmt.Errorf("check configuration: %w", err)
	}
	options.Store, options.Providers = cfg.Store, cfg.Keys.Providers()
	return upgrade.Run(ctx, upgrade.Service{
		Name: purpose, Resources: earlier.Resources, Replaced: earlier.Replaced, Copied: earlier.Copied,
		Check: earlier.Check, Missing: earlier.Missing, Convert: earlier.Convert, Rows: endpoint.Rows{},
	}, options)
}
