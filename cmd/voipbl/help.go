package main

import (
	"github.com/spf13/cobra"
	"github.com/voipbl/voipbl/internal/exit"
)

// setUpHelp has cobra's own help verb refuse what is no command: it would print
// the general help for it, and exit with 0.
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
