package fail2ban_test

import (
	"net/netip"
	"strings"
	"testing"
)

// TestSetOfAnotherProgram: a program that fills fail2ban-ASTERISK by itself keeps what it
// holds there for good, also of somebody whom the jail bans and takes back; and a set of
// its own making, without time-outs, keeps nobody from being banned and taken back.
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

// TestJailWithLongName: iptables has no chain with more than 28 letters, and ipset no set with
// more than 31. fail2ban's log says so in words that help, and what they say helps.
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
