package fail2ban_test

import (
	"net/netip"
	"strings"
	"testing"
)

// TestSetOfAnotherProgram: a program that fills fail2ban-ASTERISK itself keeps its permanent members, even
// one that the jail bans and unbans. If that program made the set without time-outs, addresses are still
// banned and unbanned.
func TestSetOfAnotherProgram(t *testing.T) {
	for name, timeouts := range map[string]string{"for good": " timeout 0", "without time-outs": ""} {
		t.Run(name, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.serve()
				for f, set := range sets {
					h.sh("ipset create " + set + " hash:ip family " + [...]string{"inet", "inet6"}[f] + timeouts)
					h.sh("ipset add " + set + " " + attacker[f].String())
				}
				held := h.sh("ipset save " + sets[0] + "; ipset save " + sets[1])
				h.jails(asterisk(setAlone))
				h.start()
				for _, who := range [][2]netip.Addr{attacker, bystander} {
					h.attack(who[:]...)
					h.banned(owns, who)
					h.expect("banned", h.knock, who, rejected)
					h.client("unban " + who[0].String() + " " + who[1].String())
					h.freed(owns, who)
					h.expect("unbanned", h.knock, who, answered)
				}
				h.attack(attacker[:]...)
				h.banned(owns, attacker)
				h.client("unban --all")
				h.freed(owns, attacker)
				h.stop()
				if now := h.sh("ipset save " + sets[0] + "; ipset save " + sets[1]); now != held {
					h.Errorf("it had\n%s\nand has now\n%s", held, now)
				}
				h.quiet()
			})
		})
	}
}

// TestJailWithLongName: a chain can have 28 letters, a set 31. With a longer name, fail2ban's log says what
// to do, and that works.
func TestJailWithLongName(t *testing.T) {
	const jail = "a-jail-with-an-even-longer-name"
	for action, options := range map[string]string{"voipbl-set": "own_chain=f2b-short, own_set=own-short", "voipbl-ssh": "own_chain=f2b-short, own_set=f2bs-short"} {
		t.Run(action, func(t *testing.T) {
			h := newHost(t, "nft")
			h.serve()
			turnOn := func(options string) {
				h.jails("[" + jail + "]\nenabled = true\nfilter = voipbl-asterisk[count=passwords]\nbackend = polling\nlogpath = DIR/messages\nmaxretry = 12\nbantime = 1h\naction = " + action + "[marks=DIR" + options + "]\n")
			}
			turnOn("")
			h.start()
			h.attack(attacker[0])
			h.refused("give the jail a shorter name, or write " + strings.ReplaceAll(options, "short", "SHORT") + " among the options of " + action)
			turnOn(", " + options)
			h.start()
			h.attack(attacker[0])
			h.attack(attacker[1])
			for _, tool := range []string{"iptables", "ip6tables"} {
				h.eventually("the chain has a rule", func() bool {
					rules, err := h.run(tool + " -S f2b-short")
					return err == nil && strings.Contains(rules, "-A f2b-short ")
				})
			}
		})
	}
}
