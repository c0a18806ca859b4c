// Command standalone runs everything in one process on one machine, with nothing to
// configure: both services, the JSON front door, and identities of its own.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/services/cmd/internal/cli"
	"github.com/keyward/keyward/services/standalone"
)

func main() {
	cfg := standalone.DefaultConfig()
	cmd := &cobra.Command{
		Use: "standalone", Short: "Run everything in one process on this machine", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Telemetry.Traces.Insecure = cfg.Telemetry.Traces.Endpoint != ""
			// In the background of a terminal a read would stop the program; now it fails.
			signal.Ignore(syscall.SIGTTIN)
			return standalone.Run(cmd.Context(), cfg, os.Stdin, os.Stdout, os.Stderr)
		},
	}
	cmd.CompletionOptions.HiddenDefaultCmd = true
	flags := cmd.Flags()
	flags.StringVar(&cfg.Dir, "dir", cfg.Dir, "folder for data, keys and access files")
	flags.StringVar(&cfg.GRPC, "grpc", cfg.GRPC, "address of the gRPC port, on loopback")
	flags.StringVar(&cfg.JSON, "json", cfg.JSON, "address of the JSON port, on loopback")
	flags.StringVar(&cfg.Metrics, "metrics", cfg.Metrics, "address of the metrics port, on loopback; empty: none")
	flags.StringVar(&cfg.Telemetry.Log.Level, "log-level", cfg.Telemetry.Log.Level, "debug, info, warn or error")
	flags.StringVar(&cfg.Telemetry.Traces.Endpoint, "otlp", "", "host and port of an OTLP collector on this machine; empty: no traces")
	cli.Run(cmd)
}
