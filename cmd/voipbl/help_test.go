package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp: each command's help fits a terminal, and has examples.
func TestHelp(t *testing.T) {
	var each func(cmd *cobra.Command)
	each = func(cmd *cobra.Command) {
		var out bytes.Buffer
		cmd.SetOut(&out)
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if width([]byte(line)) > columns {
				t.Errorf("%s: wider than %d columns: %s", cmd.CommandPath(), columns, line)
			}
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, sub := range cmd.Commands() {
			each(sub)
		}
	}
	a := &app{out: newOutput(new(bytes.Buffer)), err: newOutput(new(bytes.Buffer))}
	each(a.command())
}
