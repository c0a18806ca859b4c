package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/services/bench/internal/layout"
	"github.com/keyward/keyward/services/bench/internal/report"
)

func layoutCommand() *cobra.Command {
	var cfg layout.Config
	cmd := &cobra.Command{
		Use: "layout", Short: "Count the pages that a commit writes under several layouts of keys", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Folder, err = os.MkdirTemp("", "keyward-bench-"); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, os.RemoveAll(cfg.Folder)) }()
			figures, err := layout.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return report.WritePages(os.Stdout, cfg.Secrets, figures)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&cfg.Secrets, "secrets", 100_000, "secrets in the store before the first change")
	flags.IntVar(&cfg.Changes, "changes", 3000, "changes for each figure")
	flags.StringSliceVar(&cfg.Layouts, "layouts", nil, "layouts, by the beginning of their names (default all)")
	flags.BoolVar(&cfg.Sequential, "growing", true, "also measure IDs that grow")
	return cmd
}
