package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/keyward/keyward/pkg/changelog"
	"github.com/keyward/keyward/services/vault/internal/secret"
)

// MarkRestored records in the data file of a stopped vault that the file is a restored backup: a new
// epoch begins, version numbers go on above those of the backup, and changes that could hurt endpoints
// are held until the resolvers have reconciled. Call it after the file is in its place, and before the
// vault starts on it. The reason is for the change log. Everything is one transaction, so after an
// error the file is as it was, and MarkRestored can be called again. A second call is another restore.
func MarkRestored(ctx context.Context, cfg Config, reason string) (err error) {
	if _, err := os.Stat(cfg.Store); err != nil {
		return fmt.Errorf("open store: %w", err) // and do not create one
	}
	store, keys, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	log, err := changelog.New(keys.LogSeeds(), purpose, time.Now)
	if err != nil {
		return fmt.Errorf("open change log: %w", err)
	}
	store.Attach(changelog.Name, log)
	restores, err := secret.OpenRestores(ctx, store, log, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	author := changelog.System(purpose)
	author.Reason = reason
	_, err = restores.Begin(ctx, author)
	return err
}
