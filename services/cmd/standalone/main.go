// Command standalone runs both services and the JSON front door in one process on one machine. It
// creates its identities and needs no configuration.
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
		Use: "standalone", Short: "Run both services and the JSON front door in one process on this machine", Args: cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Telemetry.Traces.Insecure = cfg.Telemetry.Traces.Endpoint != ""
			// In the background of a terminal, a read would otherwise stop the program. Now the read fails.
			signal.Ignore(syscall.SIGTTIN)
			return standalone.Run(cmd.Context(), cfg, os.Stdin, os.Stdout, os.Stderr)
		},
	}
	cmd.CompletionOptions.HiddenDefaultCmd = true
	flags := cmd.Flags()
	flags.StringVar(&cfg.Dir, "dir", cfg.Dir, "folder for data, keys, and access files")
	flags.StringVar(&cfg.GRPC, "grpc", cfg.GRPC, "loopback address of the gRPC port")
	flags.StringVar(&cfg.JSON, "json", cfg.JSON, "loopback address of the JSON port")
	flags.StringVar(&cfg.Metrics, "metrics", cfg.Metrics, "loopback address of the metrics port; empty disables metrics")
	flags.StringVar(&cfg.Telemetry.Log.Level, "log-level", cfg.Telemetry.Log.Level, "minimum level of the log: debug, info, warn, or error")
	flags.StringVar(&cfg.Telemetry.Traces.Endpoint, "otlp", "", "host and port of an OTLP collector on this machine; empty disables traces")
	flags.StringVar(&cfg.Integrity, "integrity", "stop", "reaction to stored data that something else changed: stop (health is NOT_SERVING) or alarm")
	flags.StringVar(&cfg.PresetsDir, "presets-dir", "", "folder with presets of your own, which is read at start; empty: only built-in presets")
	cli.Run(cmd)
}
