package allowlist

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/verify"
	"github.com/keyward/keyward/services/allowlist/internal/endpoint"
)

// Verify verifies the data file of a stopped allowlist, and changes nothing; see [verify.Run]. The options
// need no Store and no Providers: both are those of the configuration. Differences are no errors: the
// options' Report receives them, and the result counts them.
func Verify(ctx context.Context, cfg Config, options verify.Options) (verify.Result, error) {
	if err := cfg.Check(); err != nil {
		return verify.Result{}, fmt.Errorf("check configuration: %w", err)
	}
	options.Store, options.Providers = cfg.Store, cfg.Keys.Providers()
	return verify.Run(ctx, verifiable, options)
}

// verifiable describes the data file of an allowlist.
var verifiable = verify.Service{Name: purpose, Rows: endpoint.Rows{}, Row: endpoint.RowOf, Ref: endpoint.RefOf, Check: endpoint.Verify}
