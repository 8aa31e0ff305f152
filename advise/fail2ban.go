package advise

import (
	"fmt"

	"github.com/voipbl/voipbl/fail2ban"
	"github.com/voipbl/voipbl/internal/lazyregexp"
	"github.com/voipbl/voipbl/iptables"
	"github.com/voipbl/voipbl/iptwalk"
	"github.com/voipbl/voipbl/reach"
)

// fail2ban checks that fail2ban runs, and finds bans that no rule drops. It says nothing about a
// jail that has banned nobody, since an action makes its set or chain at the first ban, nor about
// an action that voipbl does not know.
func (d *doctor) fail2ban() {
	if d.Facts.Fail2ban == nil {
		return
	}
	mistake, remedy := fail2banMistake(*d.Facts.Fail2ban), fail2banRemedy(*d.Facts.Fail2ban)
	switch {
	case d.Facts.Fail2ban.Down && mistake == "":
		d.note(Fail2banDown, Warning, "systemctl start fail2ban; if it is not wanted: systemctl disable fail2ban", noneBanned,
			"fail2ban is enabled, but does not run")
	case d.Facts.Fail2ban.Down:
		d.note(Fail2banDown, Warning, remedy, noneBanned, "fail2ban does not start: %s", mistake)
	case d.Facts.Fail2ban.Running && mistake != "":
		d.note(Fail2banMistake, Warning, remedy, "after the next boot or restart "+noneBanned, "fail2ban runs with an older configuration, and would not start with what it has now: %s", mistake)
	}
	if !d.Facts.Fail2ban.Running {
		return
	}
	for _, j := range d.Facts.Fail2ban.Jails {
		if len(j.Actions) == 0 {
			d.note(Fail2banElse, Problem, "systemctl restart fail2ban", "addresses that it bans get in all the same",
				"fail2ban's jail %s has no action, as after a reload that was to give it another one", j.Name)
		}
		for _, a := range j.Actions {
			d.action(j, a)
		}
	}
}

const noneBanned = "no attacker is banned for guessing passwords"

// fail2banMistake returns why fail2ban does not start, if that is known. A jail without a log is
// what Debian's own jail for sshd causes on a host without rsyslog, such as Debian 12. Jails
// that read the journal fail without python3-systemd, which is only recommended.
func fail2banMistake(f fail2ban.Facts) string {
	if f.Mistake != "" || len(f.JournalJails) == 0 {
		return f.Mistake
	}
	jails := "the jail " + f.JournalJails[0] + " reads"
	if len(f.JournalJails) > 1 {
		jails = "the jails " + list(f.JournalJails, 4) + " read"
	}
	return jails + " the journal (backend = systemd), for which Python has no module systemd"
}

func fail2banRemedy(f fail2ban.Facts) string {
	if jail, ok := jailWithoutLog(f.Mistake); ok {
		return fmt.Sprintf("printf '[%[1]s]\\nenabled = false\\n' >>/etc/fail2ban/jail.d/%[1]s.local; systemctl restart fail2ban"+
			" (\"backend = systemd\" in place of \"enabled = false\" makes it read the journal, and needs python3-systemd)", jail)
	}
	if f.Mistake != "" {
		return "mend that in /etc/fail2ban until \"fail2ban-client --test\" finds nothing, then: systemctl restart fail2ban"
	}
	return "apt-get install python3-systemd; systemctl restart fail2ban"
}

// jailWithoutLog returns the jail that fail2ban's error says has no log.
func jailWithoutLog(mistake string) (string, bool) {
	m := noLog().FindStringSubmatch(mistake)
	if m == nil {
		return "", false
	}
	return m[1], true
}

var noLog = lazyregexp.New(`^Have not found any log file for ([\w.-]+) jail`)

const mendBans = "give the jail an action that bans into a set or a chain of iptables, or \"voipbl ban\""

func (d *doctor) action(j fail2ban.Jail, a fail2ban.Action) {
	if a.Into == fail2ban.IntoNFTables {
		d.note(Fail2banElse, Warning, mendBans,
			"neither iptables nor \"voipbl check\" shows who is banned there, and the base rules use only sets and chains of iptables",
			"fail2ban's jail %s bans in nftables (%s)", j.Name, orElse(a.Target, a.Name))
		return
	}
	if a.Target == "" || a.Into != fail2ban.IntoSet && a.Into != fail2ban.IntoChain {
		return
	}
	kind := map[fail2ban.Into]string{fail2ban.IntoSet: "set", fail2ban.IntoChain: "chain"}[a.Into]
	for _, f := range iptables.Families {
		banned := d.bannedOf(j, f)
		if banned == 0 || !d.rulesKnown(f) {
			continue
		}
		name := a.Target
		if f == iptables.IPv6 {
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
				"addresses that it bans get in all the same",
				"fail2ban's jail %s has banned %s in the %s %s, which no rule of INPUT uses (%s)", j.Name, plural(banned, "address", "addresses"), kind, name, f)
		}
	}
}

// rulesKnown reports whether rules of a family could be read, and none of a backend could not.
// Without iptables there may be rules all the same.
func (d *doctor) rulesKnown(f iptables.Family) bool {
	read, unread := false, false
	for _, k := range d.Rules {
		if saved := k.Saved[f]; saved != nil {
			read, unread = read || saved.Trouble == nil, unread || saved.Unknown() != nil
		}
	}
	return read && !unread
}

// bannedOf counts the addresses of a family that a jail has banned. Of exempt ones fail2ban
// lists those too that voipbl's actions refuse to ban.
func (d *doctor) bannedOf(j fail2ban.Jail, f iptables.Family) int {
	n := 0
	for _, a := range j.Banned {
		if _, exempt := d.Exempt[a]; !exempt && a.Unmap().Is4() == (f == iptables.IPv4) {
			n++
		}
	}
	for _, p := range j.BannedNetworks {
		if p.Addr().Is4() == (f == iptables.IPv4) {
			n++
		}
	}
	return n
}

// asked reports whether a rule for incoming packets uses the set or chain that an action fills:
// one in the backend that voipbl uses, and one in the other.
func (d *doctor) asked(a fail2ban.Action, name string, f iptables.Family) (used, other bool) {
	asks := func(k reach.KernelRules) bool {
		if a.Into == fail2ban.IntoSet {
			return iptwalk.LooksAt(k.Saved[f], name)
		}
		return iptwalk.Reaches(k.Saved[f], name)
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
