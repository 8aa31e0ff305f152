package main

import (
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/voipbl/voipbl/bans"
	"github.com/voipbl/voipbl/screen"
	"github.com/voipbl/voipbl/show"
)

// completionCommand replaces cobra's own, whose help explains four shells on three operating
// systems.
func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion {bash|zsh|fish}",
		Short: "Print a script that completes commands in a shell",
		Long: `Print the script by which a shell completes the commands, options and bans of
voipbl when you press Tab. The package brings these scripts. Else put them where
the examples say, and start a new shell. The one for bash needs the package
bash-completion.

Exit status: 0 printed, 2 usage.`,
		Example: `  voipbl completion bash >/etc/bash_completion.d/voipbl
  voipbl completion zsh >/usr/local/share/zsh/site-functions/_voipbl
  voipbl completion fish >/etc/fish/completions/voipbl.fish`,
		ValidArgs: []cobra.Completion{"bash", "zsh", "fish"},
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE:      func(cmd *cobra.Command, args []string) error { return writeCompletion(a.Out, cmd.Root(), args[0]) },
	}
}

// writeCompletion writes the completion script for a shell.
func writeCompletion(w io.Writer, root *cobra.Command, shell string) error {
	const descriptions = true
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, descriptions)
	case "zsh":
		return root.GenZshCompletion(w)
	default:
		return root.GenFishCompletion(w, descriptions)
	}
}

// setUpCompletion sets what cobra cannot know about completing arguments: files follow only
// --config.
func setUpCompletion(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.MarkPersistentFlagFilename("config", "yaml", "yml")
}

// completeBans completes addresses for unban, and shows the end and the reason of each ban. It
// completes nothing if the caller may not read the bans.
func (a *app) completeBans(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const nothingElse = cobra.ShellCompDirectiveNoFileComp
	cfg, _, err := a.configInForce(cmd)
	if err != nil {
		return nil, nothingElse
	}
	bans, _, err := bans.Read(cfg)
	if err != nil {
		return nil, nothingElse
	}
	given := make(map[string]bool)
	for _, arg := range args {
		given[arg] = true
	}
	var words []cobra.Completion
	for _, b := range bans {
		if address := screen.Prefix(b.Prefix); !given[address] {
			about := strings.TrimSpace(show.Until(b) + show.Reason(b.Why()))
			words = append(words, cobra.CompletionWithDesc(address, strings.TrimPrefix(about, ": ")))
		}
	}
	return words, nothingElse
}
