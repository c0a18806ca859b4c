package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

// A PurgeClient is the client of a MaintenanceService.
type PurgeClient interface {
	PurgeDeletedData(context.Context, *maintenancev1.PurgeDeletedDataRequest, ...grpc.CallOption) (*maintenancev1.PurgeDeletedDataResponse, error)
}

// Purge returns the command `purge`, which erases deleted data from the data file of the running program.
func Purge[C PurgeClient](connect func(grpc.ClientConnInterface) C) *cobra.Command {
	var to remote
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "purge", Short: "Erase what was deleted from the data file of the running program", Args: cobra.NoArgs,
		Long: `Calls PurgeDeletedData of the running program, which overwrites everything that was deleted,
destroyed, or replaced before the call. The program does so by itself, too, within a minute. The
caller must be a super admin.`,
		RunE: to.run(func(cmd *cobra.Command, _ []string, conn *grpc.ClientConn) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			res, err := connect(conn).PurgeDeletedData(ctx, &maintenancev1.PurgeDeletedDataRequest{Parent: everywhere})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "nothing is left of what was deleted; %d bytes were erased\n", res.GetErasedBytes())
			return err
		}),
	}
	to.flags(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "maximum time to wait")
	return cmd
}
