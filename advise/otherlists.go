package advise

import (
	"fmt"
	"slices"

	"github.com/voipbl/voipbl/config"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/nft"
	"github.com/voipbl/voipbl/reach"
	"github.com/voipbl/voipbl/voipblsh"
)

// otherLists finds the published voipbl.sh, which voipbl replaces, and other blocklists: sets
// whose members somebody else's rules drop.
func (d *doctor) otherLists() {
	if found := ScriptParts(d.Config, d.Facts.Script, d.Rules); len(found) > 0 {
		d.note(VoipblScript, Warning, "voipbl migrate", "it also blocks addresses that voipbl never blocks, from a list that nobody checks, and does the same work twice",
			"the published voipbl.sh is still on this host: %s", list(found, 4))
	}
	if sets := OtherLists(d.Config, d.Rules, d.Native); len(sets) > 0 {
		d.note(OtherBlocklist, Note, "nothing, if it is meant so; docs/migrating.md has how to have voipbl read the same list", "they also block addresses that voipbl exempts",
			"rules of others drop the members of %s", list(sets, 5))
	}
}

// OtherLists returns the sets whose members somebody else's rules drop, in order: other
// blocklists. Sets of nftables are named with their table. native may be nil if it could not be
// read.
func OtherLists(cfg config.Config, kernel []reach.KernelRules, native *nft.Ruleset) (sets []string) {
	own := ownSets(cfg)
	ours := func(d iptables.DropRule) bool { return d.Ours } // also under former names
	for _, k := range kernel {
		for _, f := range iptables.Families {
			if k.Saved[f] == nil {
				continue
			}
			for _, set := range iptwalk.DropSets(k.Saved[f]) {
				if !slices.Contains(own, set) && set != iptwalk.ScriptSet && !slices.ContainsFunc(k.Saved[f].DropRules(set), ours) {
					sets = append(sets, set)
				}
			}
		}
	}
	if native != nil {
		sets = append(sets, native.DropSets()...)
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

// ScriptParts returns the lines of cron and the rules that belong to the published voipbl.sh.
func ScriptParts(cfg config.Config, lines []voipblsh.Line, kernel []reach.KernelRules) (found []string) {
	for _, l := range lines {
		found = append(found, l.Where())
	}
	for _, k := range kernel {
		for _, f := range iptables.Families {
			if k.Saved[f] == nil {
				continue
			}
			script := iptwalk.FindScript(k.Saved[f], ownSets(cfg))
			for _, r := range slices.Concat(script.Rules, script.Others) {
				found = append(found, fmt.Sprintf("%q (%s)", r, reach.RulesCommand(k.Backend, f)))
			}
		}
	}
	return found
}

func ownSets(c config.Config) []string {
	return []string{c.SetName(0), c.SetName(1), c.BanSetName(0), c.BanSetName(1)}
}
