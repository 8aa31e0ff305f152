package host

import (
	"fmt"
	"strings"
)

// switchOff has the command that stops another firewall now and at the next boot. The keys are the
// names that packages firewall, nft and advise use.
var switchOff = map[string]string{
	"ufw":                "ufw disable",
	"firewalld":          "systemctl disable --now firewalld",
	"FreePBX's firewall": "fwconsole firewall disable",
	"csf":                "csf -x",
}

// SwitchOffRemedy says how to switch other firewalls off. It does not stop the nftables service
// because of one table: that would flush everybody's rules.
func SwitchOffRemedy(owners []string) string {
	var all []string
	for _, name := range owners {
		if what, native := strings.CutPrefix(name, "nftables ("); native {
			all = append(all, TakeOutRemedy(strings.TrimSuffix(what, ")"))+" (and take it out of the file that loads it, such as /etc/nftables.conf)")
			continue
		}
		if command := switchOff[name]; command != "" {
			all = append(all, "\""+command+"\"")
		}
	}
	return "switch off " + strings.Join(owners, " and ") + ": " + strings.Join(all, " and ")
}

// TakeOutRemedy returns the command that removes a table of nftables, such as "inet filter", or a
// chain, such as "ip filter input". A chain that iptables created is never deleted: it holds
// everybody's rules, including voipbl's drop rule.
func TakeOutRemedy(what string) string {
	switch table, chain := cutChain(what); {
	case chain == "":
		return fmt.Sprintf("\"nft delete table %s\"", table)
	case chain == strings.ToUpper(chain):
		return fmt.Sprintf("\"nft delete rule %s handle N\" for each rule that iptables shows otherwise than \"nft -a list chain %[1]s\" does", what)
	}
	return fmt.Sprintf("\"nft delete chain %s\"", what)
}

// cutChain splits "ip filter input" into table and chain, if it has a chain.
func cutChain(what string) (table, chain string) {
	fields := strings.Fields(what)
	if len(fields) < 3 {
		return what, ""
	}
	return fields[0] + " " + fields[1], fields[2]
}
