package allowlist

import (
	"context"
	"fmt"

	"github.com/keyward/keyward/pkg/keyring"
	"github.com/keyward/keyward/pkg/kv"
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

// VerifyOpened is Verify for a store that is open; see [verify.Opened].
func VerifyOpened(ctx context.Context, store kv.Store, keys *keyring.Keyring, options verify.Options) (verify.Result, error) {
	return verify.Opened(ctx, verifiable, store, keys, options)
}

// verifiable describes the data file of an allowlist.
var verifiable = verify.Service{Name: purpose, Rows: endpoint.Rows{}, Row: endpoint.RowOf, Ref: endpoint.RefOf, Check: endpoint.Verify}
