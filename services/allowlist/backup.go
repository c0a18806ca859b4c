package allowlist

import (
	"context"
	"fmt"
	"io"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/verify"
)

// VerifyBackup verifies a backup of an allowlist; see [backup.Verify]. It verifies the rows as [Verify] does.
// Report of the options receives each difference. It does not use the data file.
func VerifyBackup(ctx context.Context, cfg Config, from io.Reader, options verify.Options) (backup.Summary, error) {
	o, err := backupOptions(cfg)
	if err != nil {
		return backup.Summary{}, err
	}
	o.Check = backup.Compare(verifiable, options)
	return backup.Verify(ctx, o, from)
}

// Restore writes the data file from a backup, unless it exists; see [backup.Restore]. The vault refuses the
// head of a restored allowlist until a super admin accepts it.
func Restore(ctx context.Context, cfg Config, from io.Reader) (backup.Summary, error) {
	o, err := backupOptions(cfg)
	if err != nil {
		return backup.Summary{}, err
	}
	return backup.Restore(ctx, o, from, cfg.Store)
}

func backupOptions(cfg Config) (backup.Options, error) {
	if err := cfg.Check(); err != nil {
		return backup.Options{}, fmt.Errorf("check configuration: %w", err)
	}
	return backup.Options{Service: purpose, Providers: cfg.Keys.Providers()}, nil
}
