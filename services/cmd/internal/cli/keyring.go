package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/keyward/keyward/pkg/client"
	"github.com/keyward/keyward/pkg/resource"
	keyringv1 "github.com/keyward/keyward/proto/gen/keyward/keyring/v1"
)

// everywhere is the parent of all requests: the keys serve all workspaces.
const everywhere = resource.Everywhere

// A KeyringClient is the client of a KeyringService.
type KeyringClient interface {
	GetKeyring(context.Context, *keyringv1.GetKeyringRequest, ...grpc.CallOption) (*keyringv1.GetKeyringResponse, error)
	RotateKeyring(context.Context, *keyringv1.RotateKeyringRequest, ...grpc.CallOption) (*keyringv1.RotateKeyringResponse, error)
	EnableKey(context.Context, *keyringv1.EnableKeyRequest, ...grpc.CallOption) (*keyringv1.EnableKeyResponse, error)
	DisableKey(context.Context, *keyringv1.DisableKeyRequest, ...grpc.CallOption) (*keyringv1.DisableKeyResponse, error)
	DestroyKey(context.Context, *keyringv1.DestroyKeyRequest, ...grpc.CallOption) (*keyringv1.DestroyKeyResponse, error)
	ReplaceKeyProvider(context.Context, *keyringv1.ReplaceKeyProviderRequest, ...grpc.CallOption) (*keyringv1.ReplaceKeyProviderResponse, error)
}

// A RewrapClient is the client of a KeyringService of a service that stores values.
type RewrapClient interface {
	KeyringClient
	RewrapSecrets(context.Context, *keyringv1.RewrapSecretsRequest, ...grpc.CallOption) (*keyringv1.RewrapSecretsResponse, error)
	CancelRewrap(context.Context, *keyringv1.CancelRewrapRequest, ...grpc.CallOption) (*keyringv1.CancelRewrapResponse, error)
}

// A remote is the flags of the commands that call a running program.
type remote struct {
	address, serverName, ca, certificate, key, token string
	reason                                           string
}

func (r *remote) flags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.StringVar(&r.address, "address", "", "gRPC address of the running program, such as vault.internal:9443")
	flags.StringVar(&r.serverName, "server-name", "", "name in the program's certificate, a host or a SPIFFE ID (default: the host of the address)")
	flags.StringVar(&r.ca, "ca", "", "file with the authorities of the program's certificate, PEM (default: those of the system)")
	flags.StringVar(&r.certificate, "certificate", "", "file with the caller's certificate chain, PEM")
	flags.StringVar(&r.key, "key", "", "file with the caller's private key, PEM")
	flags.StringVar(&r.token, "token-file", "", "file with the caller's token, which must have the role super_admin")
	_ = cmd.MarkPersistentFlagRequired("address") // fails only for an unknown flag
}

// dial connects to the program.
func (r *remote) dial() (*grpc.ClientConn, error) {
	cfg := client.Config{Address: r.address, ServerName: r.serverName, CA: r.ca, Certificate: r.certificate, Key: r.key}
	if r.token != "" {
		cfg.Token = client.FileToken(r.token)
	}
	return client.Dial(cfg)
}

// run returns what a command runs: the call with a connection to the program.
func (r *remote) run(call func(cmd *cobra.Command, args []string, conn *grpc.ClientConn) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		conn, err := r.dial()
		if err != nil {
			return err
		}
		return errors.Join(call(cmd, args, conn), conn.Close())
	}
}

// VaultKeyring is [Keyring] for a service that stores values, which can be rewrapped.
func VaultKeyring[C RewrapClient](connect func(grpc.ClientConnInterface) C) *cobra.Command {
	k := newKeyring(connect)
	cmd := k.root()
	cmd.AddCommand(k.rewrapCommand(), k.command("cancel-rewrap", "Cancel a running rewrap", cobra.NoArgs, k.cancelRewrap))
	return cmd
}

// Keyring returns the command `keyring`, which manages the keys of the running program.
func Keyring[C KeyringClient](connect func(grpc.ClientConnInterface) C) *cobra.Command {
	return newKeyring(connect).root()
}

func newKeyring[C KeyringClient](connect func(grpc.ClientConnInterface) C) *keyringCommand {
	return &keyringCommand{connect: func(conn grpc.ClientConnInterface) KeyringClient { return connect(conn) }}
}

func (k *keyringCommand) root() *cobra.Command {
	cmd := &cobra.Command{
		Use: "keyring", Short: "Show and change the keys of the running program",
		Long: `Calls the KeyringService of the running program. The caller must be a super admin.

A rotation of all keys: rotate, rewrap (of the vault), and then destroy the old key.`,
	}
	k.flags(cmd)
	cmd.AddCommand(
		k.command("show", "Print the keys", cobra.NoArgs, k.show),
		k.changing("rotate", "Generate keys, which are used from now on", cobra.NoArgs, k.rotate),
		k.changing("enable KEY", "Let a disabled key decrypt again", cobra.ExactArgs(1), k.enable),
		k.changing("disable KEY", "Stop using a key, and keep it", cobra.ExactArgs(1), k.disable),
		k.changing("destroy KEY", "Erase a key on which nothing depends", cobra.ExactArgs(1), k.destroy),
		k.changing("replace-provider [URI]", "Wrap the keyring by another configured provider, or with the present key of the same one", cobra.MaximumNArgs(1), k.replaceProvider),
	)
	return cmd
}

// A keyringCommand is the command `keyring`.
type keyringCommand struct {
	remote

	connect func(grpc.ClientConnInterface) KeyringClient
	rate    uint32
	noWait  bool
}

// A keyringCall is a subcommand with a connection.
type keyringCall func(ctx context.Context, to KeyringClient, args []string, out io.Writer) error

func (k *keyringCommand) command(use, short string, args cobra.PositionalArgs, call keyringCall) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: args,
		RunE: k.run(func(cmd *cobra.Command, args []string, conn *grpc.ClientConn) error {
			return call(cmd.Context(), k.connect(conn), args, cmd.OutOrStdout())
		}),
	}
}

// changing returns a subcommand that changes something.
func (k *keyringCommand) changing(use, short string, args cobra.PositionalArgs, call keyringCall) *cobra.Command {
	cmd := k.command(use, short, args, call)
	cmd.Flags().StringVar(&k.reason, "reason", "", "reason for the change log")
	return cmd
}

func (k *keyringCommand) rewrapCommand() *cobra.Command {
	cmd := k.changing("rewrap", "Wrap the data keys of all values under the primary key, and print the progress", cobra.NoArgs, k.rewrap)
	cmd.Flags().Uint32Var(&k.rate, "rate", 0, "maximum number of secrets a second (default 2,000)")
	cmd.Flags().BoolVar(&k.noWait, "no-wait", false, "do not wait for the end")
	return cmd
}

func (k *keyringCommand) show(ctx context.Context, to KeyringClient, _ []string, out io.Writer) error {
	res, err := to.GetKeyring(ctx, &keyringv1.GetKeyringRequest{Parent: everywhere})
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) rotate(ctx context.Context, to KeyringClient, _ []string, out io.Writer) error {
	res, err := to.RotateKeyring(ctx, &keyringv1.RotateKeyringRequest{Parent: everywhere, Reason: k.reason})
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) enable(ctx context.Context, to KeyringClient, args []string, out io.Writer) error {
	res, err := to.EnableKey(ctx, &keyringv1.EnableKeyRequest{Parent: everywhere, KeyId: args[0], Reason: k.reason})
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) disable(ctx context.Context, to KeyringClient, args []string, out io.Writer) error {
	res, err := to.DisableKey(ctx, &keyringv1.DisableKeyRequest{Parent: everywhere, KeyId: args[0], Reason: k.reason})
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) destroy(ctx context.Context, to KeyringClient, args []string, out io.Writer) error {
	// Counting what depends on the key takes seconds in a large store.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	res, err := to.DestroyKey(ctx, &keyringv1.DestroyKeyRequest{Parent: everywhere, KeyId: args[0], Reason: k.reason})
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) replaceProvider(ctx context.Context, to KeyringClient, args []string, out io.Writer) error {
	req := &keyringv1.ReplaceKeyProviderRequest{Parent: everywhere, Provider: strings.Join(args, ""), Reason: k.reason}
	res, err := to.ReplaceKeyProvider(ctx, req)
	return printKeyring(out, res.GetKeyring(), err)
}

func (k *keyringCommand) cancelRewrap(ctx context.Context, to KeyringClient, _ []string, out io.Writer) error {
	res, err := to.(RewrapClient).CancelRewrap(ctx, &keyringv1.CancelRewrapRequest{Parent: everywhere})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, describeRewrap(res.GetRewrap()))
	return err
}

func (k *keyringCommand) rewrap(ctx context.Context, to KeyringClient, _ []string, out io.Writer) error {
	req := &keyringv1.RewrapSecretsRequest{Parent: everywhere, Rate: k.rate, Reason: k.reason}
	res, err := to.(RewrapClient).RewrapSecrets(ctx, req)
	if err != nil || k.noWait {
		return err
	}
	bar := newBar(out)
	for run := res.GetRewrap(); ; {
		if run.GetState() != keyringv1.Rewrap_STATE_RUNNING {
			bar.end(describeRewrap(run))
			if run.GetState() != keyringv1.Rewrap_STATE_DONE {
				return fmt.Errorf("the rewrap is not complete: %s", stateName(run.GetState().String()))
			}
			return nil
		}
		bar.show(run.GetDoneCount(), run.GetTotalCount())
		select {
		case <-ctx.Done():
			bar.end("the rewrap goes on; show prints its progress, and cancel-rewrap ends it")
			return ctx.Err()
		case <-time.After(bar.interval()):
		}
		now, err := to.GetKeyring(ctx, &keyringv1.GetKeyringRequest{Parent: everywhere})
		if err != nil {
			return err
		}
		run = now.GetKeyring().GetRewrap()
	}
}

// printKeyring prints the keys, unless there is an error, which it returns.
func printKeyring(out io.Writer, k *keyringv1.Keyring, err error) error {
	if err != nil {
		return err
	}
	var text, rows strings.Builder
	fmt.Fprintf(&text, "provider  %s\nlog key   %s\n\n", k.GetProvider(), k.GetLogKey())
	rows.WriteString("KEY\tSTATE\tCREATED\tVERSIONS\n")
	for _, key := range k.GetKeys() {
		versions := fmt.Sprint(key.GetVersionCount())
		if !k.GetCounted() {
			versions = "not counted yet"
		}
		fmt.Fprintf(&rows, "%s\t%s\t%s\t%s\n", key.GetId(), stateName(key.GetState().String()), timeText(key.GetCreateTime()), versions)
	}
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if _, err := io.WriteString(table, rows.String()); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if earlier := len(k.GetRoots()) - 1; earlier > 0 {
		fmt.Fprintf(&text, "\nrows are being authenticated again; %d earlier roots are erased after that\n", earlier)
	}
	if run := k.GetRewrap(); run != nil {
		fmt.Fprintf(&text, "\nrewrap %s\n", describeRewrap(run))
	}
	_, err = io.WriteString(out, text.String())
	return err
}

func describeRewrap(r *keyringv1.Rewrap) string {
	if r == nil {
		return "none was started"
	}
	return fmt.Sprintf("%s: %d of %d secrets examined, %d versions rewrapped, %d failed",
		stateName(r.GetState().String()), r.GetDoneCount(), r.GetTotalCount(), r.GetRewrappedCount(), r.GetFailedCount())
}

// stateName returns the name of a state for people.
func stateName(name string) string { return strings.ToLower(strings.TrimPrefix(name, "STATE_")) }

func timeText(t *timestamppb.Timestamp) string {
	if t == nil {
		return "before rotation"
	}
	return t.AsTime().Format(time.RFC3339)
}

// A bar shows progress: in one line of a terminal, and otherwise in a line every 10 seconds.
type bar struct {
	out      io.Writer
	terminal bool
	begin    time.Time
	first    uint64
	started  bool
}

func newBar(out io.Writer) *bar {
	b := &bar{out: out, begin: time.Now()}
	if file, ok := out.(*os.File); ok {
		info, err := file.Stat()
		b.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

// interval is the time between two calls of show.
func (b *bar) interval() time.Duration {
	if b.terminal || time.Since(b.begin) < time.Second {
		return 200 * time.Millisecond
	}
	return 10 * time.Second
}

const (
	barWidth = 30
	// erase begins the line of a terminal again.
	erase = "\r\x1b[K"
)

// show prints how many secrets are done.
func (b *bar) show(done, total uint64) {
	if !b.started {
		b.started, b.first = true, done
	}
	part := 1.0
	if total > 0 {
		part = min(1, float64(done)/float64(total))
	}
	filled := int(part * barWidth)
	line := fmt.Sprintf("[%s%s] %3.0f %%  %d of %d secrets", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), part*100, done, total)
	if elapsed := time.Since(b.begin).Seconds(); elapsed > 1 && done > b.first {
		line += fmt.Sprintf(", %.0f/s", float64(done-b.first)/elapsed)
	}
	if b.terminal {
		b.print(erase + line)
		return
	}
	b.print(line + "\n")
}

// end prints the result.
func (b *bar) end(text string) {
	if b.terminal {
		text = erase + text
	}
	b.print(text + "\n")
}

// print writes to the display. Without one, the command goes on.
func (b *bar) print(text string) { _, _ = io.WriteString(b.out, text) }
