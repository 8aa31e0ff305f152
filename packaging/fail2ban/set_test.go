package fail2ban_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// setChain has the rules of voipbl-set, for the Asterisk jail, and setJump is the rule that leads
// there.
const (
	setChain = "f2bv-voipbl-asterisk"
	setJump  = "-j " + setChain
)

// setAlone makes a jail ban with voipbl-set only.
const setAlone = "action = voipbl-set[marks=DIR]"

// ours returns the rules in setChain.
func ours(family int) []string {
	var rules []string
	for _, proto := range []string{"udp", "tcp"} {
		rules = append(rules, fmt.Sprintf("-p %s -m multiport --dports 5060:5061 -m set --match-set %s src -m comment --comment \"voipbl-asterisk/voipbl-set\" -j REJECT --reject-with %s",
			proto, owns[family], [...]string{"icmp-port-unreachable", "icmp6-port-unreachable"}[family]))
	}
	return rules
}

// before returns the rules that voipbl-set had in INPUT up to 0.9.0-1.
func before(family int) []string {
	var rules []string
	for _, rule := range ours(family) {
		rules = append(rules, strings.NewReplacer(owns[family], sets[family], `"voipbl-asterisk/voipbl-set"`, "f2b-voipbl-asterisk").Replace(rule))
	}
	return rules
}

// TestSet: attackers are in the set and find the port closed, with voipbl's base rules and without; nobody
// else does. When fail2ban stops, all of that is removed, and nothing else.
func TestSet(t *testing.T) {
	for _, base := range []string{"false", "true"} {
		t.Run("base "+base, func(t *testing.T) {
			onEachBackend(t, func(h *host) {
				h.protect(base)
				h.serve()
				h.jails(asterisk(setAlone))
				h.start()
				before := h.sh("iptables-save; ip6tables-save; ipset list -name")
				h.expect("before", h.knock, attacker, answered)

				h.attack(attacker[:]...)
				h.banned(sets, attacker)
				h.expect("banned", h.knock, attacker, rejected)
				h.expect("banned", h.knock, bystander, answered)
				for f := range tables {
					h.setTimeout(sets[f], attacker[f], 24*3600)
					// Below voipbl's drop, so that voipbl has nothing to repair.
					input := h.rules(f, "INPUT")
					if diff := cmp.Diff(drops(f), input[:2]); diff != "" {
						h.Errorf("the first rules (-want +got):\n%s", diff)
					}
					if input[2] != setJump {
						h.Errorf("below the drops there is %q", input[2])
					}
					if diff := cmp.Diff(ours(f), h.rules(f, setChain)); diff != "" {
						h.Errorf("the rules of the chain (-want +got):\n%s", diff)
					}
				}
				h.sh("voipbl firewall diff")

				h.client("unban " + attacker[0].String() + " " + attacker[1].String())
				h.freed(sets, attacker)
				h.expect("unbanned", h.knock, attacker, answered)

				// It remembers, and bans again.
				h.attack(attacker[:]...)
				h.banned(sets, attacker)
				h.stop()
				if after := h.sh("iptables-save; ip6tables-save; ipset list -name"); cut(after) != cut(before) {
					h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
				}
				h.freed(sets, attacker)
				h.start()
				h.banned(sets, attacker)
				h.expect("restored", h.knock, attacker, rejected)
				h.stop()
			})
		})
	}
}

// cut removes from a dump what changes with time.
func cut(dump string) string {
	return regexp.MustCompile(`(?m)^#.*\n|\[\d+:\d+\]|^:(PREROUTING|FORWARD|OUTPUT|INPUT) ACCEPT.*\n`).ReplaceAllString(dump, "")
}

// setTimeout checks that an entry of a set has about the given number of seconds left.
func (h *host) setTimeout(set string, a netip.Addr, want int) {
	h.Helper()
	listing := h.sh("ipset save " + set)
	m := regexp.MustCompile(`(?m)^add \S+ ` + regexp.QuoteMeta(a.String()) + ` timeout (\d+)$`).FindStringSubmatch(listing)
	if m == nil {
		h.Fatalf("%s is not in\n%s", a, listing)
	}
	if got, err := strconv.Atoi(m[1]); err != nil || got > want || got < want-int(patience.Seconds()) {
		h.Errorf("%s has %s seconds left, of %d", a, m[1], want)
	}
}

// TestSetEnds: how long bans last in the kernel, and what becomes of bans that nobody has to end any
// more.
func TestSetEnds(t *testing.T) {
	for _, test := range []struct {
		name, bantime string
		own           int // 0: for good
	}{
		{"for ever", "-1", 0},
		{"as long as ipset can", "2147483", 2147483},
		{"longer than ipset can", "2147999", 0},
		{"ten years", "3650d", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t, "nft")
			h.jails(asterisk(setAlone + "\nbantime = " + test.bantime))
			h.start()
			h.attack(attacker[:]...)
			h.banned(sets, attacker)
			for f := range tables {
				h.setTimeout(owns[f], attacker[f], test.own)
				h.setTimeout(sets[f], attacker[f], 2147483)
			}
			h.stop()
			if left := h.sh("ipset list -name"); left != "" {
				h.Errorf("after the stop there are the sets %q", left)
			}
		})
	}
	t.Run("expired", func(t *testing.T) {
		h := newHost(t, "nft")
		h.serve()
		h.jails(asterisk(setAlone + "\nbantime = 15"))
		h.start()
		h.attack(attacker[:]...)
		for _, a := range attacker {
			h.eventually(a.String()+" is unbanned", func() bool { return strings.Contains(h.read("fail2ban.log"), " Unban "+a.String()) })
		}
		h.freed(sets, attacker)
		h.expect("expired", h.knock, attacker, answered)
		h.stop()
	})
}

// TestSetOfOthers: what others have put into the set and into INPUT stays. A ban that exists already, or
// has ended already, is no error.
func TestSetOfOthers(t *testing.T) {
	onEachBackend(t, func(h *host) {
		for f, name := range tables {
			family := [...]string{"inet", "inet6"}[f]
			// An admin's set may be made differently.
			h.sh("ipset create " + sets[f] + " hash:ip family " + family + " maxelem 1000 timeout 0; ipset add " + sets[f] + " " + bystander[f].String())
			// A rule like voipbl-set's old ones, but without its comment, is somebody else's.
			h.sh(name + " -A INPUT " + strings.Replace(before(f)[1], "-m comment --comment f2b-voipbl-asterisk ", "", 1))
			h.sh(name + " -A INPUT -p tcp --dport 9 -j ACCEPT")
		}
		before := h.sh("iptables-save; ip6tables-save; ipset save")
		h.jails(asterisk(setAlone))
		h.start()
		for f, a := range attacker {
			h.sh("ipset add " + sets[f] + " " + a.String() + " timeout 9")
		}
		h.attack(attacker[:]...)
		h.eventually("both have rules", func() bool { return len(h.rules(0, "INPUT")) == 3 && len(h.rules(1, "INPUT")) == 3 })
		for f, a := range attacker {
			h.eventually(a.String()+" has the new end", func() bool {
				return !regexp.MustCompile(`(?m)^add \S+ ` + a.String() + ` timeout \d$`).MatchString(h.sh("ipset save " + sets[f]))
			})
			if got := h.rules(f, "INPUT"); got[0] != setJump || !slices.Equal(h.rules(f, setChain), ours(f)) {
				h.Errorf("INPUT is %q", got)
			}
			h.sh("ipset del " + sets[f] + " " + a.String())
		}
		h.client("unban " + attacker[0].String())
		h.stop() // unbans the other
		if after := h.sh("iptables-save; ip6tables-save; ipset save"); cut(after) != cut(before) {
			h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(before), cut(after)))
		}
	})
}

// TestSetHeals: the next attack from a banned address, or the next ban, restores what was removed.
func TestSetHeals(t *testing.T) {
	onEachBackend(t, func(h *host) {
		h.serve()
		h.jails(asterisk(setAlone))
		h.start()
		h.attack(attacker[:]...)
		h.banned(sets, attacker)
		h.expect("banned", h.knock, attacker, rejected)

		h.sh("iptables -F INPUT; ip6tables -F INPUT")
		h.expect("flushed", h.knock, attacker, answered)
		h.attack(bystander[:]...)
		h.banned(sets, bystander)
		h.expect("a new ban", h.knock, attacker, rejected)
		h.expect("a new ban", h.knock, bystander, rejected)

		h.sh("iptables -F INPUT; ip6tables -F INPUT; ipset destroy " + sets[0] + "; ipset destroy " + sets[1])
		h.expect("destroyed", h.knock, attacker, answered)
		// fail2ban only repairs if a banned address attacks more than 3 seconds after its ban. Until
		// then it repeats its message.
		for f, a := range attacker {
			h.eventually(a.String()+" is banned again", func() bool { h.attack(a); return h.in(sets[f], a) })
		}
		h.expect("said again", h.knock, attacker, rejected)
		if len(h.complaints()) == 0 {
			h.Error("fail2ban says nothing of what was taken away")
		}
		h.forget()
		h.client("stop")
		h.server.Wait()
		if left := h.sh("ipset list -name; iptables -S INPUT; ip6tables -S INPUT"); left != "-P INPUT ACCEPT\n-P INPUT ACCEPT\n" {
			h.Errorf("after the stop there is\n%s", left)
		}
	})
}

// TestUpgrade: rules that an older version of the actions has left in INPUT, for whatever ports, are
// removed when the new version starts, and when it stops. Other rules stay.
func TestUpgrade(t *testing.T) {
	onEachBackend(t, func(h *host) {
		old := func() {
			for f, name := range tables {
				for _, rule := range append(before(f), strings.Replace(before(f)[0], "5060:5061", "5160", 1)) {
					h.sh(name + " -I INPUT " + rule)
				}
				h.sh(name + " -I INPUT -p tcp -m multiport --dports 22 -m comment --comment f2b-voipbl-ssh -j fail2ban-ssh")
			}
		}
		h.sh("ipset create fail2ban-ASTERISK hash:ip timeout 0; ipset create fail2ban-ASTERISK6 hash:ip family inet6 timeout 0")
		h.sh("for t in iptables ip6tables; do $t -N fail2ban-ssh; $t -A INPUT -p tcp --dport 22 -m comment --comment f2b-other -j fail2ban-ssh; $t -A INPUT -p tcp --dport 9 -j ACCEPT; done")
		is := h.sh("iptables-save; ip6tables-save")
		old()
		h.jails(asterisk(setAlone) + sshJail)
		h.serve()
		h.start()
		h.attack(attacker[:]...)
		h.banned(sets, attacker)
		h.banSSH(attacker[0].String(), attacker[1].String())
		for f := range tables {
			want := []string{"-j " + sshChain, setJump, "-p tcp -m tcp --dport 22 -m comment --comment f2b-other -j fail2ban-ssh", "-p tcp -m tcp --dport 9 -j ACCEPT"}
			input := h.rules(f, "INPUT")
			slices.Sort(input[:2])
			slices.Sort(want[:2])
			if diff := cmp.Diff(want, input); diff != "" {
				h.Errorf("INPUT (-want +got):\n%s", diff)
			}
		}
		h.expect("banned", h.knock, attacker, rejected)
		old()
		h.stop()
		if after := h.sh("iptables-save; ip6tables-save"); cut(after) != cut(is) {
			h.Errorf("after the stop (-before +after):\n%s", cmp.Diff(cut(is), cut(after)))
		}
	})
}
