package main

import (
	"github.com/spf13/cobra"
	"github.com/voipbl/voipbl/internal/exit"
)

// setUpHelp makes cobra's help verb refuse unknown commands. Otherwise it prints the general help
// for them and exits with 0.
func setUpHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		cmd.Use = "help [COMMAND...]"
		cmd.Short = "Explain a command"
		cmd.Long = "Explain a command, as its --help does.\n\nExit status: 0 explained, 2 there is no such command."
		cmd.Example = "  voipbl help sync\n  voipbl help firewall apply"
		cmd.Args = func(_ *cobra.Command, words []string) error {
			found, rest, err := root.Find(words)
			if err == nil && len(rest) > 0 {
				err = unknownCommand(found, rest[0])
			}
			if err != nil {
				return &exit.Error{Code: exit.Usage, Err: err}
			}
			return nil
		}
	}
}
