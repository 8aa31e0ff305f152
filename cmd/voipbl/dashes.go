package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// forgottenDashesError is the name of an option where an address is expected: "allow
// 198.51.100.7 for 7d" would allow the address without an end, and a host called "for".
type forgottenDashesError struct {
	name  string
	value bool // the option has one
}

func (e *forgottenDashesError) Error() string { return fmt.Sprintf("%q is an option", e.name) }

// Remedy shows how the option is written.
func (e *forgottenDashesError) Remedy() string {
	if e.value {
		return fmt.Sprintf("write --%s and its value, in quotes if it has spaces", e.name)
	}
	return fmt.Sprintf("write --%s, with two dashes", e.name)
}

// checkDashes refuses words that are the name of an option of the command: behind the first
// word, or alone if the option has no value.
func checkDashes(cmd *cobra.Command, args []string) error {
	for i, arg := range args {
		flag := cmd.Flags().Lookup(arg)
		switch {
		case flag == nil:
		case flag.NoOptDefVal != "":
			return badLine(&forgottenDashesError{arg, false})
		case i > 0:
			return badLine(&forgottenDashesError{arg, true})
		}
	}
	return nil
}
