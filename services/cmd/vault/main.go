// Command vault serves the vault, which stores secrets.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/pkg/verify"
	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
	"github.com/keyward/keyward/services/cmd/internal/cli"
	"github.com/keyward/keyward/services/vault"
)

type config struct {
	Server server.Config `yaml:",inline"`
	Vault  vault.Config  `yaml:",inline"`
}

func (c config) Check() error { return errors.Join(c.Server.Check(), c.Vault.Check()) }

// CheckFiles reports errors and warnings about the files that the configuration names. It reports
// a policy without a resolver, because no one could use the secrets then.
func (c config) CheckFiles(r *filecheck.Report) {
	c.Server.CheckFiles(r, true)
	c.Vault.CheckFiles(r)
}

func main() {
	commands := append(cli.Serve(serve), cli.CreateKey(vault.CreateKey), cli.Compact(compact), cli.Upgrade(upgradeStore), cli.Verify(verifyStore, inventory), cli.LogKey(logKey), sealCommand(),
		cli.VaultKeyring(vaultv1.NewKeyringServiceClient),
		cli.Backup(vaultv1.NewMaintenanceServiceClient),
		cli.VerifyBackup(verifyBackup, inventory), cli.Restore(restore, true), cli.Restored(),
		cli.Purge(vaultv1.NewMaintenanceServiceClient))
	cli.Main("vault", "Serves the vault: stores secrets whose values are write-only", commands...)
}

func compact(ctx context.Context, cfg config) error { return vault.Compact(ctx, cfg.Vault) }

func upgradeStore(ctx context.Context, cfg config, options upgrade.Options) (upgrade.Result, error) {
	return vault.Upgrade(ctx, cfg.Vault, options)
}

func verifyBackup(ctx context.Context, cfg config, file io.Reader, options verify.Options) (backup.Summary, error) {
	return vault.VerifyBackup(ctx, cfg.Vault, file, options)
}

// inventory writes the inventory of the verified rows to a new file.
var inventory = cli.Use[config]{
	Flag: "inventory",
	Help: "new file for the inventory of the vault, without values, for --vault-inventory of the allowlist's verify and verify-backup",
	Do: func(_ config, path string, verified verify.Store) error {
		return cli.CreateNew(path, func(file *os.File) error { return vault.WriteInventory(verified, file) })
	},
}

func restore(ctx context.Context, cfg config, file io.Reader, reason string) (backup.Summary, error) {
	return vault.Restore(ctx, cfg.Vault, file, reason)
}

func logKey(ctx context.Context, cfg config) (string, error) { return vault.LogKey(ctx, cfg.Vault) }

func verifyStore(ctx context.Context, cfg config, options verify.Options) (verify.Result, error) {
	return vault.Verify(ctx, cfg.Vault, options)
}

func serve(ctx context.Context, cfg config) (err error) {
	t, err := telemetry.New(ctx, cfg.Server.Telemetry, "vault", os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	open := func(ctx context.Context) (server.Service, error) {
		v, err := vault.New(ctx, cfg.Vault, t.Log)
		if err != nil {
			return nil, err
		}
		if err := v.Measure(t.Metrics); err != nil { //nolint:contextcheck // a scrape has no context
			return nil, errors.Join(err, v.Close())
		}
		return v, nil
	}
	return server.RunOpening(ctx, cfg.Server, t, server.Opening{Open: open, Awaits: kek.Awaits})
}
