package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/keyward/keyward/pkg/backup"
	"github.com/keyward/keyward/pkg/verify"
	maintenancev1 "github.com/keyward/keyward/proto/gen/keyward/maintenance/v1"
)

// A BackupClient is the client of a MaintenanceService.
type BackupClient interface {
	Backup(context.Context, *maintenancev1.BackupRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[maintenancev1.BackupResponse], error)
}

// Backup returns the command `backup`, which backs up the data file of the running program.
func Backup[C BackupClient](connect func(grpc.ClientConnInterface) C) *cobra.Command {
	var to remote
	var out string
	cmd := &cobra.Command{
		Use: "backup", Short: "Back up the data file of the running program to a new file", Args: cobra.NoArgs,
		Long: `Calls the MaintenanceService of the running program. The caller must be a super admin.

The file opens with the key-encryption key of the program's keyring. Keep that key elsewhere.`,
		RunE: to.run(func(cmd *cobra.Command, _ []string, conn *grpc.ClientConn) error {
			return receiveBackup(cmd.Context(), connect(conn), out, cmd.OutOrStdout())
		}),
	}
	to.flags(cmd)
	cmd.Flags().StringVar(&out, "out", "", "path of the new file, which must not exist")
	_ = cmd.MarkFlagRequired("out") // fails only for an unknown flag
	return cmd
}

// receiveBackup writes a backup to a new file, and prints its size and its head.
func receiveBackup(ctx context.Context, from BackupClient, path string, out io.Writer) error {
	var size int64
	var header backup.Header
	err := CreateNew(path, func(file *os.File) (err error) {
		if size, err = receive(ctx, from, file); err != nil {
			return err
		}
		header, err = headerOf(file)
		return err
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "wrote %s: %d bytes, head of the change log:\n%s", path, size, header.Checkpoint)
	return err
}

// CreateNew writes a file as [backup.Create] does, unless there is one.
func CreateNew(path string, write func(*os.File) error) error {
	if err := absent(path); err != nil {
		return err
	}
	return backup.Create(path, "."+filepath.Base(path)+"-*.partial", func(file *os.File) error {
		if err := write(file); err != nil {
			return err
		}
		return errors.Join(file.Sync(), absent(path)) // in this order, because a sync may take long
	})
}

// receive writes a backup to a file.
func receive(ctx context.Context, from BackupClient, file io.Writer) (size int64, err error) {
	stream, err := from.Backup(ctx, &maintenancev1.BackupRequest{Parent: everywhere})
	if err != nil {
		return 0, err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		n, err := file.Write(part.GetData())
		size += int64(n)
		if err != nil {
			return size, err
		}
	}
}

func headerOf(file io.ReadSeeker) (backup.Header, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return backup.Header{}, err
	}
	return backup.ReadHeader(file)
}

// absent fails if there is a file.
func absent(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists; choose another name, or move it away", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// VerifyBackup returns the command `verify-backup`, which reads all of a backup.
func VerifyBackup[C Checker](run func(context.Context, C, io.Reader, verify.Options) (backup.Summary, error), use Use[C]) *cobra.Command {
	var with string
	cmd := ofFile("verify-backup FILE", "Verify a backup: each byte, each row, and the change log", func(ctx context.Context, cfg C, file io.Reader) error {
		found, err := run(ctx, cfg, file, verify.Options{Report: printDifference, Use: use.of(cfg, with)})
		if err != nil {
			return err
		}
		return printSummary("verified", found)
	})
	use.flag(cmd, &with)
	return cmd
}

// Restore returns the command `restore`, which writes the data file of a backup. If it asks for a
// reason, run gets it.
func Restore[C Checker](run func(ctx context.Context, cfg C, file io.Reader, reason string) (backup.Summary, error), asks bool) *cobra.Command {
	var reason string
	cmd := ofFile("restore FILE", "Write the data file from a backup, unless it exists", func(ctx context.Context, cfg C, file io.Reader) error {
		found, err := run(ctx, cfg, file, reason)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w; stop the program, and move the old data file away, for example to its name with .before-restore", err)
		}
		if err != nil {
			return err
		}
		return printSummary("restored", found)
	})
	if asks {
		cmd.Flags().StringVar(&reason, "reason", "", "reason for the change log")
		_ = cmd.MarkFlagRequired("reason") // fails only for an unknown flag
	}
	return cmd
}

// ofFile returns a command that reads the configuration and a backup.
func ofFile[C Checker](use, short string, run func(context.Context, C, io.Reader) error) *cobra.Command {
	var path string
	cmd := Configured(use, short, func(ctx context.Context, cfg C) error {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(run(ctx, cfg, file), file.Close())
	})
	cmd.Args = cobra.ExactArgs(1)
	cmd.PreRun = func(_ *cobra.Command, args []string) { path = args[0] }
	return cmd
}

func printSummary(what string, s backup.Summary) error {
	_, err := fmt.Fprintf(os.Stdout, "%s: %d rows of the %s from %s, provider %s, head of the change log:\n%s",
		what, s.Rows, s.Service, s.CreateTime.Format(time.RFC3339), s.Provider, s.Checkpoint)
	return err
}
