package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// otherWords maps words that people type to the command that does what they want.
var otherWords = map[string]string{
	"block": "ban ADDR", "deny": "ban ADDR", "drop": "ban ADDR", "reject": "ban ADDR", "blacklist": "ban ADDR", "add": "ban ADDR",
	"unblock": "unban ADDR", "delete": "unban ADDR", "del": "unban ADDR", "rm": "unban ADDR", "free": "unban ADDR", "release": "unban ADDR",
	"whitelist": "allow ADDR", "permit": "allow ADDR", "accept": "allow ADDR", "trust": "allow ADDR", "ignore": "allow ADDR", "ignoreip": "allow ADDR",
	"unallow": "disallow ADDR", "unwhitelist": "disallow ADDR", "distrust": "disallow ADDR",
	"whitelisted": "allowed", "banned": "bans", "blocked": "bans", "list": "bans", "ls": "bans", "lists": "feeds", "sets": "status",
	"update": "sync", "refresh": "sync", "fetch": "sync", "download": "sync", "pull": "sync", "renew": "sync",
	"lookup": "check ADDR", "search": "check ADDR", "find": "check ADDR", "query": "check ADDR", "test": "check ADDR", "why": "check ADDR", "ip": "check ADDR",
	"info": "status", "state": "status", "health": "status", "stats": "top", "statistics": "top", "watch": "top", "monitor": "top",
	"debug": "doctor", "diagnose": "doctor", "fix": "doctor", "repair": "sync", "troubleshoot": "doctor",
	"install": "setup", "init": "setup", "configure": "setup", "wizard": "setup", "edit": "config", "conf": "config", "settings": "config", "validate": "config check",
	"uninstall": "remove", "purge": "remove", "flush": "remove", "clear": "remove", "destroy": "remove",
	"rules": "firewall show", "iptables": "firewall show", "nft": "firewall show", "show": "firewall show", "fw": "firewall",
	"diff": "firewall diff", "apply": "firewall apply", "confirm": "firewall confirm", "rollback": "firewall rollback", "revert": "firewall rollback", "undo": "firewall rollback",
	"agent": "run", "daemon": "run", "serve": "run",
}

// otherPrograms maps words to commands of other programs.
var otherPrograms = map[string]string{
	"start": "systemctl start voipbl", "stop": "systemctl stop voipbl", "restart": "systemctl restart voipbl",
	"enable": "systemctl enable --now voipbl", "disable": "systemctl disable --now voipbl",
	"log": "journalctl -u voipbl", "logs": "journalctl -u voipbl", "journal": "journalctl -u voipbl", "tail": "journalctl -fu voipbl",
	"upgrade": "apt upgrade", "man": "man voipbl",
}

// unknownCommandError is a word that is not a command.
type unknownCommandError struct {
	word, command string
	remedy        string
}

func (e *unknownCommandError) Error() string {
	return fmt.Sprintf("%q is no command of %q", e.word, e.command)
}

// Remedy names the command that was probably meant.
func (e *unknownCommandError) Remedy() string { return e.remedy }

func unknownCommand(cmd *cobra.Command, word string) error {
	e := &unknownCommandError{word: word, command: cmd.CommandPath(), remedy: cmd.CommandPath() + " --help"}
	if meant := otherWords[strings.ToLower(word)]; meant != "" && !cmd.HasParent() {
		e.remedy = "voipbl " + meant
		return e
	}
	if other := otherPrograms[strings.ToLower(word)]; other != "" {
		e.remedy = other
		return e
	}
	if near := nearest(cmd, word); len(near) > 0 {
		e.remedy = strings.Join(near, ", or ")
	}
	return e
}

// nearest returns the commands of which a word may be a misspelling: two letters swapped, one
// letter wrong in a short word, two in a long one, or only the beginning.
func nearest(cmd *cobra.Command, word string) (near []string) {
	cmd.SuggestionsMinimumDistance = min(2, max(1, (len(word)-1)/2))
	names := swapped(cmd, strings.ToLower(word))
	if len(names) == 0 {
		names = cmd.SuggestionsFor(word)
	}
	for _, name := range names {
		near = append(near, cmd.CommandPath()+" "+name)
	}
	return near
}

// swapped returns the commands that differ from a word only by two swapped neighbouring letters.
func swapped(cmd *cobra.Command, word string) (names []string) {
	for i := 1; i < len(word); i++ {
		right := word[:i-1] + word[i:i+1] + word[i-1:i] + word[i+1:]
		if slices.ContainsFunc(cmd.Commands(), func(sub *cobra.Command) bool { return sub.Name() == right && sub.IsAvailableCommand() }) {
			names = append(names, right)
		}
	}
	return names
}
