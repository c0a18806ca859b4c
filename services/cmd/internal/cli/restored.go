package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	vaultv1 "github.com/keyward/keyward/proto/gen/keyward/vault/v1"
)

// Restored returns the command `restored`, which shows and releases the last restore of the running
// vault.
func Restored() *cobra.Command {
	r := new(restored)
	cmd := &cobra.Command{
		Use: "restored", Short: "Show the last restore of the running vault, or end what it holds",
		Long: `Calls the MaintenanceService of the running vault. The caller must be a super admin.

After a restore, the vault holds changes that could hurt endpoints until each allowlist has bound again
what it needs.`,
	}
	r.flags(cmd)
	release := r.command("release", "Stop holding changes, although resolvers have not reconciled", r.release)
	release.Flags().StringVar(&r.reason, "reason", "", "reason for the change log")
	_ = release.MarkFlagRequired("reason") // fails only for an unknown flag
	cmd.AddCommand(r.command("show", "Print the last restore", r.show), release)
	return cmd
}

// restored is the command `restored`.
type restored struct{ remote }

// A restoredCall is a subcommand with a connection.
type restoredCall func(context.Context, vaultv1.MaintenanceServiceClient) (*vaultv1.Restore, error)

func (r *restored) command(use, short string, call restoredCall) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, _ []string, conn *grpc.ClientConn) error {
			last, err := call(cmd.Context(), vaultv1.NewMaintenanceServiceClient(conn))
			if err != nil {
				return err
			}
			return printRestore(cmd.OutOrStdout(), last)
		}),
	}
}

func (r *restored) show(ctx context.Context, to vaultv1.MaintenanceServiceClient) (*vaultv1.Restore, error) {
	res, err := to.GetRestore(ctx, &vaultv1.GetRestoreRequest{Parent: everywhere})
	return res.GetRestore(), err
}

func (r *restored) release(ctx context.Context, to vaultv1.MaintenanceServiceClient) (*vaultv1.Restore, error) {
	res, err := to.ReleaseRestore(ctx, &vaultv1.ReleaseRestoreRequest{Parent: everywhere, Reason: r.reason})
	return res.GetRestore(), err
}

// printRestore prints the last restore, which is nil if the vault was never restored.
func printRestore(out io.Writer, r *vaultv1.Restore) error {
	if r == nil {
		_, err := fmt.Fprintln(out, "the vault was never restored")
		return err
	}
	held := "no"
	if r.GetPending() {
		held = "yes"
	}
	var text strings.Builder
	fmt.Fprintf(&text, "restored      %s\nreason        %s\nepoch         %s\nlost heads    %d\nchanges held  %s\n",
		timeText(r.GetRestoreTime()), r.GetReason(), r.GetEpoch(), len(r.GetLostCheckpoints()), held)
	if r.GetReleaseTime() != nil {
		fmt.Fprintf(&text, "released      %s\n", timeText(r.GetReleaseTime()))
	}
	if len(r.GetResolvers()) > 0 {
		text.WriteByte('\n')
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprint(table, "RESOLVER\tRECONCILED\n")
		for _, one := range r.GetResolvers() {
			reconciled := "not yet"
			if one.GetReconcileTime() != nil {
				reconciled = timeText(one.GetReconcileTime())
			}
			_, _ = fmt.Fprintf(table, "%s\t%s\n", one.GetResolver(), reconciled)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}
