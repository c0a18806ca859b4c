package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keyward/keyward/pkg/verify"
)

// printDifference prints a difference on its own line.
func printDifference(d verify.Difference) { _, _ = fmt.Fprintln(os.Stdout, d) }

// Verify returns the command `verify`, which verifies the data file of a stopped program.
func Verify[C Checker](run func(context.Context, C, verify.Options) (verify.Result, error), use Use[C]) *cobra.Command {
	var witnessed, kept []string
	var into, with string
	values := true
	cmd := Configured("verify", "Verify the data file of a stopped program, and print everything that differs from what the program stored",
		func(ctx context.Context, cfg C) error {
			options := verify.Options{SkipValues: !values, Report: printDifference, Use: use.of(cfg, with)}
			for _, path := range slices.Concat(witnessed, kept) {
				head, err := readHead(path)
				if err != nil {
					return fmt.Errorf("read checkpoint: %w", err)
				}
				options.Heads = append(options.Heads, head)
			}
			result, err := run(ctx, cfg, options)
			if err != nil {
				return err
			}
			if into != "" {
				if err := writeHeads(into, result.Witnessed); err != nil {
					return fmt.Errorf("heads: %w", err)
				}
			}
			return conclude(result)
		})
	cmd.Flags().StringArrayVar(&witnessed, "witness", nil, "file with a checkpoint of the change log that another program has seen; an older data file differs (may be repeated)")
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "the same as --witness, for a checkpoint that you keep")
	cmd.Flags().StringVar(&into, "heads", "", "existing directory in which to write the last verified checkpoint of each other program, as NAME.checkpoint, for its verify --witness")
	cmd.Flags().BoolVar(&values, "values", true, "decrypt each value")
	use.flag(cmd, &with)
	return cmd
}

// A Use is what `verify` and `verify-backup` do with the rows that they verified, if a flag names a file for
// it.
type Use[C any] struct {
	// Flag and Help are the name and the help of the flag.
	Flag, Help string
	// Do uses the rows, and the file at path.
	Do func(cfg C, path string, verified verify.Store) error
}

func (u Use[C]) flag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVar(path, u.Flag, "", u.Help)
}

// of returns the use with the file at path, or nil without a path.
func (u Use[C]) of(cfg C, path string) func(verify.Store) error {
	if path == "" {
		return nil
	}
	return func(verified verify.Store) error { return u.Do(cfg, path, verified) }
}

// conclude prints what was verified, and fails if anything differs.
func conclude(r verify.Result) error {
	if r.Differences > 0 {
		rest := ""
		if !r.Complete {
			rest = "; the rest could not be verified"
		}
		return fmt.Errorf("the data file differs in %d places from what the program stored; see the lines above%s", r.Differences, rest)
	}
	text := fmt.Sprintf("verified %d rows, %d resources, %d values, and a change log of %d entries; nothing differs\n", r.Rows, r.Resources, r.Values, r.Entries)
	if r.Heads == 0 {
		text += "a data file that was replaced as a whole by an earlier copy looks like this, too; to exclude that, pass a checkpoint with --witness\n"
	}
	if _, err := os.Stdout.WriteString(text); err != nil {
		return fmt.Errorf("print result: %w", err)
	}
	return nil
}

// readHead reads a checkpoint, or the JSON of a response that contains one.
func readHead(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(strings.TrimSpace(string(content)), "{") {
		return string(content), nil
	}
	var response struct {
		Checkpoint string `json:"checkpoint"`
	}
	if err := json.Unmarshal(content, &response); err != nil || response.Checkpoint == "" {
		return "", errors.New("must be a checkpoint, or the JSON of the response of GetCheckpoint")
	}
	return response.Checkpoint, nil
}

// writeHeads writes a file for each head.
func writeHeads(dir string, heads map[string]string) error {
	for name, head := range heads {
		file := strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:`, r) {
				return '_'
			}
			return r
		}, name)
		if err := os.WriteFile(filepath.Join(dir, file+".checkpoint"), []byte(head), 0o600); err != nil {
			return err
		}
	}
	return nil
}
