package iptables

import (
	"slices"
	"strings"

	"github.com/voipbl/voipbl/internal/banrule"
)

// Names of the sets that voipbl's fail2ban actions use. Rules of voipbl-set name f2bv-JAIL and
// check the members of own-JAIL; rules of voipbl-ssh name f2bs-JAIL, which has the members
// itself. Other programs may fill fail2ban-ASTERISK and the chain fail2ban-ssh too.
const (
	ActionSets = banrule.Sets
	SSHSets    = banrule.SSH
	CommonBans = banrule.Common
)

// NamesSet reports whether a rule of a listing asks a set. In a damaged listing, it uses the lines that
// can be read.
func NamesSet(listing []byte, set string) bool {
	for line := range strings.Lines(string(listing)) {
		all := Words(strings.TrimSpace(line))
		for i, word := range all {
			if word == "--match-set" && i+1 < len(all) && all[i+1] == set {
				return true
			}
		}
	}
	return false
}

// NamedBanSets returns, in order, the sets of voipbl's fail2ban actions that a listing's rules
// name. In a damaged listing, it uses the lines that can be read.
func NamedBanSets(listing []byte) []string {
	names := []string{}
	for line := range strings.Lines(string(listing)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") { // counters
			_, line, _ = strings.Cut(line, " ")
		}
		all := Words(line)
		if len(all) < 2 || all[0] != "-A" {
			continue
		}
		names = append(names, banrule.SetsOf(all)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
