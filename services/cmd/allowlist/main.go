// Command allowlist serves the allowlist, which registers partners' endpoints, and encrypts and
// decrypts their messages.
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/keyring/kek"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/pkg/upgrade"
	"github.com/keyward/keyward/pkg/verify"
	allowlistv1 "github.com/keyward/keyward/proto/gen/keyward/allowlist/v1"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/cmd/internal/cli"
)

type config struct {
	Server    server.Config    `yaml:",inline"`
	Allowlist allowlist.Config `yaml:",inline"`
}

func (c config) Check() error {
	return errors.Join(c.Server.Check(), c.Server.Limits.CheckFor(allowlist.MaxMessage), c.Allowlist.Check())
}

// CheckFiles reports errors and warnings about the files that the configuration names.
func (c config) CheckFiles(r *filecheck.Report) {
	c.Server.CheckFiles(r, false)
	c.Allowlist.CheckFiles(r)
}

func main() {
	commands := append(cli.Serve(serve), cli.CreateKey(allowlist.CreateKey), cli.Compact(compact), cli.Upgrade(upgradeStore), cli.Verify(verifyStore, vaultInventory), cli.LogKey(logKey),
		cli.Configured("references", "List the references of endpoints to secrets, and whether the vault has a binding for each", references),
		reconcileCommand(), presetsCommand(),
		cli.Keyring(allowlistv1.NewKeyringServiceClient),
		cli.Backup(allowlistv1.NewMaintenanceServiceClient),
		cli.VerifyBackup(verifyBackup, vaultInventory), cli.Restore(restore, false),
		cli.Purge(allowlistv1.NewMaintenanceServiceClient))
	cli.Main("allowlist", "Serves the allowlist: registers partners' endpoints, and encrypts and decrypts their messages", commands...)
}

func compact(ctx context.Context, cfg config) error { return allowlist.Compact(ctx, cfg.Allowlist) }

func verifyBackup(ctx context.Context, cfg config, file io.Reader, options verify.Options) (backup.Summary, error) {
	return allowlist.VerifyBackup(ctx, cfg.Allowlist, file, options)
}

func restore(ctx context.Context, cfg config, file io.Reader, _ string) (backup.Summary, error) {
	return allowlist.Restore(ctx, cfg.Allowlist, file)
}

func upgradeStore(ctx context.Context, cfg config, options upgrade.Options) (upgrade.Result, error) {
	return allowlist.Upgrade(ctx, cfg.Allowlist, options)
}

func verifyStore(ctx context.Context, cfg config, options verify.Options) (verify.Result, error) {
	return allowlist.Verify(ctx, cfg.Allowlist, options)
}

func serve(ctx context.Context, cfg config) (err error) {
	t, err := telemetry.New(ctx, cfg.Server.Telemetry, "allowlist", os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	signal.Ignore(syscall.SIGUSR1) // until the allowlist is open; reconcileOnSignal catches it
	ignoreSignal := func() {}
	defer func() { ignoreSignal() }()
	open := func(ctx context.Context) (server.Service, error) {
		a, err := allowlist.New(ctx, cfg.Allowlist, t.Log, t.Metrics)
		if err != nil {
			return nil, err
		}
		ignoreSignal = reconcileOnSignal(ctx, a, t.Log)
		return a, nil
	}
	return server.RunOpening(ctx, cfg.Server, t, server.Opening{Open: open, Awaits: kek.Awaits})
}
