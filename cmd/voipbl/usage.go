package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/internal/exit"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/screen"
)

// setUpUsage replaces cobra's messages about command lines, and makes every option that takes a
// time accept days.
func setUpUsage(root *cobra.Command) {
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.Args = cobra.ArbitraryArgs // checked below instead of by cobra
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		if fits := cmd.Args; fits != nil && cmd.Name() != "help" {
			cmd.Args = func(cmd *cobra.Command, args []string) error {
				if cmd.HasSubCommands() && len(args) > 0 {
					return &exit.Error{Code: exit.Usage, Err: unknownCommand(cmd, args[0])}
				}
				if fits(cmd, args) != nil {
					return argsError(cmd, args)
				}
				return nil
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "duration" {
				f.Value = &daysValue{f.Value}
				f.DefValue = f.Value.String()
			}
		})
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	each(root)
}

// argsError says which arguments a command takes.
func argsError(cmd *cobra.Command, args []string) error {
	_, takes, _ := strings.Cut(cmd.Use, " ")
	switch {
	case takes == "":
		return fmt.Errorf("%q is unexpected: %q takes options only", args[0], cmd.CommandPath())
	case len(args) == 0:
		return fmt.Errorf("something is missing: expected %s %s", cmd.CommandPath(), takes)
	}
	return fmt.Errorf("%q does not fit: expected %s %s", args[len(args)-1], cmd.CommandPath(), takes)
}

// daysValue is the value of an option that takes a time, also in days.
type daysValue struct{ pflag.Value }

func (v *daysValue) Set(s string) error {
	d, err := config.ParseTime(s)
	if err != nil {
		return err
	}
	return v.Value.Set(d.String())
}

// String formats the time without the zeros that Go adds at its end.
func (v *daysValue) String() string { return screen.ShortTime(v.Value.String()) }

// flagError replaces cobra's messages about options.
func flagError(err error) error {
	var (
		unknown *pflag.NotExistError
		lacks   *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
		syntax  *pflag.InvalidSyntaxError
	)
	switch {
	case errors.As(err, &unknown):
		if letters := unknown.GetSpecifiedShortnames(); letters != "" {
			return fmt.Errorf("there is no option -%s", unknown.GetSpecifiedName())
		}
		return fmt.Errorf("there is no option --%s", unknown.GetSpecifiedName())
	case errors.As(err, &lacks):
		return fmt.Errorf("%s needs a value: expected %s", optionText(lacks.GetFlag()), expectedValue(lacks.GetFlag()))
	case errors.As(err, &invalid):
		return fmt.Errorf("%s %q: expected %s", optionText(invalid.GetFlag()), invalid.GetValue(), expectedValue(invalid.GetFlag()))
	case errors.As(err, &syntax):
		return fmt.Errorf("%q is no option", syntax.GetSpecifiedFlag())
	}
	return err
}

func optionText(f *pflag.Flag) string { return "--" + f.Name }

func expectedValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "a time with its unit, such as 30s, 5m, 24h or 7d"
	case "int", "uint":
		return "a whole number"
	case "bool":
		return "true or false, or nothing behind its name"
	case "stringSlice":
		return "text, or several with commas between them"
	}
	return "text behind it"
}

// exclusive matches cobra's message about options that exclude each other.
var exclusive = lazyregexp.New(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)

// plainUsage replaces cobra's other messages.
func plainUsage(err error) error {
	if m := exclusive().FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("these options exclude each other: --%s", strings.ReplaceAll(m[1], " ", ", --"))
	}
	return err
}

// parseFor parses a duration from one second to ten years.
func parseFor(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := config.ParseTime(s)
	if err != nil || d < time.Second || d > maxFor {
		return 0, fmt.Errorf("--for %q: expected a time from 1s to 3650d, such as 30m, 24h or 7d", s)
	}
	return d, nil
}

// maxFor is the longest --for: more than ten years might as well have no end.
const maxFor = 10 * 365 * 24 * time.Hour
