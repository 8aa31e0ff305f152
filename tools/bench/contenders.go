package main

import (
	"fmt"

	"github.com/voipbl/voipbl/tools/bench/page"
)

// alone is a contender that is one command, after which its set is destroyed.
func (g *ground) alone(name string, clean []string, words ...string) contender {
	return contender{[]string{name}, func(note func(string, page.Sample)) error {
		s, err := g.timed(words[0], words[1:]...)
		if err != nil {
			return err
		}
		note(name, s)
		return command(clean[0], clean[1:]...)
	}}
}

var destroy = []string{"ipset", "destroy", "other"}

// restorers are ipset restore, and after it both iptables-restore.
func (g *ground) restorers() contender {
	return contender{[]string{page.Restore, page.RestoreRules}, func(note func(string, page.Sample)) error {
		set, err := g.timed("ipset", "restore", "-file", g.file("restore"))
		if err != nil {
			return err
		}
		note(page.Restore, set)
		if err := command("ipset", "create", "other6", "hash:net", "family", "inet6"); err != nil {
			return err
		}
		for _, words := range [][2]string{{"iptables-restore", "rules"}, {"ip6tables-restore", "rules6"}} {
			rules, err := g.timed(words[0], "--noflush", g.file(words[1]))
			if err != nil {
				return err
			}
			set = plus(set, rules)
		}
		note(page.RestoreRules, set)
		for _, words := range [][]string{{"iptables", "-D", "INPUT", "1"}, {"ip6tables", "-D", "INPUT", "1"}, {"ipset", "destroy", "other6"}, destroy} {
			if err := command(words[0], words[1:]...); err != nil {
				return err
			}
		}
		return nil
	}}
}

func (g *ground) restoreDefault() contender {
	return g.alone(page.RestoreDefault, destroy, "ipset", "restore", "-file", g.file("default"))
}

// iprange reads the list itself. Its set is presized, too.
func (g *ground) iprange() contender {
	return g.alone(page.Iprange, destroy, "sh", "-c",
		fmt.Sprintf("{ echo '%s'; iprange --print-prefix 'add other ' '%s'; } | ipset restore", g.header, g.file("list")))
}

func (g *ground) nft() contender {
	return g.alone(page.NFT, []string{"nft", "delete", "table", "inet", "other"}, "nft", "-f", g.file("nft"))
}

// script does what the script does that VoIPBL publishes: awk makes a command for each line.
func (g *ground) script() contender {
	return g.alone(page.Script, destroy, "sh", "-c",
		fmt.Sprintf(`%s %s; awk '{ print "if [ ! -z \""$1"\" -a \""$1"\" != \"#\" ]; then ipset -A other \""$1"\"; fi;" }' '%s' | sh`, "ipset", g.header, g.file("part")))
}

// part is the share of the entries that a contender gets; 0 for all.
func (g *ground) part(name string) float64 {
	if name != page.Script || g.entries <= g.scripts {
		return 0
	}
	return float64(g.scripts) / float64(g.entries)
}

// voipbl is a sync into an empty kernel, one where nothing changed, and one of a list that did.
func (g *ground) voipbl(base string) contender {
	names := []string{page.Cold + base, page.Unchanged + base, page.Changed + base}
	return contender{names, func(note func(string, page.Sample)) error {
		for i, list := range []string{"old", "", "new"} {
			if list != "" {
				if err := g.use(list); err != nil {
					return err
				}
			}
			s, err := g.timed(g.program, "--config", g.config(base), "sync")
			if err != nil {
				return err
			}
			note(names[i], s)
		}
		return g.remove(base)
	}}
}
