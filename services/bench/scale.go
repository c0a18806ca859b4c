package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/services/bench/internal/report"
	"github.com/keyward/keyward/services/bench/internal/scale"
)

func scaleCommand() *cobra.Command {
	cfg := scale.Config{Progress: os.Stderr}
	var out output
	cmd := &cobra.Command{
		Use: "scale", Short: "Measure calls, memory, disk, and start with many secrets and endpoints", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cfg.Cache == "" {
				folder, err := os.UserCacheDir()
				if err != nil {
					return fmt.Errorf("find a folder for filled stores; choose one with --cache: %w", err)
				}
				cfg.Cache = filepath.Join(folder, "keyward-bench")
			}
			cfg.WarmUp = cfg.Round / 2
			sizes, err := scale.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			return out.publish(report.Scale{Machine: report.ThisMachine(), Sizes: sizes})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Programs, "programs", "bin", "folder of the programs vault and allowlist")
	flags.IntSliceVar(&cfg.Sizes, "sizes", []int{10_000, 100_000, 1_000_000}, "numbers of secrets; each has as many endpoints, up to --endpoints")
	flags.IntVar(&cfg.Endpoints, "endpoints", 100_000, "greatest number of endpoints")
	flags.IntVar(&cfg.Callers, "callers", 16, "number of callers")
	flags.IntVar(&cfg.Rounds, "rounds", 5, "rounds of each case; figures are medians")
	flags.DurationVar(&cfg.Round, "round", time.Second, "duration of a round")
	flags.StringVar(&cfg.Cache, "cache", "", "folder for filled stores, about 8 GiB for 1,000,000 secrets (default one in the cache folder of the user)")
	out.addTo(flags)
	return cmd
}
