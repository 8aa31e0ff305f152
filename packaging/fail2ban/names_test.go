package fail2ban_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// manual returns a jail that bans only the addresses that the client names.
func manual(name, action string) string {
	return "[" + name + "]\nenabled = true\nfilter = voipbl-asterisk[count=passwords]\nbackend = polling\nlogpath = DIR/messages\nbantime = 1h\naction = " + action + "\n"
}

// ban has a jail ban an address, and waits until a rule or a set has it.
func (h *host) ban(jail, address, where string) {
	h.Helper()
	h.client("set " + jail + " banip " + address)
	h.eventually(address+" is banned", func() bool { out, err := h.run(where); return err == nil && strings.Contains(out, address) })
}

// TestNamesAreNoPatterns: if the names of two jails match each other as patterns, each takes back only
// its own bans.
func TestNamesAreNoPatterns(t *testing.T) {
	for action, where := range map[string]string{"voipbl-set": "ipset save own-", "voipbl-ssh": "ipset save f2bs-"} {
		t.Run(action, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.serve()
				h.jails(manual("pbx.sip", action+"[marks=DIR]") + manual("pbx-sip", action+"[marks=DIR]"))
				h.start()
				h.ban("pbx-sip", attacker[0].String(), where+"pbx-sip")
				before := h.sh("iptables-save")
				h.ban("pbx.sip", bystander[0].String(), where+"pbx.sip")
				h.client("stop pbx.sip")
				if after := h.sh("iptables-save"); cut(after) != cut(before) {
					h.Errorf("the stop of pbx.sip changes\n%s\ninto\n%s", before, after)
				}
				h.client("set pbx-sip unbanip " + attacker[0].String())
				h.stop()
				if left := h.sh("iptables -S; ipset list -name"); strings.Contains(left, "pbx") {
					h.Errorf("after the stop there is\n%s", left)
				}
			})
		})
	}
}

// TestNameThatNothingCanHave: a jail whose name no chain, set or file can have bans nobody, says so and
// leaves nothing.
func TestNameThatNothingCanHave(t *testing.T) {
	for _, action := range []string{"voipbl-set", "voipbl-ssh"} {
		for _, name := range []string{"a/b", "a*"} {
			t.Run(action+" "+name, func(t *testing.T) {
				h := newHost(t, "nft")
				h.jails(manual(name, action+"[marks=DIR]"))
				h.start()
				h.client("set '" + name + "' banip " + attacker[0].String())
				h.refused("give the jail another name")
			})
		}
	}
}

// TestBothActionsInOneJail: neither removes the rules of the other.
func TestBothActionsInOneJail(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.serve()
		h.jails(manual("both", "voipbl-ssh[marks=DIR]\n\tvoipbl-set[marks=DIR]"))
		h.start()
		for f, a := range attacker {
			h.ban("both", a.String(), "ipset save own-both"+[...]string{"", "6"}[f])
		}
		h.expect("the SIP port", h.knock, attacker, rejected)
		h.expect("the port of ssh", h.dial, attacker, rejected)
		h.client("unban " + attacker[0].String() + " " + attacker[1].String())
		h.expect("the SIP port", h.knock, attacker, answered)
		h.expect("the port of ssh", h.dial, attacker, answered)
		h.stop()
		if left := h.sh("iptables -S; ip6tables -S; ipset list -name"); strings.Contains(left, "both") {
			h.Errorf("after the stop there is\n%s", left)
		}
	})
}

// TestUpgradeOfSSH: the chain that voipbl-ssh used to share with voipbl-set goes when the new version
// starts. What voipbl-set, or an admin, has in it stays.
func TestUpgradeOfSSH(t *testing.T) {
	const theirs = " -p udp -m udp --dport 9 -j REJECT"
	for _, shared := range []bool{false, true} {
		onEachBackend(t, func(h *host) {
			for f, name := range tables {
				h.sh(name + " -N f2bv-voipbl-ssh; " + name + " -A INPUT -j f2bv-voipbl-ssh; " + name + " -A f2bv-voipbl-ssh -s " + bystander[f].String() + " -p tcp -m multiport --dports 22 -m comment --comment f2b-voipbl-ssh -j REJECT")
				if shared {
					h.sh(name + " -A f2bv-voipbl-ssh" + theirs)
				}
			}
			h.jails(sshJail)
			h.serve()
			h.start()
			h.banSSH(attacker[0].String(), attacker[1].String())
			h.expect("banned", h.dial, attacker, rejected)
			for f := range tables {
				all := h.sh(tables[f] + " -S")
				if strings.Contains(all, "-s "+bystander[f].String()) {
					h.Errorf("an old ban is left:\n%s", all)
				}
				if strings.Contains(all, "f2bv-voipbl-ssh"+theirs) != shared || strings.Contains(all, "-A INPUT -j f2bv-voipbl-ssh") != shared || !shared && strings.Contains(all, "f2bv") {
					h.Errorf("shared %v:\n%s", shared, all)
				}
			}
			h.stop()
		})
	}
}

// TestReloadAfterUpgrade: addresses that an older version has banned by rules stay banned when fail2ban
// reads the new action, until fail2ban ends these bans.
func TestReloadAfterUpgrade(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.jails(sshJail)
		h.serve()
		h.start()
		h.banSSH(attacker[0].String(), attacker[1].String(), bystander[0].String(), bystander[1].String())
		for f, name := range tables { // what that version had in place of members
			h.sh("ipset flush " + sshSets[f] + "; " + name + " -F f2bs-voipbl-ssh; " + name + " -F fail2ban-ssh")
			for _, who := range [][2]netip.Addr{attacker, bystander} {
				for _, rule := range []string{"f2bs-voipbl-ssh -s %s -p tcp -m multiport --dports 22", "fail2ban-ssh -s %s"} {
					h.sh(name + " -A " + fmt.Sprintf(rule, who[f]) + " -m comment --comment f2b-voipbl-ssh -j REJECT")
				}
			}
		}
		h.sh("ipset destroy " + sshSets[0] + "; ipset destroy " + sshSets[1])
		h.client("reload")
		h.expect("reloaded", h.dial, attacker, rejected)
		h.client("unban " + attacker[0].String() + " " + attacker[1].String())
		h.expect("unbanned", h.dial, attacker, answered)
		h.expect("the other one", h.dial, bystander, rejected)
		h.banSSH(newcomer[0].String(), newcomer[1].String())
		h.expect("beside a new ban", h.dial, bystander, rejected)
		if left := h.sh("iptables -S; ip6tables -S"); strings.Contains(left, " -s ") {
			h.Errorf("rules of the version before are left:\n%s", left)
		}
		h.client("unban " + bystander[0].String() + " " + bystander[1].String())
		h.expect("the other one, unbanned", h.dial, bystander, answered)
		h.forget()
		h.stop()
	})
}

// TestVoipblThatHangs: attackers are banned all the same, before fail2ban kills the action.
func TestVoipblThatHangs(t *testing.T) {
	for jail, action := range map[string]string{"voipbl-asterisk": asterisk(setAlone), "voipbl-ssh": sshJail} {
		t.Run(jail, func(t *testing.T) {
			h := newHost(t, "nft")
			h.write("bin/voipbl", "#!/bin/sh\ntrap '' TERM\nsleep 600\nsleep 600\n")
			h.jails(action)
			h.start()
			h.client("set " + jail + " banip " + attacker[0].String())
			h.eventually("it is banned, with an error", func() bool {
				if !strings.Contains(h.read("fail2ban.log"), "voipbl cannot say whether "+attacker[0].String()+" is exempt: it is banned") {
					return false
				}
				return strings.Contains(h.sh("iptables -S; ipset save"), attacker[0].String())
			})
			h.forget()
			h.stop()
		})
	}
}

// TestVoipblThatHangsAtBans: voipbl-ban and voipbl-report stop waiting too, so that fail2ban is free for
// the next ban, and the log says what was not done. Once voipbl works again, it bans.
func TestVoipblThatHangsAtBans(t *testing.T) {
	h := newHost(t, "nft")
	h.sh("voipbl sync --offline || test $? = 3")
	works := h.read("bin/voipbl")
	h.write("bin/voipbl", "#!/bin/sh\ntrap '' TERM\nsleep 600\nsleep 600\n")
	h.jails(manual("hung", "voipbl-report\n\tvoipbl-ban[marks=DIR]"))
	h.start()
	h.attack(attacker[0])
	h.says("stderr: 'voipbl has not answered within 5 seconds, three times'")
	if log := h.read("fail2ban.log"); strings.Contains(log, "timed out after 60") || !strings.Contains(log, "timeout -s KILL 5 voipbl report 8.8.8.8") {
		h.Errorf("fail2ban has ended an action, or nobody the report:\n%s", log)
	}
	h.write("bin/voipbl", works) // in time for the second run of the command that failed
	h.attack(bystander[0])
	for _, a := range []netip.Addr{attacker[0], bystander[0]} {
		h.eventually(a.String()+" is banned", func() bool { return h.in(hosts[0], a) })
	}
	h.forget()
	h.stop()
}
