// Command allowlist serves the allowlist: the registry of partners' endpoints, and
// the encryption of what goes to them and comes from them.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/server"
	"github.com/keyward/keyward/pkg/telemetry"
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

// CheckFiles reports what is wrong with the files that the configuration names.
func (c config) CheckFiles(r *filecheck.Report) {
	c.Server.CheckFiles(r, false)
	c.Allowlist.CheckFiles(r)
}

func main() {
	commands := append(cli.Serve(serve), cli.CreateKey(allowlist.CreateKey), cli.Compact(compact),
		cli.Configured("references", "List which endpoints refer to which secrets, and whether the vault knows", references),
		cli.Configured("reconcile", "Compare the endpoints with the bindings of the vault, and repair what differs", reconcile))
	cli.Main("allowlist", "Keeps endpoints, and encrypts and decrypts for them", commands...)
}

func compact(ctx context.Context, cfg config) error { return allowlist.Compact(ctx, cfg.Allowlist) }

func serve(ctx context.Context, cfg config) (err error) {
	t, err := telemetry.New(ctx, cfg.Server.Telemetry, "allowlist", os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	a, err := allowlist.New(ctx, cfg.Allowlist, t.Log, t.Metrics)
	if err != nil {
		return err
	}
	defer reconcileOnSignal(ctx, a, t.Log)()
	return server.Run(ctx, cfg.Server, t, a)
}
