package fail2ban_test

import (
	"net/netip"
	"strings"
	"testing"
)

// TestChainOfAnother: a jail that is given another jail's chain removes nothing from it, and says what to
// do.
func TestChainOfAnother(t *testing.T) {
	for action, where := range map[string]string{"voipbl-set": "ipset save own-first", "voipbl-ssh": "ipset save f2bs-first"} {
		t.Run(action, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.serve()
				h.jails(manual("first", action+"[marks=DIR, own_chain=f2b-one]") + manual("second", action+"[marks=DIR, own_chain=f2b-one]"))
				h.start()
				h.ban("first", attacker[0].String(), where)
				before := h.sh("iptables-save; ipset list -name")
				h.client("set second banip " + bystander[0].String())
				h.says("the chain f2b-one has rules of another jail, action or program, and is left alone: write own_chain=f2b-SHORT")
				h.client("stop second")
				if after := h.sh("iptables-save; ipset list -name"); cut(after) != cut(before) {
					h.Errorf("the second jail changes\n%s\ninto\n%s", before, after)
				}
				h.forget()
				h.stop()
			})
		})
	}
}

// TestSecondOfOneJail: a jail's second action, with other ports, removes nothing of the first one's. With a
// chain and a set of its own, it bans as well.
func TestSecondOfOneJail(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.serve()
		first, second := "voipbl-set[marks=DIR, port=5060]", "voipbl-set[marks=DIR, actname=second, port=4569"
		h.jails(manual("one", first+"\n\t"+second+"]"))
		h.start()
		for range 2 { // the second ban finds the rules in place
			h.ban("one", attacker[0].String(), "ipset save own-one")
			h.says("the chain f2bv-one has rules of another jail, action or program, and is left alone: write own_chain=f2b-SHORT, own_set=own-SHORT")
			if got := h.rules(0, "f2bv-one"); len(got) != 2 || !strings.Contains(got[0], "--dports 5060 ") || !strings.Contains(got[1], "--dports 5060 ") {
				h.Errorf("the chain has %q", got)
			}
			h.client("unban --all")
		}
		h.forget()
		h.client("stop")
		h.server.Wait()
		h.jails(manual("one", first+"\n\t"+second+", own_chain=f2b-two]"))
		h.start()
		h.ban("one", attacker[0].String(), "ipset save own-one")
		h.says("the set own-one is one of another jail or action, and is left alone: write own_set=own-SHORT")
		h.forget()
		h.client("stop")
		h.server.Wait()
		h.jails(manual("one", first+"\n\t"+second+", own_chain=f2b-two, own_set=own-two]"))
		h.start()
		h.ban("one", attacker[0].String(), "ipset save own-one")
		h.eventually("the other action bans", func() bool { return h.in("own-two", attacker[0]) })
		for chain, port := range map[string]string{"f2bv-one": " 5060 ", "f2b-two": " 4569 "} {
			if got := h.rules(0, chain); len(got) != 2 || !strings.Contains(got[0], port) || !strings.Contains(got[1], port) {
				h.Errorf("%s has %q", chain, got)
			}
		}
		h.stop()
	})
}

// TestTwoSSHOfOneJail: both have their rule in the chain that base rules jump to, ban after ban.
func TestTwoSSHOfOneJail(t *testing.T) {
	h := newHost(t, "nft")
	h.jails(manual("one", "voipbl-ssh[marks=DIR]\n\tvoipbl-ssh[marks=DIR, actname=second, port=2222, own_chain=f2bs-two, own_set=f2bs-two]"))
	h.start()
	for _, who := range [][2]netip.Addr{attacker, bystander} {
		for f := range tables {
			h.ban("one", who[f].String(), "ipset save f2bs-one"+strings.Repeat("6", f))
			h.eventually("the second bans too", func() bool { return h.in("f2bs-two"+strings.Repeat("6", f), who[f]) })
			got := strings.Join(h.rules(f, "fail2ban-ssh"), "\n")
			if n := strings.Count(got, "--match-set"); n != 2 || !strings.Contains(got, "--match-set f2bs-one") || !strings.Contains(got, "--match-set f2bs-two") {
				h.Errorf("the chain has\n%s", got)
			}
		}
	}
	h.stop()
}

// TestNameThatEndsIn6: own-jail6 would be the IPv4 set of jail6 and the IPv6 set of jail. fail2ban's log says
// what to do, and that works.
func TestNameThatEndsIn6(t *testing.T) {
	h := newHost(t, "nft")
	h.serve()
	h.jails(manual("jail6", "voipbl-set[marks=DIR]"))
	h.start()
	h.client("set jail6 banip " + attacker[0].String())
	h.refused("write own_set=own-SHORT, with a name that does not end in 6, among the options of voipbl-set")
	h.jails(manual("jail6", "voipbl-set[marks=DIR, own_set=own-short]") + manual("jail", "voipbl-set[marks=DIR]"))
	h.start()
	h.client("set jail banip " + bystander[1].String())
	h.ban("jail6", attacker[0].String(), "ipset save own-short")
	h.eventually("the other jail bans", func() bool { return h.in("own-jail6", bystander[1]) })
	h.stop()
}
