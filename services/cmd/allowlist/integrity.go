package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/telemetry"
	"github.com/keyward/keyward/services/allowlist"
	"github.com/keyward/keyward/services/cmd/internal/cli"
)

// references prints a line for each reference and each binding: the state, the secret, and the
// referrer. The state says whether reference and binding match.
func references(ctx context.Context, cfg config) error {
	policy, err := cfg.Server.LoadPolicy()
	if err != nil {
		return err
	}
	out, unsound := newTable(os.Stdout), 0
	err = allowlist.References(ctx, cfg.Allowlist, policy, commandLog(), func(l allowlist.Link) {
		out.row(string(l.State), l.Secret, l.Referrer)
		if !l.State.Sound() {
			unsound++
		}
	})
	if err := errors.Join(err, out.finish()); err != nil {
		return err
	}
	if unsound > 0 {
		return fmt.Errorf("%d rows need attention: for UNBOUND and UNNEEDED, run reconcile; for LOST, save the endpoint or credential that refers to the secret again; for MIXED and SENDERS_DIFFER, store another key", unsound)
	}
	return nil
}

// reconcileCommand returns the command that compares and repairs.
func reconcileCommand() *cobra.Command {
	var accept string
	cmd := cli.Configured("reconcile", "Compare the references of endpoints with the bindings in the vault, and repair differences",
		func(ctx context.Context, cfg config) error { return reconcile(ctx, cfg, accept) })
	cmd.Flags().StringVar(&accept, "accept-restored-vault", "", "reason why the vault was restored from a backup; without it, a vault whose change log was rolled back is refused")
	return cmd
}

// reconcile prints a line for each difference and for each remaining loss: the repair, the secret,
// and the current or former referrer.
func reconcile(ctx context.Context, cfg config, accept string) error {
	policy, err := cfg.Server.LoadPolicy()
	if err != nil {
		return err
	}
	out, repaired, lost := newTable(os.Stdout), 0, 0
	err = allowlist.Reconcile(ctx, cfg.Allowlist, policy, accept, commandLog(), func(f allowlist.Discrepancy) {
		out.row(string(f.Repair), f.Secret, f.Referrer)
		if f.Repair.Repaired() {
			repaired++
		}
		if f.Repair.Loss() {
			lost++
		}
	})
	if err := errors.Join(err, out.finish()); err != nil {
		return err
	}
	var left []error
	if repaired > 0 {
		left = append(left, fmt.Errorf("found and repaired %d differences", repaired))
	}
	if lost > 0 {
		left = append(left, fmt.Errorf("%d references are lost: save the endpoints in the rows SWITCHED_OFF and LOST again, then activate them", lost))
	}
	return errors.Join(left...)
}

// A table writes lines of tab-separated columns.
type table struct{ out *bufio.Writer }

func newTable(w io.Writer) table { return table{bufio.NewWriter(w)} }

func (t table) row(columns ...string) {
	_, _ = t.out.WriteString(strings.Join(columns, "\t") + "\n") // finish returns the first error
}

func (t table) finish() error { return t.out.Flush() }

func logKey(ctx context.Context, cfg config) (string, error) {
	return allowlist.LogKey(ctx, cfg.Allowlist, commandLog())
}

func commandLog() *slog.Logger { return telemetry.NewLogger(os.Stderr, slog.LevelWarn, "allowlist") }

// reconcileOnSignal compares and repairs on each SIGUSR1 until stop is called. The log contains
// the number of differences and no names.
func reconcileOnSignal(ctx context.Context, a *allowlist.Allowlist, logger *slog.Logger) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals, ended := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGUSR1)
	go func() {
		defer close(ended)
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				report(ctx, a, logger)
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		cancel()
		<-ended
	}
}

func report(ctx context.Context, a *allowlist.Allowlist, logger *slog.Logger) {
	repairs, err := a.Reconcile(ctx)
	switch {
	case ctx.Err() != nil: // the program is stopping; the next start compares again
	case err != nil:
		logger.LogAttrs(ctx, slog.LevelError, "comparison of references and bindings failed", slog.Int("repairs", repairs), slog.Any("cause", err))
	case repairs > 0:
		logger.LogAttrs(ctx, slog.LevelWarn, "references and bindings differed and were repaired", slog.Int("repairs", repairs))
	default:
		logger.LogAttrs(ctx, slog.LevelInfo, "references and bindings agree")
	}
}
