package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Print the version, and what it was built with.\n\nExit status: 0 printed.",
		Example: "  voipbl version\n  voipbl version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo()
			if a.JSON {
				a.PrintJSON(v)
				return nil
			}
			fmt.Fprintf(a.Out, "voipbl %s (%s, %s)\n", v.Version, v.Go, v.Platform)
			return nil
		},
	}
	a.jsonFlag(cmd)
	return cmd
}

// setUpVersion gives the program itself --version; without that it prints its help. cobra's own
// option prints by a template, and a program that has text/template calls methods by names that
// the linker cannot know: it keeps every exported method, 2.5 MB of them.
func setUpVersion(root *cobra.Command) {
	asked := root.Flags().BoolP("version", "v", false, "print the version")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		if !*asked {
			return cmd.Help()
		}
		fmt.Fprintln(cmd.OutOrStdout(), "voipbl", version)
		return nil
	}
}

type versionReport struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Commit   string `json:"commit,omitempty"`
}

func versionInfo() versionReport {
	v := versionReport{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}
