package iptwalk

import (
	"net/netip"
	"slices"

	"github.com/voipbl/voipbl/iptables"
)

// The published voipbl.sh makes a rule that drops the members of its set, or, without ipset, a
// chain with a rule for each address.
const (
	ScriptSet   = "voipbl"
	ScriptChain = "BLACKLIST-INPUT"
)

// ScriptSets are the sets of the published voipbl.sh: its list, and the one that replaces it.
var ScriptSets = [...]string{ScriptSet, ScriptSet + "_temp"}

// Script is what the published voipbl.sh has made in one family of a backend.
type Script struct {
	Rules     []string       // of INPUT and FORWARD, each as "-A CHAIN RULE"
	Chain     bool           // its own chain exists
	Sources   []netip.Prefix // that its chain drops
	Forwarded bool           // some of the rules are for forwarded packets

	// Others are an admin's rules that use its chain or its sets. As long as they exist, the
	// chain and the sets have to stay.
	Others []string
}

// Nothing reports whether nothing was found.
func (s Script) Nothing() bool { return len(s.Rules) == 0 && !s.Chain }

// FindScript finds what the published voipbl.sh has made. own are the names of voipbl's sets. If one
// is also a name of the script's, voipbl's rules do not count as the script's, and another rule for
// that set counts only if voipbl has its own beside it.
func FindScript(s *iptables.Saved, own []string) Script {
	var found Script
	isSet := func(text string) bool {
		return slices.ContainsFunc(ScriptSets[:], func(set string) bool { return iptables.MatchesSet(text, set) })
	}
	ownSet := slices.Contains(own, ScriptSet)
	alone := ownSet && !slices.ContainsFunc(s.DropRules(ScriptSet), func(d iptables.DropRule) bool { return d.Ours })
	for _, table := range s.TableNames() {
		for _, chain := range s.Chains(table, func(name string, _ *iptables.SavedChain) bool { return table != "filter" || name != ScriptChain }) {
			for _, text := range s.Texts(table, chain) {
				rule := "-A " + chain + " " + text
				jumps := table == "filter" && iptables.Target(text) == ScriptChain
				switch {
				case !jumps && !isSet(text) || iptables.IsOurs(chain, text) || !jumps && alone:
				case table == "filter" && (chain == "INPUT" || chain == "FORWARD") && (jumps || asksForMembers(text, []string{ScriptSet}) && iptables.Target(text) == "DROP"):
					found.Rules = append(found.Rules, rule)
					found.Forwarded = found.Forwarded || chain == "FORWARD"
				case jumps || !ownSet:
					found.Others = append(found.Others, "-t "+table+" "+rule)
				}
			}
		}
	}
	found.Chain = s.HasChain("filter", ScriptChain)
	for _, text := range s.Texts("filter", ScriptChain) {
		if src := readMatch(text).src; src.IsValid() && closes(s, "filter", iptables.Target(text)) {
			found.Sources = append(found.Sources, src)
		}
	}
	return found
}
