// Command bench measures Keyward against the limits of what it is built on: `make bench` and
// `make bench-scale`. See docs/performance.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/bench/internal/limit"
	"github.com/keyward/keyward/services/bench/internal/report"
	"github.com/keyward/keyward/services/bench/internal/run"
)

func main() {
	root := &cobra.Command{Use: "bench", Short: "Measures Keyward against the limits of what it is built on", SilenceUsage: true, SilenceErrors: true}
	root.CompletionOptions.HiddenDefaultCmd = true
	telemetry.SilenceGRPC()
	root.AddCommand(loadCommand(), limitCommand())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// limitCommand serves a limit. The benchmark starts it.
func limitCommand() *cobra.Command {
	return &cobra.Command{
		Use: "limit FILE", Short: "Serve a limit that the configuration file FILE describes", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error { return limit.Run(cmd.Context(), args[0]) },
	}
}

func loadCommand() *cobra.Command {
	var cfg run.Config
	var seconds float64
	var quick bool
	var json, markdown string
	cmd := &cobra.Command{
		Use: "load", Short: "Measure calls to the programs, apart and with mutual TLS, and their limits", Args: cobra.NoArgs,
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
			return publish(got, json, markdown)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&cfg.Programs, "programs", "bin", "folder of the programs vault, allowlist, and gateway")
	flags.StringSliceVar(&cfg.Cases, "cases", nil, "cases to measure, by the beginning of their names (default all)")
	flags.IntSliceVar(&cfg.Callers, "callers", []int{1, 16, 64}, "numbers of callers")
	flags.IntVar(&cfg.Rounds, "rounds", 5, "rounds of each target; figures are medians")
	flags.Float64Var(&seconds, "seconds", 1, "duration of a round in seconds")
	flags.IntVar(&cfg.Secrets, "secrets", 10_000, "secrets in the vault")
	flags.IntVar(&cfg.Endpoints, "endpoints", 10_000, "endpoints in the allowlist")
	flags.BoolVar(&quick, "quick", false, "a run of less than a minute, to see that everything works")
	flags.StringVar(&json, "json", "", "also write the report as JSON to this file")
	flags.StringVar(&markdown, "markdown", "", "also write the table as Markdown to this file")
	return cmd
}

// makeQuick shortens the run, except for what the caller chose.
func makeQuick(cmd *cobra.Command, cfg *run.Config, seconds *float64) {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	if !given("callers") {
		cfg.Callers = []int{16}
	}
	if !given("rounds") {
		cfg.Rounds = 1
	}
	if !given("seconds") {
		*seconds = 0.2
	}
	if !given("secrets") {
		cfg.Secrets = 200
	}
	if !given("endpoints") {
		cfg.Endpoints = 100
	}
}

// publish prints the report and writes the files.
func publish(r report.Report, json, markdown string) error {
	if err := r.WriteText(os.Stdout); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if json != "" {
		if err := toFile(json, r.WriteJSON); err != nil {
			return err
		}
	}
	if markdown != "" {
		if err := toFile(markdown, r.WriteMarkdown); err != nil {
			return err
		}
	}
	var errs []error
	for _, text := range r.Failed() {
		errs = append(errs, errors.New(text))
	}
	return errors.Join(errs...)
}
