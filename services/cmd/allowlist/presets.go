package main

import (
	"github.com/spf13/cobra"

	"github.com/keyward/keyward/services/allowlist"
)

// presetsCommand returns the command `presets check`, which needs no configuration and no data file.
func presetsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "presets", Short: "Work with presets of your own", Args: cobra.NoArgs}
	cmd.AddCommand(&cobra.Command{
		Use: "check DIR", Short: "Check the presets in DIR, and verify their known answers in ID.answer.json", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return allowlist.CheckPresets(cmd.OutOrStdout(), args[0])
		},
	})
	return cmd
}
