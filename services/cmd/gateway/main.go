// Command gateway serves the JSON front door of the vault and the allowlist.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/cmd/internal/cli"
	"github.com/keyward/keyward/services/frontdoor"
)

type config struct {
	Telemetry telemetry.Config `yaml:",inline"`
	FrontDoor frontdoor.Config `yaml:",inline"`
}

func (c config) Check() error { return errors.Join(c.Telemetry.Check(), c.FrontDoor.Check()) }

// CheckFiles reports errors and warnings about the files that the configuration names.
func (c config) CheckFiles(r *filecheck.Report) { c.FrontDoor.CheckFiles(r) }

func main() {
	cli.Main("gateway", "Serves the JSON API of the vault and the allowlist over HTTPS", cli.Serve(serve)...)
}

func serve(ctx context.Context, cfg config) (err error) {
	t, err := telemetry.New(ctx, cfg.Telemetry, "gateway", os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close(context.WithoutCancel(ctx))) }()
	memory.Watch(ctx, t.Log)
	return frontdoor.Run(ctx, cfg.FrontDoor, t)
}
