package advise

import (
	"fmt"

	"github.com/voipbl/voipbl/agent"
	"github.com/voipbl/voipbl/firewall"
	"github.com/voipbl/voipbl/host"
)

// fail2ban looks for bans that no rule asks about. An action makes its set or chain at
// the first ban, so of a jail that has banned nobody nothing is said; nor of an action
// that we do not know.
func (d *doctor) fail2ban() {
	if d.Facts.Fail2ban == nil || !d.Facts.Fail2ban.Running {
		return
	}
	for _, j := range d.Facts.Fail2ban.Jails {
		if len(j.Actions) == 0 {
			d.note(Fail2banElse, Problem, "systemctl restart fail2ban", "whom it bans is let in all the same",
				"fail2ban's jail %s has no action, as after a reload that was to give it another one", j.Name)
		}
		for _, a := range j.Actions {
			d.action(j, a)
		}
	}
}

const mendBans = "give the jail an action that bans into a set or a chain of iptables, or \"voipbl ban\""

func (d *doctor) action(j host.Jail, a host.BanAction) {
	if a.Into == host.IntoNFTables {
		d.note(Fail2banElse, Warning, mendBans,
			"neither iptables nor \"voipbl check\" shows who is banned there, and the base rules ask only sets and chains of iptables",
			"fail2ban's jail %s bans in nftables (%s)", j.Name, orElse(a.Target, a.Name))
		return
	}
	if a.Target == "" || a.Into != host.IntoSet && a.Into != host.IntoChain {
		return
	}
	kind := map[host.BanInto]string{host.IntoSet: "set", host.IntoChain: "chain"}[a.Into]
	for _, f := range firewall.Families {
		banned := bannedOf(j, f)
		if banned == 0 {
			continue
		}
		name := a.Target
		if f == firewall.IPv6 {
			name = orElse(a.Target6, name)
		}
		used, other := d.asked(a, name, f)
		switch {
		case used:
		case other:
			d.note(Fail2banElse, Warning, "restart fail2ban after iptables was switched from one backend to the other, and look at its banaction",
				"neither iptables nor \"voipbl firewall diff\" shows it", "fail2ban's jail %s bans in the %s %s by rules of the other backend of iptables (%s)", j.Name, kind, name, f)
		default:
			d.note(Fail2banElse, Problem, fmt.Sprintf("fail2ban-client reload --restart %s; if it stays: %s", j.Name, mendBans),
				"whom it bans is let in all the same",
				"fail2ban's jail %s has banned %s in the %s %s, which no rule of INPUT asks about (%s)", j.Name, plural(banned, "address", "addresses"), kind, name, f)
		}
	}
}

// bannedOf counts what a jail has banned in a family.
func bannedOf(j host.Jail, f firewall.Family) int {
	n := 0
	for _, a := range j.Banned {
		if a.Unmap().Is4() == (f == firewall.IPv4) {
			n++
		}
	}
	for _, p := range j.BannedNetworks {
		if p.Addr().Is4() == (f == firewall.IPv4) {
			n++
		}
	}
	return n
}

// asked reports whether a rule for incoming packets asks for what an action fills, in
// the backend that voipbl uses and in the other one.
func (d *doctor) asked(a host.BanAction, name string, f firewall.Family) (used, other bool) {
	asks := func(k agent.KernelRules) bool {
		if a.Into == host.IntoSet {
			return k.Saved[f].LooksAt(name)
		}
		return k.Saved[f].Reaches(name)
	}
	for _, k := range d.Rules {
		if k.Used {
			used = used || asks(k)
		} else {
			other = other || asks(k)
		}
	}
	return used, other
}
