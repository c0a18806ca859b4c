// Package cli is shared by the main packages of the programs. It provides the commands `serve`,
// `check`, `compact`, `upgrade`, `verify`, `log-key`, `create-key`, `backup`, `verify-backup`, `restore`,
// `restored`, `keyring`, `purge`, and `version`, the basis of other commands, and the shutdown of a
// program.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/buildinfo"
	"github.com/keyward/keyward/pkg/filecheck"
	"github.com/keyward/keyward/pkg/kv/boltkv"
	"github.com/keyward/keyward/pkg/memory"
	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/cmd/internal/config"
)

// heapRoom is the size to which the heap of a program grows before garbage is collected, unless
// GOGC is set. It is small for a server, and much more than the live heap of most of them.
const heapRoom = 64 << 20

// Main runs a program until it finishes or receives SIGINT or SIGTERM, and exits.
func Main(name, short string, commands ...*cobra.Command) {
	root := &cobra.Command{Use: name, Short: short, SilenceUsage: true, SilenceErrors: true}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(commands...)
	Run(root)
}

// Run runs a command until it finishes or receives SIGINT or SIGTERM, and exits. It protects the
// memory of the process from dumps, and sets how often garbage is collected.
func Run(root *cobra.Command) {
	memory.Protect()
	if os.Getenv("GOGC") == "" {
		memory.Room(heapRoom)
	}
	telemetry.SilenceGRPC()
	root.Version = buildinfo.Read().String()
	root.AddCommand(version(root.Name()))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root.ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", root.Name(), err)
		os.Exit(1)
	}
}

// version returns the command `version`, which prints more than the flag.
func version(program string) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, the commit, the Go version, and the stored form that this release writes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), buildinfo.Read().Describe(program, boltkv.FormatVersion))
			return err
		},
	}
}

// A Checker is a configuration that can report all of its errors.
type Checker interface{ Check() error }

// A FileChecker is a configuration that can check the files that it names.
type FileChecker interface {
	Checker
	CheckFiles(*filecheck.Report)
}

// Serve returns the commands `serve`, which runs the program, and `check`, which checks only its
// configuration file and, on request, the files that it names.
func Serve[C FileChecker](run func(context.Context, C) error) []*cobra.Command {
	var files bool
	check := Configured("check", "Check the configuration file and, with --files, the files that it names", func(_ context.Context, cfg C) error {
		if files {
			return checkFiles(cfg)
		}
		_, err := fmt.Fprintln(os.Stdout, "the configuration is well-formed; the files that it names were not opened")
		return err
	})
	check.Flags().BoolVar(&files, "files", false, "also open the files that the configuration names, and report errors and warnings")
	return []*cobra.Command{Configured("serve", "Serve until SIGINT or SIGTERM", run), check}
}

// checkFiles prints a line for each error and each warning, and fails if there is an error.
func checkFiles(cfg FileChecker) error {
	report := filecheck.New(time.Now())
	cfg.CheckFiles(report)
	var text strings.Builder
	for _, err := range report.Errors() {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(&text, "error: %s\n", line)
		}
	}
	for _, warning := range report.Warnings() {
		fmt.Fprintf(&text, "warning: %s\n", warning)
	}
	failed, warnings := len(report.Errors()), len(report.Warnings())
	if failed+warnings == 0 {
		text.WriteString("the configuration and the files that it names are well-formed\n")
	}
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		return fmt.Errorf("print report: %w", err)
	}
	if failed > 0 {
		return fmt.Errorf("the files that the configuration names have %d errors and %d warnings; see the lines above", failed, warnings)
	}
	return nil
}

// Compact returns the command `compact`, which rewrites the data file.
func Compact[C Checker](run func(context.Context, C) error) *cobra.Command {
	return Configured("compact", "Rewrite the data file of a stopped program, to shrink it; erases the old file", run)
}

// LogKey returns the command `log-key`, which prints the public key of the change log.
func LogKey[C Checker](read func(context.Context, C) (string, error)) *cobra.Command {
	return Configured("log-key", "Print the public key of the change log of a stopped program, which verifies its checkpoints", func(ctx context.Context, cfg C) error {
		key, err := read(ctx, cfg)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(os.Stdout, key)
		return err
	})
}

// Configured returns a command that reads the configuration file.
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
			return explain(run(cmd.Context(), cfg), cmd.Root().Name(), path)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "path of the configuration file (YAML)")
	_ = cmd.MarkFlagRequired("config") // fails only for an unknown flag
	return cmd
}

// explain adds the command that upgrades the data file to an error that asks for it.
func explain(err error, program, path string) error {
	if !errors.Is(err, boltkv.ErrEarlier) {
		return err
	}
	return fmt.Errorf("%w; to upgrade it, run: %s upgrade --config %s", err, program, path)
}

// CreateKey returns the command that creates a key file.
func CreateKey(create func(path string) error) *cobra.Command {
	return &cobra.Command{
		Use:   "create-key FILE",
		Short: "Create a new key-encryption key in FILE, which must not exist",
		Args:  cobra.ExactArgs(1),
		RunE:  func(_ *cobra.Command, args []string) error { return create(args[0]) },
	}
}
