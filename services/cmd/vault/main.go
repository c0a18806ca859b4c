// Command vault serves the vault: it keeps secrets.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/cmd/internal/cli"
	"github.com/keyward/keyward/services/vault"
)

type config struct {
	Server server.Config `yaml:",inline"`
	Vault  vault.Config  `yaml:",inline"`
}

func (c config) Check() error { return errors.Join(c.Server.Check(), c.Vault.Check()) }

// CheckFiles reports what is wrong with the files that the configuration names. Without
// a resolver no one could use what the vault keeps.
func (c config) CheckFiles(r *filecheck.Report) {
	c.Server.CheckFiles(r, true)
	c.Vault.CheckFiles(r)
}

func main() {
	commands := append(cli.Serve(serve), cli.CreateKey(vault.CreateKey), cli.Compact(compact), sealCommand())
	cli.Main("vault", "Keeps secrets: stores a value once and never shows it again", commands...)
}

func compact(ctx context.Context, cfg config) error { return vault.Compact(ctx, cfg.Vault) }

func serve(ctx context.Context, cfg config) (err error) {
	t, err := telemetry.New(ctx, cfg.Server.Telemetry, "vault", os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	v, err := vault.New(ctx, cfg.Vault, t.Log)
	if err != nil {
		return err
	}
	return server.Run(ctx, cfg.Server, t, v)
}
