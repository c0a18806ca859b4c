// Package cli is what the mains of the programs have in common: the commands
// `serve`, `check` and `create-key`, what others are made of, and the way a program
// ends.
package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/config"
	"github.com/keyward/keyward/pkg/telemetry"
)

// Main runs a program until it is done or is asked to end, and exits.
func Main(name, short string, commands ...*cobra.Command) {
	root := &cobra.Command{Use: name, Short: short, SilenceUsage: true, SilenceErrors: true}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands...)
	Run(root)
}

// Run runs a command until it is done or is asked to end, and exits.
func Run(root *cobra.Command) {
	telemetry.SilenceGRPC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
		os.Exit(1)
	}
}

// A Checker is a configuration that can say all that is wrong with it.
type Checker interface{ Check() error }

// Serve returns the commands `serve`, which runs the program, and `check`, which
// only looks at its configuration file.
func Serve[C Checker](run func(context.Context, C) error) []*cobra.Command {
	say := func(context.Context, C) error {
		_, err := fmt.Fprintln(os.Stdout, "the configuration is well-formed; the files that it names were not opened")
		return err
	}
	return []*cobra.Command{
		Configured("serve", "Serve until SIGINT or SIGTERM", run),
		Configured("check", "Check the configuration file, but open nothing that it names", say),
	}
}

// Compact returns the command `compact`, which writes the data file anew.
func Compact[C Checker](run func(context.Context, C) error) *cobra.Command {
	return Configured("compact", "Write the data file of a stopped program anew: smaller, and nothing left of what was destroyed", run)
}

// Configured returns a command that works with the configuration file.
func Configured[C Checker](name, short string, run func(context.Context, C) error) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var cfg C
			if err := config.Load(path, &cfg); err != nil {
				return err
			}
			if err := cfg.Check(); err != nil {
				return err
			}
			return run(cmd.Context(), cfg)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "path of the configuration file (YAML)")
	_ = cmd.MarkFlagRequired("config") // fails only for a flag that does not exist
	return cmd
}

// CreateKey returns the command that makes a key file.
func CreateKey(create func(path string) error) *cobra.Command {
	return &cobra.Command{
		Use:   "create-key FILE",
		Short: "Make a new key-encryption key; never writes over a file",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return create(args[0]) },
	}
}
