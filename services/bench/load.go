package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/services/bench/internal/run"
)

func loadCommand() *cobra.Command {
	var cfg run.Config
	var seconds float64
	var quick bool
	var out output
	cmd := &cobra.Command{
		Use: "load", Short: "Measure calls to the programs, apart and with mutual TLS, and the limits of these calls", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cfg.Self, err = os.Executable(); err != nil {
				return fmt.Errorf("find this program: %w", err)
			}
			if quick {
				makeQuick(cmd, &cfg, &seconds)
			}
			cfg.Round = time.Duration(seconds * float64(time.Second))
			cfg.WarmUp = cfg.Round / 2
			cfg.Progress = os.Stderr
			got, err := run.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return out.publish(got)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Programs, "programs", "bin", "folder of the programs vault, allowlist, and gateway")
	flags.StringVar(&cfg.Folder, "folder", "", "folder on the disk to measure (default that for temporary files)")
	flags.StringSliceVar(&cfg.Cases, "cases", nil, "cases to measure, by the beginning of their names (default all)")
	flags.IntSliceVar(&cfg.Callers, "callers", []int{1, 16, 64}, "numbers of callers")
	flags.IntVar(&cfg.Rounds, "rounds", 5, "rounds of each target; figures are medians")
	flags.Float64Var(&seconds, "seconds", 1, "duration of a round in seconds")
	flags.IntVar(&cfg.Secrets, "secrets", 10_000, "secrets in the vault")
	flags.IntVar(&cfg.Endpoints, "endpoints", 10_000, "endpoints in the allowlist")
	flags.IntVar(&cfg.PagesSecrets, "pages-secrets", 5_000, "secrets in the stores whose pages are counted; 0 also skips the reads with MACs")
	flags.BoolVar(&quick, "quick", false, "a run of less than a minute that shows that everything works")
	out.addTo(flags)
	return cmd
}

// makeQuick shortens the run, except for what the caller chose.
func makeQuick(cmd *cobra.Command, cfg *run.Config, seconds *float64) {
	short := map[string]func(){
		"callers":       func() { cfg.Callers = []int{16} },
		"rounds":        func() { cfg.Rounds = 1 },
		"seconds":       func() { *seconds = 0.2 },
		"secrets":       func() { cfg.Secrets = 200 },
		"endpoints":     func() { cfg.Endpoints = 100 },
		"pages-secrets": func() { cfg.PagesSecrets = 500 },
	}
	for name, shorten := range short {
		if !cmd.Flags().Changed(name) {
			shorten()
		}
	}
}
