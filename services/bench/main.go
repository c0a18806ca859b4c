// Command bench measures Keyward against the limits of what it is built on, and at scale: `make
// bench` and `make bench-scale`. See docs/performance.md.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/bench/internal/limit"
)

func main() {
	root := &cobra.Command{Use: "bench", Short: "Measures Keyward against the limits of what it is built on, and at scale", SilenceUsage: true, SilenceErrors: true}
	root.CompletionOptions.HiddenDefaultCmd = true
	telemetry.SilenceGRPC()
	root.AddCommand(loadCommand(), scaleCommand(), layoutCommand(), limitCommand())
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
