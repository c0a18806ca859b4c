package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/upgrade"
)

// Upgrade returns the command `upgrade`, which rewrites the data file in the present stored form.
func Upgrade[C Checker](run func(context.Context, C, upgrade.Options) (upgrade.Result, error)) *cobra.Command {
	var witness string
	var quiet bool
	cmd := Configured("upgrade", "Rewrite the data file of a stopped program in the present stored form, and keep the old file",
		func(ctx context.Context, cfg C) error {
			var options upgrade.Options
			if witness != "" {
				checkpoint, err := os.ReadFile(witness)
				if err != nil {
					return fmt.Errorf("witness: %w", err)
				}
				options.Witness = string(checkpoint)
			}
			if !quiet {
				options.Progress = printProgress
			}
			result, err := run(ctx, cfg, options)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(os.Stdout, describe(result))
			return err
		})
	cmd.Flags().StringVar(&witness, "witness", "", "file with a checkpoint of the change log that another program has seen; an older data file is refused")
	cmd.Flags().BoolVar(&quiet, "quiet", false, "print no progress")
	return cmd
}

// printProgress prints a line for the progress of an upgrade.
func printProgress(p upgrade.Progress) {
	if p.Total == 0 {
		fmt.Fprintf(os.Stderr, "%s: %d rows\n", p.Step, p.Done)
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %d of %d\n", p.Step, p.Done, p.Total)
}

func describe(r upgrade.Result) string {
	if !r.Upgraded {
		return "nothing to upgrade: the data file has the present stored form, or does not exist yet"
	}
	return fmt.Sprintf("upgraded %d resources and a change log of %d entries; the old file is %s", r.Resources, r.Entries, r.Kept)
}
